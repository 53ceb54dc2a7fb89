"""Baselines of many streams: Student's t where nothing is remembered, calibrated where it is."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import (
    BadParameterError,
    EmptySampleError,
    NotFiniteError,
    OutOfRangeError,
    ShapeError,
    TooFewError,
)
from detectors.series.recent import recent_shift
from detectors.series.standardise import Standardiser
from detectors.series.whitening import Baseline, innovations

STREAMS = 4000


def autoregressive(seed: int, rounds: int, rho: float, streams: int = STREAMS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rounds, streams))
    values[0] /= np.sqrt(1 - rho**2)
    for now in range(1, rounds):
        values[now] += rho * values[now - 1]
    return values


def band(level: float, runs: int) -> float:
    return 3 * float(np.sqrt(level * (1 - level) / runs))


@settings(deadline=None, max_examples=25)
@given(n=st.integers(3, 40), w=st.integers(1, 6), seed=st.integers(0, 999))
def test_without_memory_it_is_the_prediction_t(n, w, seed):
    rng = np.random.default_rng(seed)
    reference, window = rng.normal(5, 2, n), rng.normal(6, 2, w)
    scores = Baseline.fit(reference, whiten=False).judge(window)
    expected = Standardiser.fit(reference).mean_shift(window)
    assert scores.p_values[0] == pytest.approx(expected.p_value, rel=1e-9)
    assert scores.effect[0] == pytest.approx(expected.effect, rel=1e-9, abs=1e-12)
    assert scores.z[0] == pytest.approx(
        np.sign(expected.statistic) * scipy.stats.norm.isf(expected.p_value / 2), abs=1e-7
    )


def test_given_rho_it_is_generalised_least_squares():
    """The readable reference: dense matrices, at one value of rho."""
    rng = np.random.default_rng(3)
    values, n, w, period = rng.normal(size=40), 30, 4, 3
    baseline = Baseline.fit(values[:n], period=period)
    scores = baseline.judge(values[n + 6 :], previous=values[n + 5], start=6)
    shifts, weights = [], []
    for rho in baseline.rho:
        time = np.arange(n)
        covariance = rho ** np.abs(time[:, None] - time) / (1 - rho**2)
        inverse = np.linalg.inv(covariance)
        x = np.eye(period)[time % period]
        information = x.T @ inverse @ x
        means = np.linalg.solve(information, x.T @ inverse @ values[:n])
        rss = (values[:n] - x @ means) @ inverse @ (values[:n] - x @ means)
        later = np.arange(n + 5, n + 6 + w)
        a = values[later] - means[later % period]
        e = a[1:] - rho * a[:-1]
        u = np.where(np.arange(w) == 0, 1.0, 1 - rho)
        shifts.append(u @ e / (u @ u))
        dets = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
        weights.append(-0.5 * dets - (n - period) / 2 * np.log(rss) - 0.25 * np.log(1 - rho))
    weights = np.exp(np.array(weights) - max(weights))
    weights /= weights.sum()
    assert baseline.weights[:, 0] == pytest.approx(weights, rel=1e-8, abs=1e-12)
    assert scores.effect[0] == pytest.approx(weights @ shifts, rel=1e-9)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("reference", [30, 100])
@pytest.mark.parametrize("window", [1, 5])
def test_false_alarms_are_no_more_than_asked_for(rho, reference, window):
    since = reference + 40
    values = autoregressive(reference + window, since + window, rho)
    baseline = Baseline.fit(values[:reference])
    scores = baseline.judge(values[since:], previous=values[since - 1], start=40)
    for level in (0.01, 0.05):
        rate = np.mean(scores.p_values <= level)
        assert rate <= level + band(level, STREAMS)
        assert rate >= 0.5 * level


def test_without_whitening_they_are_many_more():
    values = autoregressive(5, 145, 0.9)
    scores = Baseline.fit(values[:100], whiten=False).judge(values[140:])
    assert np.mean(scores.p_values <= 0.05) > 0.3


def test_seasons_are_taken_out():
    values = autoregressive(6, 119, 0.5)
    values += 10 * np.sin(2 * np.pi * np.arange(119) / 7)[:, np.newaxis]
    baseline = Baseline.fit(values[:84], period=7)
    scores = baseline.judge(values[116:], previous=values[115], start=32)
    assert np.mean(scores.p_values <= 0.05) == pytest.approx(0.05, abs=band(0.05, STREAMS) + 0.005)
    assert baseline.mean_rho.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_z_is_standard_normal(rho):
    values = autoregressive(7, 121, rho)
    z = Baseline.fit(values[:100]).judge(values[120], previous=values[119], start=20).z
    assert scipy.stats.kstest(z, "norm").pvalue > 1e-3


def test_a_shift_is_found_in_its_unit():
    values = autoregressive(8, 105, 0.5)
    values[100:] += 4.0
    scores = Baseline.fit(values[:100]).judge(values[100:], previous=values[99])
    assert np.mean(scores.p_values <= 0.001) > 0.9
    assert scores.effect.mean() == pytest.approx(4.0, abs=0.1)
    assert (scores.z > 0).mean() > 0.99


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 999), shift=st.integers(-64, 64), power=st.integers(-8, 8))
def test_shift_and_scale_change_the_unit_only(seed, shift, power):
    values, scale = autoregressive(seed, 30, 0.6, streams=4), 2.0**power

    def judged(array):
        return Baseline.fit(array[:24], period=2).judge(array[25:], previous=array[24], start=1)

    before, after = judged(values), judged(values * scale + shift)
    assert after.p_values == pytest.approx(before.p_values, rel=1e-6)
    assert after.effect == pytest.approx(before.effect * scale, rel=1e-6, abs=1e-9)
    mirrored = judged(-values)
    assert mirrored.z == pytest.approx(-before.z, abs=1e-9)


def test_each_stream_is_judged_as_if_alone():
    values = autoregressive(9, 40, 0.4, streams=5)
    order = [3, 0, 4, 1, 2]
    together = recent_shift(Baseline.fit(values[:30]), values[30:])
    shuffled = recent_shift(Baseline.fit(values[:30, order]), values[30:, order])
    assert shuffled.p_values == pytest.approx(together.p_values[order], rel=1e-9)
    for stream in range(5):
        alone = recent_shift(Baseline.fit(values[:30, stream]), values[30:, stream])
        assert alone.p_values[0] == pytest.approx(together.p_values[stream], rel=1e-9)


def test_the_recent_p_value_is_the_least_over_its_windows():
    values = autoregressive(10, 36, 0.0, streams=3)
    baseline = Baseline.fit(values[:30], whiten=False)
    shares = {1: 0.25, 4: 0.75}
    scores = recent_shift(baseline, values[30:], windows=shares)
    single = [baseline.judge(values[36 - w :]).p_values / share for w, share in shares.items()]
    assert scores.p_values == pytest.approx(np.minimum(np.min(single, axis=0), 1), rel=1e-9)


def test_recent_false_alarms_are_no_more_than_asked_for():
    values = autoregressive(11, 146, 0.8)
    scores = recent_shift(Baseline.fit(values[:100]), values[140:], start=40)
    assert np.mean(scores.p_values <= 0.05) <= 0.05 + band(0.05, STREAMS)


@pytest.mark.parametrize("whiten", [True, False])
def test_equal_values_leave_a_floor(whiten):
    reference = np.column_stack((np.full(20, 0.2), np.linspace(0, 1, 20)))
    scores = Baseline.fit(reference, whiten=whiten).judge([0.2, 0.5])
    assert scores.p_values[0] == pytest.approx(1)
    moved = Baseline.fit(reference, whiten=whiten).judge([0.3, 0.5])
    assert moved.p_values[0] < 1e-6
    for each in (scores, moved):
        assert np.isfinite([each.z, each.p_values, each.effect]).all()


@pytest.mark.parametrize("scale", [1e99, 1e-3, 1e12])
def test_extreme_values_stay_finite(scale):
    values = autoregressive(12, 30, 0.5, streams=3) * scale
    scores = Baseline.fit(values[:25]).judge(values[25:])
    assert np.isfinite([scores.z, scores.p_values, scores.effect]).all()
    assert ((scores.p_values > 0) & (scores.p_values <= 1)).all()


def test_innovations_take_the_memory_out():
    values = autoregressive(13, 3, 0.7)
    white = innovations(values, np.full(STREAMS, 0.7))
    assert np.corrcoef(white[0], white[1])[0, 1] == pytest.approx(0, abs=0.06)
    assert innovations(values[:, 0], 0.0).tolist() == values[1:, 0].tolist()


@pytest.mark.parametrize(
    ("reference", "options", "error"),
    [
        ([], {}, EmptySampleError),
        ([1.0] * 8, {}, TooFewError),
        ([1.0, 2.0], {"whiten": False}, TooFewError),
        ([1.0] * 14, {"period": 7}, TooFewError),
        ([1.0] * 20, {"period": 0}, BadParameterError),
        ([1.0, np.nan] * 10, {}, NotFiniteError),
        ([1.0, 1e200] * 10, {}, OutOfRangeError),
        (np.ones((10, 2, 2)), {}, ShapeError),
    ],
)
def test_references_that_cannot_be_learnt_from_are_refused(reference, options, error):
    with pytest.raises(error):
        Baseline.fit(reference, **options)


@pytest.mark.parametrize(
    ("values", "options", "error"),
    [
        ([1.0, 2.0, 3.0], {}, ShapeError),
        (np.ones((0, 2)), {}, EmptySampleError),
        ([1.0, np.inf], {}, NotFiniteError),
        ([1.0, 2.0], {"previous": [1.0]}, ShapeError),
        ([1.0, 2.0], {"start": -1}, BadParameterError),
    ],
)
def test_rounds_that_cannot_be_judged_are_refused(values, options, error):
    baseline = Baseline.fit(autoregressive(14, 20, 0.0, streams=2))
    with pytest.raises(error):
        baseline.judge(values, **options)


def test_recent_refuses_what_it_cannot_judge():
    baseline = Baseline.fit(autoregressive(15, 20, 0.0, streams=2))
    for latest, windows, error in (
        (np.ones((0, 2)), {1: 1.0}, EmptySampleError),
        (np.ones((3, 1)), {1: 1.0}, ShapeError),
        (np.ones((2, 2)), {3: 1.0}, BadParameterError),
        (np.ones((3, 2)), {1: 0.6, 3: 0.6}, BadParameterError),
        (np.ones((3, 2)), {}, BadParameterError),
        (np.ones((3, 2)), {0: 1.0}, BadParameterError),
    ):
        with pytest.raises(error):
            recent_shift(baseline, latest, windows=windows)
    for values, rho, error in (
        ([1.0], 0.5, TooFewError),
        ([1.0, 2.0], 1.0, BadParameterError),
        ([1.0, 2.0], [0.1, 0.2], ShapeError),
    ):
        with pytest.raises(error):
            innovations(values, rho)
