"""Tests on KLL sketches: within their bounds, and never liberal.

KLL's coins cannot be seeded, so what is random here has margins that chance does not pass.
"""

import datasketches
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import BadParameterError
from detectors.two_sample.energy import energy_distance_1d, energy_samples
from detectors.two_sample.kll_summary import KllSummary, merge_sketches
from detectors.two_sample.ks import ks_samples
from detectors.two_sample.mann_whitney import mann_whitney_samples
from detectors.two_sample.sketches import (
    energy_sketch,
    ks_sketch,
    mann_whitney_sketch,
    wasserstein_sketch,
)
from detectors.two_sample.wasserstein import wasserstein_samples

TESTS = (ks_sketch, wasserstein_sketch, energy_sketch, mann_whitney_sketch)
ON_SAMPLES = (ks_samples, wasserstein_samples, energy_samples, mann_whitney_samples)
DISTRIBUTIONS = ("normal", "exponential", "cauchy", "few")


def draw(rng, kind, size):
    if kind == "few":
        return rng.integers(0, 5, size).astype(float)
    name = {"cauchy": "standard_cauchy"}.get(kind, kind)
    return getattr(rng, name)(size=size)


def true_values(x, y):
    """D, Wasserstein, dcor's energy and P(Y > X) - 1/2 of the values themselves."""
    above = scipy.stats.mannwhitneyu(y, x).statistic / (x.size * y.size) - 0.5
    return (
        scipy.stats.ks_2samp(x, y, method="asymp").statistic,
        scipy.stats.wasserstein_distance(x, y),
        energy_distance_1d(x, y) ** 2,
        above,
    )


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_values_own_statistics_lie_within_the_bound(kind, shift):
    rng, inside = np.random.default_rng(1), np.zeros(4)
    for _ in range(25):
        x, y = draw(rng, kind, 5_000), draw(rng, kind, 3_000) + shift
        pair = KllSummary.of_values(x, k=64), KllSummary.of_values(y, k=100)
        results = [test(*pair) for test in TESTS]
        off = [r.effect - t for r, t in zip(results, true_values(x, y), strict=True)]
        inside += np.abs(off) <= [r.error_bound for r in results]
    assert (inside >= 24).all()  # at 99%, two misses in 25 are a chance of 3%; e has room beside


@pytest.mark.parametrize("k", [8, 200])
@pytest.mark.parametrize("order", ["random", "sorted", "merged"])
def test_two_sketches_errors_differ_by_less_than_e(k, order):
    """The model of the p-values: 0.01^((t / e)^2) bounds the chance of a difference beyond t."""
    rng, worst = np.random.default_rng(2), []
    ranks = np.arange(1.0, 4_001)
    for _ in range(60):
        stream = ranks if order == "sorted" else rng.permutation(ranks)
        parts = np.array_split(stream, 10 if order == "merged" else 1)
        first, second = (
            merge_sketches(KllSummary.of_values(part, k) for part in parts) for _ in range(2)
        )
        worst.append(ks_sketch(first, second).statistic / np.hypot(*errors(first, second)))
    assert max(worst) < 1.1


def errors(*summaries):
    return [each.rank_error for each in summaries]


def test_sketches_of_one_distribution_do_not_alarm_where_naive_ks_always_does():
    rng, naive, ours, theirs = np.random.default_rng(3), 0, np.zeros(4), 0
    for _ in range(20):
        x, y = rng.normal(size=(2, 100_000))
        pair = KllSummary.of_values(x), KllSummary.of_values(y)
        gap = ks_sketch(*pair).statistic
        naive += scipy.stats.kstwobign.sf(gap * np.sqrt(50_000)) < 0.05
        ours += [test(*pair).p_value < 0.05 for test in TESTS]
        theirs += datasketches.ks_test(*map(native, pair), 0.05)
    assert naive >= 18
    assert (ours == 0).all()
    assert theirs == 0


def native(summary):
    return datasketches.kll_doubles_sketch.deserialize(summary.serialised)


@pytest.mark.parametrize(("n", "k"), [(300, 200), (2_000, 200), (2_000, 1_000), (400, 8)])
def test_p_values_are_never_liberal(n, k):
    rng, p_values = np.random.default_rng(4), []
    for _ in range(200):
        x, y = rng.normal(size=(2, n))
        pair = KllSummary.of_values(x, k), KllSummary.of_values(y, k)
        p_values.append([test(*pair).p_value for test in TESTS])
    for level in (0.01, 0.05, 0.2):
        assert (np.mean(np.array(p_values) <= level, axis=0) <= level + 0.03).all()


def test_whatever_datasketches_calls_different_is_different_here():
    """Its own test takes the number of values kept for n, so that it finds much less."""
    rng, both = np.random.default_rng(5), []
    for shift in np.linspace(0.0, 0.5, 41):
        x, y = rng.normal(size=(2, 20_000))
        pair = KllSummary.of_values(x), KllSummary.of_values(y + shift)
        both.append((datasketches.ks_test(*map(native, pair), 0.05), ks_sketch(*pair).p_value))
    theirs, p_values = np.array(both).T
    assert (p_values[theirs == 1] < 0.05).all()
    assert (theirs[0], p_values[0] < 0.05) == (0, False)
    assert 0 < np.sum(theirs) < np.sum(p_values < 0.05) < 41


def test_values_with_ties_do_not_alarm():
    """datasketches 5.2's own test steps through ties in pairs, and so calls these different."""
    rng = np.random.default_rng(15)
    for _ in range(10):
        few, many = rng.integers(0, 2, 1_000), rng.integers(0, 2, 100_000)
        pair = KllSummary.of_values(many), KllSummary.of_values(few)
        assert all(test(*pair).p_value > 0.05 for test in TESTS)


@pytest.mark.parametrize("test", TESTS)
def test_a_large_shift_is_found(test):
    x, y = np.random.default_rng(6).normal(size=(2, 50_000))
    result = test(KllSummary.of_values(x), KllSummary.of_values(y + 1.0))
    assert result.p_value < 1e-6
    assert result.effect > result.minimum_detectable_effect > result.error_bound / 2
    assert (result.n_reference, result.n_current) == (50_000, 50_000)


@pytest.mark.parametrize(("test", "name"), [(ks_sketch, "ks"), (mann_whitney_sketch, "mw")])
def test_the_minimum_detectable_effect_is_found_with_power(test, name):
    rng, found = np.random.default_rng(7), 0
    detectable = test(*(KllSummary.of_values(rng.normal(size=20_000)) for _ in range(2)))
    effect = detectable.minimum_detectable_effect
    spread = {"ks": 2.0, "mw": np.sqrt(2)}[name]  # a shift d has the effect of ndtr(d / spread)
    shift = scipy.stats.norm.ppf(0.5 + (effect / 2 if name == "ks" else effect)) * spread
    for _ in range(20):
        x, y = rng.normal(size=(2, 20_000))
        found += test(KllSummary.of_values(x), KllSummary.of_values(y + shift)).p_value <= 0.05
    assert found >= 14


@pytest.mark.parametrize(("test", "on_samples"), list(zip(TESTS, ON_SAMPLES, strict=True)))
def test_sketches_that_kept_all_values_give_the_samples_own_result(test, on_samples):
    x, y = np.random.default_rng(8).normal(size=(2, 150))
    assert test(KllSummary.of_values(x), KllSummary.of_values(y)) == on_samples(
        np.sort(x), np.sort(y)
    )


@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=60),
    st.lists(st.integers(-5, 5), min_size=1, max_size=60),
)
@settings(max_examples=40, deadline=None)
def test_small_sketches_are_exact_with_ties(x, y):
    pair = KllSummary.of_values(x), KllSummary.of_values(y)
    assert ks_sketch(*pair) == ks_samples(x, y)
    assert pair[0].rank_error == 0


@pytest.mark.parametrize("test", TESTS)
def test_a_sketch_does_not_differ_from_itself(test):
    same = KllSummary.of_values(np.random.default_rng(9).normal(size=5_000))
    result = test(same, same)
    assert result.effect == pytest.approx(0.0, abs=1e-12)
    assert result.p_value == 1.0


@pytest.mark.parametrize("test", TESTS)
def test_equal_values_are_no_change(test):
    same = KllSummary.of_values(np.full(1_000, 3.0)), KllSummary.of_values(np.full(900, 3.0))
    result = test(*same)
    assert (result.effect, result.p_value) == (0.0, 1.0)
    assert np.isfinite(result.minimum_detectable_effect)


@pytest.mark.parametrize("test", TESTS)
def test_values_near_the_largest_allowed_give_finite_answers(test):
    x = np.linspace(-1e100, 1e100, 1_000)
    result = test(KllSummary.of_values(x), KllSummary.of_values(x / 2))
    numbers = (result.statistic, result.p_value, result.effect, result.minimum_detectable_effect)
    assert np.isfinite(numbers).all()
    assert np.isfinite(result.error_bound)


@pytest.mark.parametrize("test", TESTS)
def test_the_effect_scales_with_the_subjects_unit(test):
    x, y = np.random.default_rng(10).normal(size=(2, 2_000))
    first, second = KllSummary.of_values(x), KllSummary.of_values(y + 0.5)
    doubled = (scaled(first, 2.0), scaled(second, 2.0))
    one, two = test(first, second), test(*doubled)
    factor = 2.0 if one.effect_unit == "subject" else 1.0
    assert two.effect == pytest.approx(factor * one.effect, rel=1e-12)
    assert two.error_bound == pytest.approx(factor * one.error_bound, rel=1e-12)
    assert two.p_value == pytest.approx(one.p_value, rel=1e-9)


def scaled(summary, factor):
    """The same sketch, coins and all, of values in another unit."""
    data, levels = summary.serialised, summary.serialised[18]
    start = 20 + 4 * levels
    values = factor * np.frombuffer(data[start:], dtype="<f8")
    return KllSummary.from_bytes(data[:start] + values.tobytes())


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize(
    "level", [{"alpha": 0.0}, {"alpha": 1.0}, {"power": 1.0}, {"power": np.nan}]
)
def test_levels_outside_0_and_1_are_refused(test, level):
    one = KllSummary.of_values([1.0, 2.0])
    with pytest.raises(BadParameterError):
        test(one, one, **level)
