"""Tests on samples and weighted samples: Cramer-von Mises, Anderson-Darling, Mann-Whitney,
Wasserstein-1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import DetectorError, TwoSampleResult
from detectors.errors import (
    BadParameterError,
    BadWeightError,
    EmptySampleError,
    NotFiniteError,
    OutOfRangeError,
    ShapeError,
)
from detectors.two_sample.anderson_darling import (
    _variance,
    anderson_darling_samples,
    anderson_darling_weighted,
)
from detectors.two_sample.cramer_von_mises import cvm_samples, cvm_weighted
from detectors.two_sample.mann_whitney import mann_whitney_samples, mann_whitney_weighted
from detectors.two_sample.rank_limits import ANDERSON_DARLING, CRAMER_VON_MISES
from detectors.two_sample.relabelling import DEALS, deals_of, deals_of_slots
from detectors.two_sample.wasserstein import wasserstein_samples, wasserstein_weighted

Test = Callable[..., TwoSampleResult]


@dataclass(frozen=True)
class Twins:
    """A test and its weighted twin, and whether its effect is in the subject's unit."""

    samples: Test
    weighted: Test
    scales: bool = False


TWINS = {
    "cvm": Twins(cvm_samples, cvm_weighted),
    "anderson-darling": Twins(anderson_darling_samples, anderson_darling_weighted),
    "mann-whitney": Twins(mann_whitney_samples, mann_whitney_weighted),
    "wasserstein": Twins(wasserstein_samples, wasserstein_weighted, scales=True),
}
every = pytest.mark.parametrize("twins", TWINS.values(), ids=TWINS)
each = pytest.mark.parametrize(
    "test", [test for twins in TWINS.values() for test in (twins.samples, twins.weighted)]
)
values = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=12)


def normal(rng, size):
    return rng.normal(size=size)


def rounded(rng, size):
    return rng.normal(size=size).round()


def half_zero(rng, size):
    return np.where(rng.random(size) < 0.5, 0.0, rng.exponential(size=size))


def cauchy(rng, size):
    return rng.standard_cauchy(size=size)


# Agreement


@pytest.mark.parametrize(("n", "m"), [(2, 3), (10, 12), (20, 20), (30, 25), (400, 300)])
def test_cvm_is_scipys_without_ties(n, m):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=n), rng.normal(0.2, size=m)
    ours, theirs = cvm_samples(x, y), scipy.stats.cramervonmises_2samp(x, y)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(10, 12), (30, 25), (400, 300)])
def test_anderson_darling_is_scipys_before_it_is_standardised(n, m):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=n), rng.normal(0.3, size=m)
    ours = anderson_darling_samples(x, y)
    theirs = scipy.stats.anderson_ksamp(
        [x, y], variant="continuous", method=scipy.stats.PermutationMethod(1999, rng=rng)
    )
    standardised = (ours.statistic - 1) / np.sqrt(_variance(n, m))
    assert standardised == pytest.approx(theirs.statistic, rel=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=0.2, abs=0.02)


@given(x=values, y=values)
@settings(max_examples=60, deadline=None)
def test_mann_whitney_and_wasserstein_are_scipys(x, y):
    u, ours = scipy.stats.mannwhitneyu(y, x), mann_whitney_samples(x, y)
    assert len(x) * len(y) * (ours.effect + 0.5) == pytest.approx(u.statistic, rel=1e-9)
    assert ours.p_value == pytest.approx(u.pvalue, rel=1e-9)
    distance = scipy.stats.wasserstein_distance(x, y)
    assert wasserstein_samples(x, y).statistic == pytest.approx(distance, rel=1e-9, abs=1e-12)


def test_weighted_wasserstein_is_scipys():
    rng = np.random.default_rng(3)
    x, y, u, v = rng.normal(size=50), rng.normal(size=40), rng.random(50), rng.random(40)
    distance = scipy.stats.wasserstein_distance(x, y, u, v)
    assert wasserstein_weighted(x, y, u, v).statistic == pytest.approx(distance, rel=1e-9)


@pytest.mark.parametrize("point", [0.05, 0.2, 0.46136, 0.8])
def test_the_limit_of_cvm_is_scipys_where_that_holds(point):
    theirs = 1 - scipy.stats._hypotests._cdf_cvm_inf(point)
    assert CRAMER_VON_MISES.tail(point) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(("alpha", "point"), [(0.25, 1.248), (0.05, 2.492), (0.01, 3.878)])
def test_the_limit_of_anderson_darling_is_the_published_one(alpha, point):
    assert ANDERSON_DARLING.quantile(alpha) == pytest.approx(point, abs=6e-4)


@pytest.mark.parametrize("limit", [CRAMER_VON_MISES, ANDERSON_DARLING], ids=["cvm", "ad"])
def test_tails_fall_from_one_to_nothing_without_a_break(limit):
    points = np.concatenate(([0.0, 1e-9], np.geomspace(1e-4, 120, 400)))
    tails = np.array([limit.tail(point) for point in points])
    assert tails[0] == 1
    assert (np.diff(tails) <= 1e-15).all()
    assert 0 < tails[-1] < 1e-50
    assert limit.tail(limit.quantile(1e-12)) == pytest.approx(1e-12, rel=1e-6)


# Where a peer is wrong


def test_scipy_caps_and_floors_anderson_darling_and_we_do_not():
    rng = np.random.default_rng(4)
    alike, apart = rng.normal(size=(2, 200)), rng.normal([[0.0], [2.0]], size=(2, 200))
    with pytest.warns(UserWarning, match="capped"):
        assert scipy.stats.anderson_ksamp(alike, variant="continuous").pvalue == 0.25
    with pytest.warns(UserWarning, match="floored"):
        assert scipy.stats.anderson_ksamp(apart, variant="continuous").pvalue == 0.001
    assert anderson_darling_samples(*alike).p_value > 0.3
    assert anderson_darling_samples(*apart).p_value < 1e-20


def test_scipys_cvm_tail_rises_again_and_ours_falls():
    x = np.arange(200.0)
    pairs = [(x, x + shift + 0.5) for shift in (100, 150, 199)]
    theirs = [scipy.stats.cramervonmises_2samp(*pair).pvalue for pair in pairs]
    ours = [cvm_samples(*pair).p_value for pair in pairs]
    assert theirs[-1] > theirs[0]
    assert ours[0] > 1e6 * ours[1] > 1e12 * ours[2] > 0


def test_scipys_cvm_of_constant_samples_is_not_nothing():
    assert scipy.stats.cramervonmises_2samp(np.ones(9), np.ones(12)).statistic > 0.1
    assert cvm_samples(np.ones(9), np.ones(12)).statistic == 0


# Under no drift


@every
@pytest.mark.parametrize("draw", [normal, rounded, half_zero, cauchy])
@pytest.mark.parametrize(("n", "m"), [(8, 12), (300, 40)])
def test_false_alarms_are_as_rare_as_asked_for(twins, draw, n, m):
    rng = np.random.default_rng(5)
    p_values = {twins.samples: [], twins.weighted: []}
    wx, wy = rng.exponential(size=n) + 0.2, rng.random(m) + 0.2  # one draw, dealt from once
    for _ in range(120):
        x, y = draw(rng, n), draw(rng, m)
        p_values[twins.samples].append(twins.samples(x, y).p_value)
        p_values[twins.weighted].append(twins.weighted(x, y, wx, wy).p_value)
    for found in p_values.values():
        for level in (0.01, 0.05, 0.2):
            band = 4 * np.sqrt(level * (1 - level) * (1 / len(found) + 1 / DEALS))
            assert np.mean(np.array(found) <= level) <= level + band
        assert np.mean(np.array(found) <= 0.2) >= 0.08
        assert np.mean(found) == pytest.approx(0.5, abs=0.1)


def test_far_tails_of_wasserstein_are_extrapolated_as_a_shift_is():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=500), rng.normal(size=500)
    found = [wasserstein_samples(x, y + shift).p_value for shift in (0.3, 0.5, 0.8)]
    by_means = [scipy.stats.ttest_ind(x, y + shift).pvalue for shift in (0.3, 0.5, 0.8)]
    assert found[0] < 1 / DEALS
    assert np.log(found) == pytest.approx(np.log(by_means), rel=0.35)


# Deals


@pytest.mark.parametrize(
    ("n", "m"), [(1, 1), (3, 200), (128, 128), (5000, 40), (10**8, 10**8), (10**9, 10**9)]
)
def test_deals_have_the_variance_of_relabelling(n, m):
    deals = deals_of(n, m)
    h = deals.below
    variance = (1 / n + 1 / m) * (n + m) / (n + m - 1) * h * (1 - h)
    ratio = np.mean(deals.gaps**2, axis=0) / variance
    usual = min(n, m, 10**6) * np.minimum(h, 1 - h) >= min(n, m, 20) / 40
    assert ratio[usual] == pytest.approx(np.ones_like(h[usual]), abs=0.25)
    assert deals.bounds.size == deals.ranks.size + 1
    assert (deals.bounds[0], deals.bounds[-1]) == (0, n + m - 1)
    assert (np.diff(deals.bounds) > 0).all()


@pytest.mark.parametrize("size", [40, 3000, 20_000])
def test_deals_to_slots_have_that_variance_too(size):
    rng = np.random.default_rng(7)
    u, v = rng.exponential(size=size), rng.exponential(size=size // 2)
    deals = deals_of_slots(np.concatenate((u / u.sum(), -v / v.sum())))
    h = deals.below
    variance = deals.variance * deals.total / (deals.total - 1) * h * (1 - h)
    assert np.mean(deals.gaps**2, axis=0) / variance == pytest.approx(np.ones_like(h), abs=0.25)


def test_thinned_ranks_have_the_null_of_all_ranks():
    """At N = 2,000 some 150 ranks stand for all; whole permutations say what they should give."""
    rng = np.random.default_rng(8)
    values, labels = np.sort(rng.exponential(size=2000)), np.repeat([1e-3, -1e-3], 1000)
    permuted = np.cumsum(rng.permuted(np.tile(labels, (1500, 1)), axis=1), axis=1)[:, :-1]
    whole = np.abs(permuted) @ np.diff(values)
    deals = deals_of(1000, 1000)
    thinned = deals.sizes @ np.diff(values[deals.bounds])
    assert scipy.stats.ks_2samp(whole, thinned).pvalue > 0.01
    assert thinned.mean() == pytest.approx(whole.mean(), rel=0.03)


# Effects and what can be detected


@every
@pytest.mark.parametrize("size", [25, 200])
def test_the_minimum_detectable_effect_is_found_as_often_as_promised(twins, size):
    rng = np.random.default_rng(9)
    x, shifts = rng.normal(size=2000), np.linspace(0, 4, 21)
    effects = [abs(twins.samples(x, x + shift).effect) for shift in shifts]
    promised = twins.samples(x[:size], x[size : 2 * size]).minimum_detectable_effect
    shift = np.interp(promised, effects, shifts)
    found = [
        twins.samples(rng.normal(size=size), rng.normal(shift, size=size)).p_value <= 0.05
        for _ in range(60)
    ]
    assert np.mean(found) >= 0.8 - 3 * np.sqrt(0.16 / 60)


# Invariances


@each
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16), shift=st.integers(-64, 64), power=st.integers(-6, 6))
def test_shift_scale_and_order_change_the_unit_only(test, seed, shift, power):
    rng = np.random.default_rng(seed)
    x, y, scale = rng.normal(size=30).round(2), rng.normal(size=25).round(2), 2.0**power
    before = test(x, y)
    after = test(rng.permutation(x * scale + shift), rng.permutation(y * scale + shift))
    unit = scale if before.effect_unit == "subject" else 1.0
    assert after.p_value == pytest.approx(before.p_value, rel=1e-6)
    assert after.effect == pytest.approx(before.effect * unit, rel=1e-6, abs=1e-9)
    detectable = before.minimum_detectable_effect * unit
    assert after.minimum_detectable_effect == pytest.approx(detectable, rel=1e-4)


@each
@settings(max_examples=25, deadline=None)
@given(x=values, y=values)
def test_turning_the_line_round_changes_no_evidence(test, x, y):
    before, after = test(x, y), test(-np.array(x), -np.array(y))
    assert after.statistic == pytest.approx(before.statistic, rel=1e-9, abs=1e-12)
    assert abs(after.effect) == pytest.approx(abs(before.effect), rel=1e-9, abs=1e-12)


@every
@settings(max_examples=25, deadline=None)
@given(x=values, y=values, seed=st.integers(0, 99))
def test_whole_weights_repeat_values_and_doubling_them_changes_nothing(twins, x, y, seed):
    rng = np.random.default_rng(seed)
    u, v = rng.integers(1, 4, size=len(x)), rng.integers(1, 4, size=len(y))
    weighted = twins.weighted(x, y, u, v)
    if weighted.detector in ("mann-whitney", "wasserstein"):  # others pool at effective sizes
        repeated = twins.samples(np.repeat(x, u), np.repeat(y, v))
        assert weighted.effect == pytest.approx(repeated.effect, rel=1e-9, abs=1e-9)
    assert twins.weighted(x, y, 2 * u, 1024 * v) == weighted
    assert twins.weighted(np.append(x, 1e9), y, np.append(u, 0), v) == weighted


@every
def test_equal_weights_are_none(twins):
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=80), rng.normal(0.2, size=60)
    plain, weighted = twins.samples(x, y), twins.weighted(x, y, np.full(80, 5.0))
    assert weighted.statistic == pytest.approx(plain.statistic, rel=1e-9)
    assert weighted.p_value == pytest.approx(plain.p_value, rel=0.1, abs=0.03)
    assert (weighted.n_reference, weighted.n_current) == pytest.approx((80, 60))


# Bad and extreme input


@each
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ([], EmptySampleError),
        ([[1.0, 2.0]], ShapeError),
        ([1.0, np.nan], NotFiniteError),
        ([1.0, -np.inf], NotFiniteError),
        ([1.0, 1e200], OutOfRangeError),
    ],
)
def test_bad_samples_are_refused_by_name(test, side, bad, error):
    pair = [np.arange(9.0), np.arange(9.0)]
    pair[side] = np.array(bad)
    with pytest.raises(error):
        test(*pair)


@every
@pytest.mark.parametrize(
    ("weights", "error"),
    [
        ([1.0, -1.0, 1.0], BadWeightError),
        ([0.0, 0.0, 0.0], BadWeightError),
        ([1.0, np.nan, 1.0], NotFiniteError),
        ([1.0, 1.0], ShapeError),
    ],
)
def test_bad_weights_are_refused_by_name(twins, weights, error):
    with pytest.raises(error):
        twins.weighted([1.0, 2.0, 3.0], [1.0, 2.0], weights)


@each
@pytest.mark.parametrize("bad", [{"alpha": 0.0}, {"alpha": 1.0}, {"power": 1.5}])
def test_levels_outside_zero_to_one_are_refused(test, bad):
    with pytest.raises(BadParameterError):
        test([1.0, 2.0], [1.0, 3.0], **bad)


@each
@settings(max_examples=40, deadline=None)
@given(
    x=st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=8),
    y=st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=8),
    alpha=st.sampled_from([1e-9, 1e-4, 0.05, 0.9]),
)
def test_every_number_is_finite_and_in_range(test, x, y, alpha):
    result = test(x, y, alpha=alpha)
    assert 0 <= result.p_value <= 1
    assert result.minimum_detectable_effect >= 0
    numbers = (result.statistic, result.effect, result.minimum_detectable_effect)
    assert np.isfinite(numbers).all()


@each
@pytest.mark.parametrize("sizes", [(1, 1), (9, 12), (300, 500)])
def test_constant_samples_do_not_alarm(test, sizes):
    result = test(np.full(sizes[0], 0.1), np.full(sizes[1], 0.1))
    assert (result.statistic, result.effect, result.p_value) == (0, 0, 1)
    assert test(np.zeros(sizes[0]), np.ones(sizes[1])).p_value <= 1


@each
def test_every_refusal_is_a_detector_error(test):
    refuse = partial(test, [], [])
    with pytest.raises(DetectorError):
        refuse()
