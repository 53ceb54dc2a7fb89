"""KS on bins: exact where counts are few, calibrated under declared noise, bounded elsewhere."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Histogram, estimate_variation, ks_histogram, ks_samples, merge
from detectors.errors import BadParameterError, EmptySampleError, TooNoisyError
from detectors.two_sample.ks_tied import exact_tail
from detectors.two_sample.largest_gap import LargestGap, noise_alone
from detectors.two_sample.noise import null_of

BELL = np.exp(-8 * ((np.arange(50) + 0.5) / 50 - 0.4) ** 2)
SHARES = BELL / BELL.sum()


def drawn(rng: np.random.Generator, n: int, bins: int, noise: str, scale: float) -> Histogram:
    """Counts of n examples on equal bins, with noise of the given kind and scale."""
    counts = rng.multinomial(n, np.full(bins, 1 / bins)).astype(np.float64)
    edges = np.arange(bins + 1.0)
    if noise == "none":
        return Histogram(edges, counts)
    if noise == "laplace":
        return Histogram(edges, counts + rng.laplace(scale=scale, size=bins), False, 2**0.5 * scale)
    if noise == "gaussian":
        return Histogram(edges, counts + rng.normal(scale=scale, size=bins), False, scale, 0.0)
    fall = np.exp(-1 / scale)
    counts += rng.geometric(1 - fall, bins) - rng.geometric(1 - fall, bins)
    sd = np.sqrt(2 * fall) / (1 - fall)
    return Histogram(edges, counts, False, sd, 3 + 1 / sd**2)


def by_enumeration(reference: np.ndarray, current: np.ndarray) -> float:
    """The readable reference: every choice of the reference's examples among all."""
    pooled = np.repeat(np.arange(reference.size), reference + current)
    n, total = int(reference.sum()), pooled.size

    def gap(chosen: np.ndarray) -> float:
        rest = np.bincount(pooled, minlength=reference.size) - chosen
        return float(np.abs(np.cumsum(chosen) / n - np.cumsum(rest) / (total - n)).max())

    observed = gap(reference) - 1e-12
    found = sum(
        gap(np.bincount(pooled[list(places)], minlength=reference.size)) >= observed
        for places in combinations(range(total), n)
    )
    return found / comb(total, n)


@settings(max_examples=25, deadline=None)
@given(
    reference=st.lists(st.integers(0, 3), min_size=4, max_size=4).filter(any),
    current=st.lists(st.integers(0, 2), min_size=4, max_size=4).filter(any),
)
def test_the_exact_tail_counts_every_choice(reference: list[int], current: list[int]) -> None:
    pair = np.array(reference), np.array(current)
    assert exact_tail(*(side.astype(float) for side in pair)) == pytest.approx(
        by_enumeration(*pair), rel=1e-9
    )


@pytest.mark.parametrize(("n", "m"), [(7, 9), (20, 20), (130, 100)])
def test_a_bin_for_every_value_gives_scipys_exact_answer(n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=n), rng.normal(0.6, size=m)
    edges = np.append(np.sort(np.concatenate((x, y))), 9.0)
    result = ks_histogram(Histogram.of_values(x, edges), Histogram.of_values(y, edges))
    answer = scipy.stats.ks_2samp(x, y, method="exact")
    assert result.statistic == pytest.approx(answer.statistic, rel=1e-9)
    assert result.p_value == pytest.approx(answer.pvalue, rel=1e-9)


@pytest.mark.parametrize("bins", [2, 8, 50])
@pytest.mark.parametrize("tilt", [0.1, 0.2, 0.4])
def test_normal_gaps_agree_with_the_exact_tail_far_out(bins: int, tilt: float) -> None:
    rng, shares = np.random.default_rng(1), 1 + tilt * np.linspace(-1, 1, bins)
    first, second = rng.multinomial(1000, np.full(bins, 1 / bins)), 1000 * shares / shares.sum()
    edges, second = np.arange(bins + 1.0), rng.multinomial(1000, second / second.sum())
    pair = Histogram(edges, first), Histogram(edges, second)
    gap = ks_histogram(*pair).statistic
    exact = exact_tail(pair[0].counts, pair[1].counts)
    assert LargestGap.of(null_of(*pair)).tail(gap - 0.0005) == pytest.approx(exact, rel=0.2)


def test_the_tail_is_that_of_simulated_gaps() -> None:
    counts = Histogram(np.arange(51.0), 1e6 * SHARES, noise_sd=500.0, noise_kurtosis=0.0)
    law = LargestGap.of(null_of(counts, counts))
    x = np.random.default_rng(2).normal(size=(20_000, 50)) * np.sqrt(law.mixture.variance[0])
    largest = np.abs(law.null.gaps(x)).max(axis=1)
    for level in (0.2, 0.05, 0.01):
        point = float(np.quantile(largest, 1 - level))
        assert law.tail(point) == pytest.approx(level, rel=0.2)
        assert law.critical(level) == pytest.approx(point, rel=0.04)


@pytest.mark.parametrize("noise", ["laplace", "gaussian", "geometric"])
@pytest.mark.parametrize(("n", "bins", "scale"), [(200, 8, 2.0), (3_000, 20, 1.0)])
def test_declared_noise_leaves_p_values_uniform(
    noise: str, n: int, bins: int, scale: float
) -> None:
    rng = np.random.default_rng([n, bins])
    pairs = (
        (drawn(rng, n, bins, noise, scale), drawn(rng, n, bins, noise, scale)) for _ in range(250)
    )
    p_values = np.array([ks_histogram(*pair).p_value for pair in pairs])
    for level in (0.01, 0.05, 0.2, 0.5):
        band = 3 * np.sqrt(level * (1 - level) / p_values.size)
        assert abs(np.mean(p_values <= level) - level) <= band


@pytest.mark.parametrize(("n", "bins"), [(900, 8), (20_000, 8), (20_000, 40)])
def test_without_noise_p_values_are_uniform_too(n: int, bins: int) -> None:
    rng = np.random.default_rng([n, bins])
    pairs = ((drawn(rng, n, bins, "none", 0), drawn(rng, n, bins, "none", 0)) for _ in range(250))
    p_values = np.array([ks_histogram(*pair).p_value for pair in pairs])
    for level in (0.01, 0.05, 0.2):
        band = 3 * np.sqrt(level * (1 - level) / p_values.size)
        assert abs(np.mean(p_values <= level) - level) <= band


def test_a_change_of_the_minimum_detectable_size_is_found_with_the_power_asked_for() -> None:
    rng, edges = np.random.default_rng(3), np.arange(3.0)
    half = Histogram(edges, [20_000, 20_000])
    gap = ks_histogram(half, half).minimum_detectable_effect
    shares = [0.5 - gap, 0.5 + gap]
    found = [
        ks_histogram(
            Histogram(edges, rng.multinomial(40_000, [0.5, 0.5])),
            Histogram(edges, rng.multinomial(40_000, shares)),
        ).p_value
        <= 0.05
        for _ in range(400)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), bins=st.integers(2, 20), shift=st.floats(0, 2))
def test_the_error_bound_holds_the_gap_of_the_values(seed: int, bins: int, shift: float) -> None:
    rng, edges = np.random.default_rng(seed), np.linspace(-4, 6, bins + 1)
    x, y = rng.normal(size=70), rng.normal(shift, size=90)
    result = ks_histogram(Histogram.of_values(x, edges), Histogram.of_values(y, edges))
    clipped = ks_samples(np.clip(x, -4, 6), np.clip(y, -4, 6)).statistic
    assert result.statistic - 1e-12 <= clipped <= result.statistic + result.error_bound + 1e-12


def test_noise_moves_the_gap_by_no_more_than_the_bound_in_95_of_100() -> None:
    rng, edges = np.random.default_rng(4), np.arange(51.0)
    true = [Histogram(edges, rng.multinomial(3_000, SHARES)) for _ in range(2)]
    gap, missed = ks_histogram(*true).statistic, 0
    for _ in range(200):
        noised = [
            Histogram(edges, each.counts + rng.laplace(scale=2.0, size=50), noise_sd=8**0.5)
            for each in true
        ]
        moved = np.max(np.abs(noised[0].cdf() - noised[1].cdf())[:-1]) - gap
        alone = noise_alone(null_of(*noised))
        assert alone is not None
        missed += abs(moved) > LargestGap.of(alone).critical(0.05)
    assert missed / 200 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_a_shift_under_noise_is_found() -> None:
    rng, edges = np.random.default_rng(5), np.arange(51.0)
    noised = [
        Histogram(
            edges, rng.multinomial(5_000, shares) + rng.laplace(scale=2, size=50), noise_sd=8**0.5
        )
        for shares in (SHARES, np.roll(SHARES, 4))
    ]
    result = ks_histogram(*noised)
    assert result.p_value < 1e-6
    assert result.effect > result.minimum_detectable_effect


def test_answers_are_the_same_every_time() -> None:
    rng = np.random.default_rng(6)
    pair = drawn(rng, 3_000, 30, "laplace", 1.0), drawn(rng, 3_000, 30, "laplace", 1.0)
    first = ks_histogram(*pair)
    ks_histogram(drawn(rng, 30, 8, "none", 0), drawn(rng, 30, 8, "none", 0))
    assert ks_histogram(*pair) == first


@pytest.mark.parametrize("total", [1e-3, 12.5, 1e9, 1e99])
def test_far_counts_have_finite_answers(total: float) -> None:
    low, high = Histogram([0, 1, 2], [total, 0]), Histogram([0, 1, 2], [0, total])
    for pair in ((low, low), (low, high)):
        result = ks_histogram(*pair)
        numbers = (result.p_value, result.minimum_detectable_effect, result.error_bound)
        assert np.isfinite(numbers).all()
        assert 0 <= result.p_value <= 1
    assert ks_histogram(low, low).p_value == 1


def test_what_noise_drowns_is_refused() -> None:
    edges = np.arange(51.0)
    noisy = Histogram(edges, np.full(50, 0.2), noise_sd=2.0)
    with pytest.raises(TooNoisyError):
        ks_histogram(noisy, noisy)
    with pytest.raises(EmptySampleError):
        ks_histogram(Histogram(edges, np.zeros(50)), noisy)
    with pytest.raises(BadParameterError):
        ks_histogram(Histogram(edges, np.ones(50)), Histogram(edges, np.ones(50)), alpha=0.0)


def test_rounds_as_the_unit_and_noise_together_do_not_alarm() -> None:
    rng, edges, alarms = np.random.default_rng(7), np.arange(51.0), 0

    def measured() -> Histogram:
        counts = rng.multinomial(2_000, rng.dirichlet(SHARES * 500))
        return Histogram(edges, counts + rng.laplace(scale=1.0, size=50), noise_sd=2**0.5)

    for _ in range(100):
        rounds = [measured() for _ in range(8)]
        variation = estimate_variation(rounds)
        result = ks_histogram(merge(rounds), measured(), variation=variation)
        alarms += result.p_value <= 0.05
    assert alarms / 100 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)
