import numpy as np
import pytest
import scipy.special

from detectors import (
    Histogram,
    effective_sample_size,
    energy_histogram,
    estimate_variation,
    ks_histogram,
    merge,
)
from detectors.errors import BadParameterError, EdgesDifferError, EmptySampleError, TooFewError

EDGES = np.linspace(0, 1, 21)
BASE = np.random.default_rng(0).dirichlet(np.full(20, 5.0))


def dirichlet_round(rng: np.random.Generator, concentration: float, n: int = 2000) -> Histogram:
    return Histogram(EDGES, rng.multinomial(n, rng.dirichlet(BASE * concentration)))


def tilted_round(rng: np.random.Generator, n: int = 2000) -> Histogram:
    """One factor, a tilt of all bins, moves a round: weather."""
    shares = scipy.special.softmax(np.log(BASE) + rng.normal(0, 0.2) * np.linspace(-1, 1, 20))
    return Histogram(EDGES, rng.multinomial(n, shares))


def false_alarms(make, test, rounds: int, repeats: int = 250) -> float:
    found = 0
    for _ in range(repeats):
        reference, current = [make() for _ in range(rounds)], make()
        variation = estimate_variation(reference)
        found += test(merge(reference), current, variation=variation).p_value <= 0.05
    return found / repeats


UPPER_BAND = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 250)


@pytest.mark.parametrize("test", [ks_histogram, energy_histogram])
@pytest.mark.parametrize("rounds", [8, 15, 30])
@pytest.mark.parametrize("concentration", [50, 500, 1e7])
def test_rounds_that_vary_do_not_alarm(test, rounds, concentration):
    rng = np.random.default_rng(rounds)
    rate = false_alarms(lambda: dirichlet_round(rng, concentration), test, rounds)
    assert rate <= UPPER_BAND


@pytest.mark.parametrize("test", [ks_histogram, energy_histogram])
def test_rounds_that_one_factor_moves_do_not_alarm(test):
    rng = np.random.default_rng(5)
    assert false_alarms(lambda: tilted_round(rng), test, rounds=8) <= UPPER_BAND


def test_taking_examples_for_the_unit_would_alarm_nearly_always():
    rng = np.random.default_rng(6)
    found = [
        ks_histogram(
            merge([dirichlet_round(rng, 50) for _ in range(8)]), dirichlet_round(rng, 50)
        ).p_value
        <= 0.05
        for _ in range(50)
    ]
    assert np.mean(found) > 0.9


def test_a_shift_beyond_the_variation_is_found():
    rng = np.random.default_rng(7)
    reference = [dirichlet_round(rng, 500) for _ in range(8)]
    shares = BASE * np.linspace(0.4, 1.6, 20)
    moved = Histogram(EDGES, rng.multinomial(2000, shares / shares.sum()))
    variation = estimate_variation(reference)
    for test in (ks_histogram, energy_histogram):
        result = test(merge(reference), moved, variation=variation)
        assert result.p_value < 0.01
        assert result.effect > result.minimum_detectable_effect


@pytest.mark.parametrize("n", [400, 4000])
def test_the_variance_between_rounds_is_estimated_without_bias(n):
    rng = np.random.default_rng(8)
    estimates = [
        estimate_variation([dirichlet_round(rng, 99, n) for _ in range(10)]).tau_squared
        for _ in range(200)
    ]
    assert np.mean(estimates) == pytest.approx(1 / 100, rel=0.1)


def test_categories_vary_the_same_way():
    rng = np.random.default_rng(9)
    rounds = [
        Histogram.of_categories(rng.multinomial(3000, rng.dirichlet([30, 50, 19])))
        for _ in range(200)
    ]
    assert estimate_variation(rounds).tau_squared == pytest.approx(1 / 100, rel=0.2)


def test_equal_rounds_have_no_variance_between_them():
    counts = Histogram(EDGES, BASE * 1000)
    variation = estimate_variation([counts, counts, counts])
    assert variation.tau_squared == 0
    assert variation.phi == 1


def test_rounds_of_one_value_answer_all_the_same():
    constant = Histogram([0, 1, 2], [10, 0])
    variation = estimate_variation([constant, constant])
    for test in (ks_histogram, energy_histogram):
        result = test(constant, constant, variation=variation)
        assert result.p_value == pytest.approx(1)
        assert np.isfinite(result.minimum_detectable_effect)


def test_effective_size_saturates():
    assert effective_sample_size(100, 0.0) == 100
    assert effective_sample_size(1e12, 0.01) == pytest.approx(100)


def test_fewer_rounds_are_trusted_less():
    rng = np.random.default_rng(10)
    rounds = [dirichlet_round(rng, 100) for _ in range(30)]
    many = estimate_variation(rounds)
    few = type(many)(3, many.variance, many.sampling, many.n, many.concentration)
    assert few.spread(2000).mean > many.spread(2000).mean


def test_what_cannot_be_estimated_is_refused():
    counts = Histogram(EDGES, BASE * 1000)
    with pytest.raises(TooFewError):
        estimate_variation([counts])
    with pytest.raises(EmptySampleError):
        estimate_variation([counts, Histogram(EDGES, np.zeros(20))])
    with pytest.raises(EdgesDifferError):
        estimate_variation([counts, Histogram(EDGES * 2, BASE)])
    with pytest.raises(BadParameterError):
        effective_sample_size(0, 0.1)
