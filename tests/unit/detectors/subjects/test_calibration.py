"""Calibration drift: against the model's own past, split into shift, tilt and shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import (
    BadParameterError,
    EdgesDifferError,
    EmptySampleError,
    NegativeCountError,
    OutOfRangeError,
    ShapeError,
    TooFewError,
)
from detectors.subjects.calibration import calibration_drift, calibration_variation
from detectors.subjects.outcomes import ScoredOutcomes, merge_outcomes

EDGES = np.linspace(0, 1, 11)


def own_past(p):
    """A model that always was over-confident."""
    return 0.15 + 0.7 * p


def scored(seed, size, curve=own_past, beta=(1.5, 1.5), noise=0.0):
    rng = np.random.default_rng(seed)
    p = rng.beta(*beta, size=size)
    right = rng.random(size) < curve(p)
    counts, positives, sums = (
        np.histogram(p, EDGES, weights=weight)[0] for weight in (None, right * 1.0, p)
    )
    noised = (each + noise * rng.normal(size=10) for each in (counts, positives))
    return ScoredOutcomes(EDGES, *noised, None if noise else sums, noise_sd=noise)


@pytest.mark.parametrize(
    ("sizes", "beta", "noise"),
    [((3000, 800), (1.5, 1.5), 0.0), ((3000, 800), (2, 1.2), 0.0), ((5000, 3000), (1.5, 1.5), 10)],
)
def test_false_alarms_are_as_rare_as_asked_for_even_when_scores_move(sizes, beta, noise):
    p_values = []
    for seed in range(300):
        before = scored(seed, sizes[0], noise=noise)
        after = scored(seed + 1000, sizes[1], beta=beta, noise=noise)
        drift = calibration_drift(before, after)
        p_values.append([drift.test.p_value, drift.shift.p_value, drift.tilt.p_value])
        p_values[-1].append(drift.shape.p_value)
    for column in np.array(p_values).T:
        for level in (0.05, 0.2):
            band = 3 * np.sqrt(level * (1 - level) / 300)
            assert abs(np.mean(column <= level) - level) < band


def test_rounds_as_the_unit_do_not_alarm_for_the_weather():
    by_rounds, by_examples = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        moves = rng.normal(size=(11, 2)) * (0.04, 0.08)
        *known, new = (
            scored(seed * 20 + k, 500, lambda p, a=a, t=t: own_past(p) + a + t * (p - 0.5))
            for k, (a, t) in enumerate(moves)
        )
        reference, variation = merge_outcomes(known), calibration_variation(known)
        by_rounds.append(calibration_drift(reference, new, variation=variation).test.p_value)
        by_examples.append(calibration_drift(reference, new).test.p_value)
    assert np.mean(np.array(by_rounds) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)
    assert np.mean(np.array(by_examples) <= 0.05) > 0.25


def test_the_minimum_detectable_shift_is_found_as_often_as_said():
    least = calibration_drift(scored(1, 5000), scored(2, 1000)).test.minimum_detectable_effect
    found = []
    for seed in range(200):
        after = scored(seed + 500, 1000, lambda p: own_past(p) + least)
        found.append(calibration_drift(scored(seed, 5000), after).test.p_value <= 0.05)
    assert 0.72 < np.mean(found) < 0.95


def test_each_part_is_found_where_it_is_with_its_sign_and_size():
    before = scored(1, 40_000)
    more = calibration_drift(before, scored(2, 40_000, lambda p: own_past(p) + 0.1))
    assert more.shift.change == pytest.approx(0.1, abs=0.015)
    assert more.shift.p_value < 1e-9
    assert more.test.effect == pytest.approx(0.1, abs=0.015)
    bolder = calibration_drift(before, scored(3, 40_000, lambda p: 0.3 + 0.4 * p))
    assert bolder.tilt.change == pytest.approx(-0.3, abs=0.03)
    assert bolder.tilt.p_value < 1e-9
    assert bolder.shift.p_value > 1e-4
    bent = calibration_drift(before, scored(4, 40_000, lambda p: own_past(p) + 0.1 * np.cos(9 * p)))
    assert bent.shape.p_value < 1e-9


def test_the_parts_add_up_to_the_statistic_of_hosmer_and_lemeshow():
    before, after = scored(1, 4000), scored(2, 3000)
    rate = (before.positives + after.positives) / (before.counts + after.counts)
    variance = rate * (1 - rate) * (1 / before.counts + 1 / after.counts)
    chi_square = np.sum((after.gaps() - before.gaps()) ** 2 / variance)
    assert calibration_drift(before, after).test.statistic == pytest.approx(chi_square, rel=1e-9)


def test_the_bias_of_the_error_is_taken_out():
    plain, corrected = [], []
    for seed in range(100):
        after = scored(seed, 500, lambda p: p)
        plain.append(after.counts @ np.abs(after.gaps()) / after.total)
        corrected.append(calibration_drift(scored(9, 5000), after).current.expected)
    assert np.mean(plain) > 0.035
    assert np.mean(corrected) < 0.016
    wrong = calibration_drift(scored(1, 50_000), scored(2, 50_000)).current
    points = np.random.default_rng(0).beta(1.5, 1.5, size=100_000)
    assert wrong.expected == pytest.approx(np.mean(np.abs(own_past(points) - points)), abs=0.005)
    assert wrong.largest == pytest.approx(0.135, abs=0.03)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_merging_clients_is_counting_them_together(cuts, seed):
    whole = scored(seed, 400)
    parts, rest = [], whole
    for cut in cuts:
        taken = [np.floor(each / (cut + 1)) for each in (rest.counts, rest.positives)]
        taken[1] = np.clip(taken[1], rest.positives - (rest.counts - taken[0]), taken[0])
        parts.append(ScoredOutcomes(EDGES, *taken))
        rest = ScoredOutcomes(EDGES, rest.counts - taken[0], rest.positives - taken[1])
    merged = merge_outcomes([*parts, rest])
    assert merged.counts.tolist() == whole.counts.tolist()
    assert merged.positives.tolist() == whole.positives.tolist()


def test_identical_sides_do_not_alarm_and_one_bin_is_enough():
    one = ScoredOutcomes([0, 0.5, 1], [100, 0], [30, 0])
    drift = calibration_drift(one, one)
    assert (drift.test.statistic, drift.test.p_value, drift.tilt.p_value) == (0, 1, 1)


def test_bad_input_is_refused_by_name():
    good = scored(1, 500)
    with pytest.raises(EdgesDifferError):
        calibration_drift(good, ScoredOutcomes([0, 0.5, 1], [9, 9], [3, 3]))
    with pytest.raises(TooFewError, match="Collect more"):
        calibration_drift(good, ScoredOutcomes(EDGES, np.ones(10), np.zeros(10)))
    with pytest.raises(TooFewError):
        calibration_drift(good, ScoredOutcomes(EDGES, np.zeros(10), np.zeros(10)))
    with pytest.raises(BadParameterError, match="0 to 1"):
        ScoredOutcomes([0, 1, 2], [1, 1], [1, 1])
    with pytest.raises(OutOfRangeError):
        ScoredOutcomes([0, 0.5, 1], [1, 1], [2, 1])
    with pytest.raises(OutOfRangeError):
        ScoredOutcomes([0, 0.5, 1], [10, 10], [2, 1], [6.0, 7.0])
    with pytest.raises(ShapeError):
        ScoredOutcomes([0, 0.5, 1], [10, 10], [2, 1], [6.0])
    with pytest.raises(NegativeCountError):
        ScoredOutcomes([0, 0.5, 1], [10, -1], [2, 0])
    with pytest.raises(BadParameterError, match="noise"):
        ScoredOutcomes([0, 0.5, 1], [10, 10], [2, 1], [3.0, 7.0], noise_sd=1.0)
    with pytest.raises(EmptySampleError):
        merge_outcomes([])
    with pytest.raises(TooFewError):
        calibration_variation([good])
