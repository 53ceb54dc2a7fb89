import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from detectors.errors import BadParameterError
from detectors.sequential.confidence_sequence import e_value_below, half_width, look_share


def looks_at(rng, canaries, clients, looks, between, within):
    """t of each canary (rows) at each look (columns): the same clients, with more rounds each."""
    effects = between * rng.normal(size=(canaries, 1, clients))
    rounds = effects + within * rng.normal(size=(canaries, looks, clients))
    pooled = np.cumsum(rounds, axis=1) / np.arange(1, looks + 1)[:, np.newaxis]
    return pooled.mean(axis=2) / pooled.std(axis=2, ddof=1) * math.sqrt(clients)


# Where clients differ little between rounds, where they differ little from each other, and both.
SPREADS = [(1.0, 0.1), (0.0, 1.0), (0.3, 1.0)]


@pytest.mark.parametrize(("between", "within"), SPREADS)
@pytest.mark.parametrize("clients", [3, 16])
def test_all_looks_together_err_no_more_often_than_asked(clients, between, within):
    t = looks_at(np.random.default_rng(1), 3000, clients, 25, between, within)
    widths = [half_width(1.0, clients - 1, look, 0.05) for look in range(1, 26)]
    ever = (np.abs(t) > widths).any(axis=1).mean()
    assert 0 < ever <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 3000)


def test_an_interval_for_one_look_is_wrong_far_too_often_when_one_looks_again():
    t = looks_at(np.random.default_rng(1), 3000, 16, 25, 0.0, 1.0)
    assert (np.abs(t) > scipy.stats.t.isf(0.025, 15)).any(axis=1).mean() > 0.2


@pytest.mark.parametrize(("between", "within"), SPREADS)
def test_the_largest_e_value_of_all_looks_is_rarely_large(between, within):
    t = looks_at(np.random.default_rng(2), 500, 16, 10, between, within)
    values = [[e_value_below(one, 16, look + 1) for look, one in enumerate(row)] for row in t]
    assert (np.max(values, axis=1) >= 10).mean() <= 0.1


def test_the_shares_of_all_looks_add_to_one():
    assert sum(look_share(look) for look in range(1, 10_000)) == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize("clients", [2, 3, 16, 200])
def test_an_e_value_is_worth_one_where_nothing_differs(clients):
    def weighed(t):
        return 2 * e_value_below(t, clients) * scipy.stats.t.pdf(t, clients - 1)

    sides = [(-math.inf, 0.0), (0.0, math.inf)]
    worth = sum(scipy.integrate.quad(weighed, *side, limit=300)[0] for side in sides)
    assert worth == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("clients", [2, 5, 100])
def test_an_e_value_falls_as_the_statistic_rises(clients):
    values = [e_value_below(t, clients) for t in np.linspace(-40, 40, 400)]
    assert all(later < earlier for earlier, later in pairwise(values))


def test_an_e_value_is_the_ratio_of_mixture_densities():
    """By quadrature over the effect d, from N(0, 1) below 0: noncentral t over central t."""
    t, clients = -2.3, 9

    def weighed(effect):
        density = scipy.stats.nct.pdf(t, clients - 1, effect * math.sqrt(clients))
        return 2 * scipy.stats.norm.pdf(effect) * density

    mixture = scipy.integrate.quad(weighed, -10, 0)[0]
    ratio = mixture / scipy.stats.t.pdf(t, clients - 1)
    assert 2 * e_value_below(t, clients) == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize("clients", [2, 16, 100_000])
def test_there_is_an_answer_at_the_ends(clients):
    assert 0 <= e_value_below(math.inf, clients) < 0.2
    assert 0.5 < e_value_below(-math.inf, clients) < math.inf
    assert half_width(0.0, clients - 1, 1, 0.05) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: look_share(0),
        lambda: look_share(1.5),
        lambda: half_width(1.0, 3, 1, 0.0),
        lambda: e_value_below(0.0, 1),
    ],
)
def test_bad_parameters_are_refused(call):
    with pytest.raises(BadParameterError):
        call()
