"""What records with declared noise cost together: never less than is known to be spent."""

from math import exp, inf, log, sqrt

import numpy as np
import pytest
from scipy import special

from app.rounds import accounting

DELTA = 1e-5
LAPLACE = {"mechanism": "laplace", "epsilon": 0.5, "sensitivity": 1.0}


def gaussian(epsilon: float, delta: float) -> dict[str, object]:
    return {"mechanism": "gaussian", "epsilon": epsilon, "delta": delta, "sensitivity": 1.0}


@pytest.mark.parametrize(
    "privacy",
    [{"mechanism": "none"}, {**LAPLACE, "secure_aggregation": True, "cohort_size": 5}, {}],
)
def test_without_noise_and_under_secure_aggregation_nothing_is_spent(
    privacy: dict[str, object],
) -> None:
    assert accounting.cost_of(privacy) is None


def test_a_few_pure_records_add_up_and_many_cost_less() -> None:
    cost = accounting.cost_of(LAPLACE)
    assert cost is not None
    assert accounting.epsilon_of(cost, DELTA) == pytest.approx(0.5)
    assert accounting.epsilon_of(4 * cost, DELTA) == pytest.approx(2.0)
    assert accounting.epsilon_of(400 * cost, DELTA) < 0.7 * 400 * 0.5


def exact_delta(epsilon: float, ratio: float) -> float:
    """Of a Gaussian mechanism with sensitivity / sigma (Balle & Wang 2018, ICML, theorem 5)."""
    first = special.ndtr(ratio / 2 - epsilon / ratio)
    return float(first - exp(epsilon) * special.ndtr(-ratio / 2 - epsilon / ratio))


@pytest.mark.parametrize("rounds", [1, 10, 100])
def test_gaussian_records_cost_no_less_than_they_do_exactly_and_not_much_more(rounds: int) -> None:
    cost = accounting.cost_of(gaussian(0.5, 1e-6))
    assert cost is not None
    found = accounting.epsilon_of(rounds * cost, DELTA)
    ratio = sqrt(rounds) * 0.5 / sqrt(2 * log(1.25 / 1e-6))
    assert exact_delta(found, ratio) <= DELTA
    assert exact_delta(0.8 * found, ratio) > DELTA


def test_a_delta_that_is_used_up_leaves_no_bound() -> None:
    cost = accounting.cost_of({**LAPLACE, "delta": 1e-5})
    assert cost is not None
    assert accounting.epsilon_of(2 * cost, DELTA) == inf


def test_past_what_can_be_computed_there_is_no_bound() -> None:
    assert accounting.epsilon_of_rho(1e12, 1e-12) == inf


def test_many_at_once_agree_with_one_by_one() -> None:
    rng = np.random.default_rng(1)
    costs = [accounting.cost_of(LAPLACE), accounting.cost_of(gaussian(0.5, 1e-6))]
    spent = np.array([a * costs[0] + b * costs[1] for a, b in rng.integers(0, 40, (50, 2))])
    spent[::7, 3] = 2e-5
    one_by_one = [accounting.epsilon_of(row, DELTA) > 6.0 for row in spent]
    assert accounting.beyond(spent, 6.0, DELTA).tolist() == one_by_one
    assert 5 < sum(one_by_one) < 45


def test_the_limit_is_the_largest_that_is_within() -> None:
    limit = accounting.rho_within(3.0, DELTA)
    assert accounting.epsilon_of_rho(limit, DELTA) <= 3.0
    assert accounting.epsilon_of_rho(limit * 1.001, DELTA) > 3.0
    assert accounting.rho_within(3.0, 0.0) == 0.0
