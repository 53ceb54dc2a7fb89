import numpy as np
import pytest

from detectors.errors import BadParameterError, NotBinaryError
from detectors.sequential.blocks.sprt import SprtBlock
from detectors.sequential.sprt import Decision, Sprt

BERNOULLI = {"null": 0.2, "alternative": 0.3, "family": "bernoulli"}


def decided(values, **parameters):
    """What each stream's first test decides."""
    block = SprtBlock(values.shape[1], **parameters)
    first = np.zeros(values.shape[1], dtype=np.uint8)
    for row in values:
        block.update(row)
        first = np.where(first == Decision.NONE, block.decisions, first)
    assert (first != Decision.NONE).all()
    return first


@pytest.mark.parametrize(("alpha", "beta"), [(0.05, 0.05), (0.01, 0.2)])
def test_gaussian_errors_stay_within_walds_bounds(alpha, beta):
    rng = np.random.default_rng(3)
    levels = {"alternative": 0.5, "alpha": alpha, "beta": beta}
    false = (decided(rng.normal(0.0, 1, (300, 4000)), **levels) == Decision.REJECT).mean()
    missed = (decided(rng.normal(0.5, 1, (300, 4000)), **levels) == Decision.ACCEPT).mean()
    assert 0 < false <= alpha / (1 - beta) + 3 * np.sqrt(alpha / 4000)
    assert 0 < missed <= beta / (1 - alpha) + 3 * np.sqrt(beta / 4000)


def test_bernoulli_errors_stay_within_walds_bounds():
    rng = np.random.default_rng(4)
    levels = {**BERNOULLI, "alpha": 0.05, "beta": 0.1}
    false = (decided(rng.random((1000, 3000)) < 0.2, **levels) == Decision.REJECT).mean()
    missed = (decided(rng.random((1000, 3000)) < 0.3, **levels) == Decision.ACCEPT).mean()
    assert 0.02 < false <= 0.05 / 0.9 + 3 * np.sqrt(0.05 / 3000)
    assert 0.05 < missed <= 0.1 / 0.95 + 3 * np.sqrt(0.1 / 3000)


@pytest.mark.parametrize(("alternative", "way"), [(1.0, "up"), (-1.0, "down")])
def test_a_decision_ends_the_test_and_the_next_value_begins_another(alternative, way):
    test = Sprt(alternative=alternative, alpha=0.05, beta=0.05)
    test.update(6 * alternative)
    assert (test.decision, test.drift_detected) == (Decision.REJECT, True)
    assert test.direction.value == way
    test.update(-6 * alternative)
    assert (test.decision, test.drift_detected, test.direction) == (Decision.ACCEPT, False, None)
    test.update(0.5 * alternative)
    assert (test.decision, test.log_ratio) == (Decision.NONE, 0.0)


def test_bernoulli_takes_outcomes_alone():
    for rate in (0.5, 2.0, -1.0):
        with pytest.raises(NotBinaryError):
            Sprt(**BERNOULLI).update(rate)
    with pytest.raises(NotBinaryError, match="position 1"):
        SprtBlock(2, **BERNOULLI).update([1.0, 0.5])


@pytest.mark.parametrize(
    "parameters",
    [
        {"alpha": 0.0},
        {"beta": 0.0},
        {"alpha": 0.6, "beta": 0.5},
        {"null": 1.0},
        {"alternative": np.nan},
        {"sd": 0.0},
        {"sd": 1e-300},
        {"null": -1e308, "alternative": 1e308},
        {"family": "poisson"},
        {"family": "bernoulli"},
        {"null": 0.5, "alternative": 1.0, "family": "bernoulli"},
    ],
)
def test_bad_parameters_are_refused(parameters):
    with pytest.raises(BadParameterError):
        Sprt(**parameters)
    with pytest.raises(BadParameterError):
        SprtBlock(1, **parameters)
