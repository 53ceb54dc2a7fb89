"""Many pairs of histograms at once are judged as each would be alone."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import (
    Histogram,
    binning_bounds,
    estimate_variation,
    estimate_variations,
    ks_histogram,
)
from detectors.errors import (
    EmptySampleError,
    NegativeCountError,
    NotFiniteError,
    OutOfRangeError,
    ShapeError,
)
from detectors.kernels.kolmogorov import mean_criticals, mean_tails
from detectors.two_sample.ks_histograms import ks_histograms


def in_numpy(reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    """The readable reference: counts of shape (bins, pairs)."""
    f = np.cumsum(reference, axis=0) / reference.sum(axis=0)
    g = np.cumsum(current, axis=0) / current.sum(axis=0)
    return np.abs(f - g)[:-1].max(axis=0)


@settings(max_examples=40, deadline=None)
@given(bins=st.integers(2, 40), pairs=st.integers(1, 600), seed=st.integers(0, 2**20))
def test_the_kernel_agrees_with_numpy(bins: int, pairs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, current = rng.poisson(rng.uniform(1, 50), size=(2, bins, pairs)) + 1.0
    found = ks_histograms(reference, current)
    assert found.statistics == pytest.approx(in_numpy(reference, current), rel=1e-9, abs=1e-15)
    assert np.array_equal(found.n_reference, reference.sum(axis=0))
    assert np.array_equal(found.n_current, current.sum(axis=0))


@settings(max_examples=40, deadline=None)
@given(pairs=st.integers(1, 30), seed=st.integers(0, 2**20))
def test_mean_tails_are_those_of_kolmogorov(pairs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    gaps, values = rng.uniform(0, 4, pairs), rng.gamma(2.0, 0.5, (pairs, 25))
    gaps[0], values[0, 0] = 0.0, np.inf
    weights = rng.dirichlet(np.ones(25))
    tails = np.empty(pairs)
    mean_tails(gaps, values, weights, tails)
    expected = scipy.special.kolmogorov(gaps[:, np.newaxis] / np.sqrt(values)) @ weights
    assert tails == pytest.approx(np.minimum(expected, 1.0), rel=1e-13)


@settings(max_examples=40, deadline=None)
@given(alpha=st.floats(1e-9, 0.5), start=st.floats(0.3, 3.0), seed=st.integers(0, 2**20))
def test_critical_gaps_have_the_tail_that_was_asked_for(
    alpha: float, start: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.gamma(2.0, 0.5, (20, 25)) + 1e-3
    weights = rng.dirichlet(np.ones(25))
    gaps, tails = np.sqrt(values @ weights) * start, np.empty(20)
    mean_criticals(alpha, values, weights, gaps)
    mean_tails(gaps, values, weights, tails)
    assert tails == pytest.approx(np.full(20, alpha), rel=1e-6)


def test_each_pair_is_judged_as_it_would_be_alone() -> None:
    rng = np.random.default_rng(1)
    reference, current = rng.poisson(20, size=(2, 30, 50)).astype(np.float64)
    found = ks_histograms(reference, current)
    for pair in range(50):
        edges = np.arange(31.0)
        alone = ks_histogram(
            Histogram(edges, reference[:, pair]), Histogram(edges, current[:, pair])
        )
        assert found.statistics[pair] == pytest.approx(alone.statistic, rel=1e-9)
        # The screen knows nothing of ties: it may only be more careful.
        assert found.p_values[pair] >= alone.p_value * (1 - 1e-2)


def test_binning_hides_as_much_as_it_would_alone() -> None:
    reference, current = np.random.default_rng(6).poisson(20, size=(2, 12, 40)).astype(np.float64)
    bounds, edges = binning_bounds(reference, current), np.arange(13.0)
    for pair in range(40):
        alone = ks_histogram(
            Histogram(edges, reference[:, pair]), Histogram(edges, current[:, pair])
        )
        assert bounds[pair] == pytest.approx(alone.error_bound, rel=1e-9)


@pytest.mark.parametrize("vary", [False, True])
@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_the_detectable_gap_is_an_upper_bound_and_no_wild_one(vary: bool, alpha: float) -> None:
    rounds = np.random.default_rng(7).poisson(20, size=(9, 15, 12)).astype(np.float64)
    reference, current = rounds[:8].sum(axis=0), rounds[8]
    variations = estimate_variations(rounds[:8]) if vary else None
    found = ks_histograms(reference.T, current.T, variations=variations)
    detectable = found.minimum_detectable_effects(alpha=alpha, power=0.5)
    at_limit = replace(found, statistics=detectable)  # power 1/2: the critical gap itself
    assert at_limit.p_values == pytest.approx(np.full(15, alpha), rel=0.02)
    edges = np.arange(13.0)
    for pair in range(15):
        variation = (
            estimate_variation([Histogram(edges, row) for row in rounds[:8, pair]])
            if vary
            else None
        )
        alone = ks_histogram(
            Histogram(edges, reference[pair]),
            Histogram(edges, current[pair]),
            variation=variation,
            alpha=alpha,
        ).minimum_detectable_effect
        many = found.minimum_detectable_effects(alpha=alpha)[pair]
        assert alone * 0.98 <= many <= alone * 1.6


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(2)
    reference, current = rng.poisson(5, size=(2, 8, 30_000)) + 1.0
    whole = ks_histograms(reference, current).statistics
    parts = [
        ks_histograms(reference[:, part], current[:, part]).statistics
        for part in (slice(0, 7_001), slice(7_001, None))
    ]
    assert np.array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("bins", [2, 3, 5, 6, 7, 8, 9, 21])
@pytest.mark.parametrize("kind", [np.float64, np.int64, np.int32, np.uint16, np.bool_])
def test_all_types_of_counts_say_the_same(bins: int, kind: type) -> None:
    reference, current = np.random.default_rng(bins).integers(0, 2, size=(2, bins, 300))
    reference[0], current[-1] = 1, 1
    found = ks_histograms(reference.astype(kind), current.astype(kind))
    expected = ks_histograms(reference.astype(np.float64), current.astype(np.float64))
    assert np.array_equal(found.statistics, expected.statistics)
    mixed = ks_histograms(reference.astype(kind), current.astype(np.float32))
    assert np.array_equal(mixed.statistics, expected.statistics)


def test_large_counts_stay_exact_enough() -> None:
    rng = np.random.default_rng(4)
    reference, current = rng.integers(0, 2**31 - 1, size=(2, 200, 3_000), dtype=np.int32)
    found = ks_histograms(reference, current).statistics
    assert found == pytest.approx(in_numpy(reference, current), rel=1e-9)


def test_a_negative_count_is_found_wherever_it_is() -> None:
    good = np.full((7, 5_000), 3, dtype=np.int32)
    for row, pair in ((0, 0), (3, 2_047), (5, 2_048), (6, 4_999)):
        counts = good.copy()
        counts[row, pair] = -1
        with pytest.raises(NegativeCountError):
            ks_histograms(good, counts)


def test_no_pairs_are_no_answer() -> None:
    assert ks_histograms(np.ones((4, 0)), np.ones((4, 0))).statistics.size == 0


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ([[1.0]], ShapeError),
        ([1.0, 2.0], ShapeError),
        ([[1.0, 1.0], [1.0, 1.0]], ShapeError),
        ([[np.nan], [1.0]], NotFiniteError),
        ([[-1.0], [1.0]], NegativeCountError),
        ([[0.0], [0.0]], EmptySampleError),
        ([[0], [0]], EmptySampleError),
        ([[1e-200], [0.0]], EmptySampleError),
        ([[np.inf], [1.0]], NotFiniteError),
        ([[1e300], [1.0]], OutOfRangeError),
    ],
)
def test_what_cannot_be_compared_is_refused(reference: object, error: type[Exception]) -> None:
    good = [[1.0], [2.0]]
    with pytest.raises(error):
        ks_histograms(reference, good)
    with pytest.raises(error):
        ks_histograms(good, reference)
