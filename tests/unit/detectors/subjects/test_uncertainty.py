"""Mean uncertainty from binned scores: exact up to what bins hide, and calibrated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Histogram, merge
from detectors.errors import (
    BadParameterError,
    EdgesDifferError,
    EmptySampleError,
    NotOrderedError,
    TooFewError,
)
from detectors.subjects.uncertainty import Uncertainty, uncertainty_drift, uncertainty_variation

EDGES = np.linspace(0, 1, 21)


def read(scores, measure):
    match measure:
        case Uncertainty.ENTROPY:
            return -scores * np.log(scores) - (1 - scores) * np.log1p(-scores)
        case Uncertainty.MARGIN:
            return np.abs(2 * scores - 1)
        case Uncertainty.CONFIDENCE:
            return np.maximum(scores, 1 - scores)
    return scores


@pytest.mark.parametrize("measure", list(Uncertainty))
@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    a=st.floats(0.3, 5),
    b=st.floats(0.3, 5),
    bins=st.integers(2, 30),
)
def test_the_error_bound_holds_whatever_the_scores(measure, seed, a, b, bins):
    rng = np.random.default_rng(seed)
    x, y = rng.beta(a, b, size=50).clip(1e-9, 1 - 1e-9), rng.beta(b, a, size=40).clip(1e-9, 0.99)
    edges = np.sort(np.concatenate(([0, 1], rng.uniform(0.01, 0.99, size=bins - 1))))
    result = uncertainty_drift(
        Histogram.of_values(x, edges), Histogram.of_values(y, edges), measure=measure
    )
    true = read(y, measure).mean() - read(x, measure).mean()
    assert abs(result.effect - true) <= result.error_bound + 1e-12


@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_false_alarms_are_as_rare_as_asked_for(noise):
    p_values = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        sides = []
        for size in (800, 300):
            counts = Histogram.of_values(rng.beta(0.6, 0.6, size=size), EDGES).counts
            sides.append(Histogram(EDGES, counts + noise * rng.normal(size=20), noise_sd=noise))
        p_values.append(uncertainty_drift(*sides).p_value)
    for level in (0.05, 0.2):
        band = 3 * np.sqrt(level * (1 - level) / 300)
        assert abs(np.mean(np.array(p_values) <= level) - level) < band


def rounds_that_differ(seed, rounds=13):
    rng = np.random.default_rng(seed)
    shapes = 0.8 + 0.1 * rng.normal(size=rounds)
    return [Histogram.of_values(rng.beta(b, b, size=500), EDGES) for b in shapes]


def test_rounds_as_the_unit_do_not_alarm_for_sharper_rounds():
    by_rounds, by_examples = [], []
    for seed in range(200):
        *known, new = rounds_that_differ(seed)
        variation = uncertainty_variation(known)
        by_rounds.append(uncertainty_drift(merge(known), new, variation=variation).p_value)
        by_examples.append(uncertainty_drift(merge(known), new).p_value)
    assert np.mean(np.array(by_rounds) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(np.array(by_examples) <= 0.05) > 0.2


def test_the_minimum_detectable_effect_is_found_as_often_as_said():
    rng, found = np.random.default_rng(0), 0
    before = Histogram([0, 0.25, 0.5], [5000, 5000])
    least = uncertainty_drift(
        before, Histogram([0, 0.25, 0.5], [200, 200]), measure=Uncertainty.VALUE
    ).minimum_detectable_effect
    for _ in range(400):
        high = rng.binomial(400, 0.5 + least / 0.25)
        now = Histogram([0, 0.25, 0.5], [400 - high, high])
        found += uncertainty_drift(before, now, measure=Uncertainty.VALUE).p_value <= 0.05
    assert 0.73 < found / 400 < 0.87


def test_identical_histograms_do_not_alarm_and_constant_ones_neither():
    constant = Histogram(EDGES, [50, *[0] * 19])
    result = uncertainty_drift(constant, constant)
    assert (result.effect, result.p_value) == (0, 1)
    assert np.isfinite(result.minimum_detectable_effect)


def test_bad_input_is_refused_by_name():
    good = Histogram(EDGES, np.ones(20))
    with pytest.raises(EdgesDifferError):
        uncertainty_drift(good, Histogram(EDGES[::2], np.ones(10)))
    with pytest.raises(EmptySampleError):
        uncertainty_drift(good, Histogram(EDGES, np.zeros(20)))
    with pytest.raises(NotOrderedError):
        uncertainty_drift(Histogram.of_categories([1, 2]), Histogram.of_categories([1, 2]))
    with pytest.raises(BadParameterError, match="scores from 0 to 1"):
        uncertainty_drift(Histogram(EDGES * 2, np.ones(20)), Histogram(EDGES * 2, np.ones(20)))
    with pytest.raises(BadParameterError, match="measure"):
        uncertainty_drift(good, good, measure="doubt")
    with pytest.raises(TooFewError):
        uncertainty_variation([good])
