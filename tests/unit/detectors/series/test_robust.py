"""Median and MAD: calibrated at small references, deaf to what is done to a few rounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import EmptySampleError, NotFiniteError, ShapeError, TooFewError
from detectors.series.robust import limits, robust_scores


@pytest.mark.parametrize("rounds", [5, 6, 8, 15, 30, 101, 500])
def test_false_alarms_are_as_rare_as_asked_for(rounds):
    runs = 20_000 if rounds < 100 else 4_000
    rng = np.random.default_rng(rounds)
    scores = robust_scores(rng.normal(size=(rounds, runs)), rng.normal(size=runs))
    for level in (0.01, 0.05):
        band = 3.5 * np.sqrt(level * (1 - level) / runs)
        assert np.mean(scores.p_values <= level) == pytest.approx(level, abs=band + 0.02 * level)
    assert np.mean(scores.p_values <= 0.001) <= 0.001 + 3.5 * np.sqrt(0.001 / runs)


def test_limits_narrow_as_references_grow():
    widths = [limits(rounds) for rounds in (5, 10, 50, 400, 401, 5000)]
    scales, degrees = zip(*widths, strict=True)
    assert list(scales) == sorted(scales, reverse=True)
    assert degrees[0] < degrees[1] < degrees[2] < degrees[3]
    assert degrees[4] == pytest.approx(degrees[3], rel=0.1)


@pytest.mark.parametrize("wild", [1e3, -1e9])
def test_a_few_bad_rounds_change_little(wild):
    rng = np.random.default_rng(2)
    clean = rng.normal(size=(40, 200))
    soiled = clean.copy()
    soiled[:6] = wild
    before, after = (robust_scores(each, np.full(200, 8.0)) for each in (clean, soiled))
    assert (before.p_values < 1e-3).all()
    assert (after.p_values < 0.01).all()
    assert np.abs(after.effect - before.effect).max() < 1.5


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 999),
    shift=st.integers(-64, 64),
    power=st.integers(-8, 8),
    order=st.permutations(range(9)),
)
def test_shift_scale_and_order(seed, shift, power, order):
    rng, scale = np.random.default_rng(seed), 2.0**power
    reference, values = rng.normal(size=(9, 3)), rng.normal(size=(2, 3))
    before = robust_scores(reference, values)
    moved = robust_scores(reference[list(order)] * scale + shift, values * scale + shift)
    assert moved.p_values == pytest.approx(before.p_values, rel=1e-6)
    assert moved.effect == pytest.approx(before.effect * scale, rel=1e-6, abs=1e-9)
    assert robust_scores(-reference, -values).z == pytest.approx(-before.z, abs=1e-9)


def test_shapes_follow_the_values():
    reference = np.random.default_rng(3).normal(size=(10, 3))
    assert robust_scores(reference, np.zeros(3)).z.shape == (3,)
    assert robust_scores(reference, np.zeros((4, 3))).z.shape == (4, 3)
    assert robust_scores(reference[:, 0], [0.0, 1.0]).p_values.shape == (2,)
    assert robust_scores(reference[:, 0], 0.0).p_values.shape == ()


def test_mostly_equal_rounds_are_judged_by_their_standard_deviation():
    mostly = np.array([0.0] * 8 + [1.0, -1.0])
    scores = robust_scores(np.column_stack((mostly, np.full(10, 0.2))), [1.0, 0.3])
    assert scores.p_values[0] > 0.02
    assert scores.p_values[1] < 1e-6
    assert robust_scores(np.full(10, 0.2), 0.2).p_values == 1


@pytest.mark.parametrize(
    ("reference", "values", "error"),
    [
        ([], [1.0], EmptySampleError),
        ([1.0] * 4, [1.0], TooFewError),
        ([1.0, np.nan] * 5, [1.0], NotFiniteError),
        (np.ones((6, 2)), [1.0], ShapeError),
        (np.ones((6, 2, 2)), [1.0], ShapeError),
        (np.ones(6), np.ones((2, 2)), ShapeError),
    ],
)
def test_what_cannot_be_judged_is_refused(reference, values, error):
    with pytest.raises(error):
        robust_scores(reference, values)
