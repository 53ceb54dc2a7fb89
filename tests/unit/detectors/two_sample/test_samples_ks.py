"""KS on samples: exact p-values, many pairs, and every column of two tables."""

import math
import warnings

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
)
from detectors.kernels import ks as ks_kernel
from detectors.kernels.merged import compare_rows, order_statistics
from detectors.two_sample.columns import compare_columns
from detectors.two_sample.ks import ks_samples
from detectors.two_sample.ks_exact import (
    Lattice,
    _asymptotic,
    gap_tails,
    largest_gap,
    outside_share,
)
from detectors.two_sample.ks_many import ks_many
from detectors.two_sample.wasserstein import wasserstein_samples

SIZES = [(1, 1), (2, 1), (5, 3), (8, 6), (30, 30), (47, 31), (100, 75), (1200, 300), (1000, 1000)]
coarse = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=14)


def padded(values) -> np.ndarray:
    return np.append(np.sort(values), np.inf)[np.newaxis]


@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("shift", [0.0, 0.3, 3.0])
def test_distance_and_exact_p_value_are_scipys(n, m, shift):
    rng = np.random.default_rng(n + m)
    x, y = rng.normal(size=n), rng.normal(shift, size=m)
    ours, theirs = ks_samples(x, y), scipy.stats.ks_2samp(x, y, method="exact")
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


@given(x=coarse, y=coarse)
@settings(max_examples=60, deadline=None)
def test_ties_are_scipys(x, y):
    ours = ks_samples(x, y)
    with warnings.catch_warnings(record=True) as gave_up:
        warnings.simplefilter("always")
        theirs = scipy.stats.ks_2samp(x, y, method="exact")
    assert ours.statistic == pytest.approx(theirs.statistic, abs=1e-12)
    # scipy goes over to its limit where its exact tail is 1 plus a rounding error.
    assert ours.p_value == pytest.approx(1.0 if gave_up else theirs.pvalue, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 9), m=st.integers(1, 9), data=st.data())
def test_the_path_kernel_is_its_reference(n, m, data):
    lattice = Lattice(max(n, m), min(n, m))
    steps = data.draw(st.integers(1, lattice.lcm))
    fast = ks_kernel.outside_share(lattice.n, lattice.m, lattice.up, lattice.down, steps)
    assert fast == pytest.approx(outside_share(lattice.n, lattice.m, steps), rel=1e-12)


@given(x=coarse, y=coarse)
@settings(max_examples=100, deadline=None)
def test_the_walk_is_its_references(x, y):
    lattice, gap, area = Lattice(len(x), len(y)), np.zeros(1, np.int64), np.zeros(1)
    compare_rows(padded(x), padded(y), lattice.up, lattice.down, gap, area)
    assert gap[0] == largest_gap(np.sort(x), np.sort(y))
    distance = scipy.stats.wasserstein_distance(x, y)
    assert area[0] / lattice.lcm == pytest.approx(distance, abs=1e-12)
    ranks, found = np.arange(len(x) + len(y)), np.zeros(len(x) + len(y))
    order_statistics(padded(x)[0], padded(y)[0], ranks, found)
    assert found.tolist() == sorted(x + y)


@pytest.mark.parametrize(("n", "m"), [(10_000, 9_999), (10_000, 3_001), (10_000, 5_000)])
def test_the_asymptotic_tail_is_within_two_hundredths(n, m):
    lattice, root = Lattice(n, m), math.sqrt(n * m / (n + m))
    gaps = np.array([int(z / root * lattice.lcm) for z in (0.6, 0.9, 1.36, 1.7, 1.9)])
    exact = gap_tails(gaps, n, m)
    assert exact.min() < 0.002
    assert _asymptotic(gaps, n, m) == pytest.approx(exact, rel=0.02)
    assert ks_samples(np.arange(20_000.0), np.arange(0.5, 15_000.0)).p_value < 1e-300


def test_a_thousand_million_values_a_side():
    gaps = np.array([0, 30_000, 100_000, 10**9])
    tails = gap_tails(gaps, 10**9, 10**9)
    limit = scipy.special.kolmogorov(gaps / 1e9 * math.sqrt(5e8))
    assert tails == pytest.approx(limit, rel=1e-5, abs=1e-300)
    other = gap_tails(gaps * (10**9 - 1), 10**9, 10**9 - 1)
    assert other == pytest.approx(limit, rel=1e-3, abs=1e-300)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 7), (40, 25), (1000, 1000)])
def test_many_pairs_are_judged_as_one_is(n, m, threads):
    rng = np.random.default_rng(7)
    references, currents = rng.normal(size=(70, n)).round(2), rng.normal(size=(70, m)).round(2)
    one, each = ks_many(references[0], currents), ks_many(references, currents, threads=threads)
    for pair in range(70):
        shared, own = (ks_samples(references[k], currents[pair]) for k in (0, pair))
        assert (one.statistics[pair], one.p_values[pair]) == (shared.statistic, shared.p_value)
        assert (each.statistics[pair], each.p_values[pair]) == (own.statistic, own.p_value)
    assert one.minimum_detectable_effect == shared.minimum_detectable_effect
    assert (one.n_reference, one.n_current) == (n, m)


def test_bad_pairs_are_refused_with_their_row():
    currents = np.zeros((300, 1000))
    currents[260, 5] = np.nan
    with pytest.raises(NotFiniteError, match=r"currents\[260\] holds a value at position 5"):
        ks_many(np.zeros(1000), currents)
    with pytest.raises(OutOfRangeError):
        ks_many([0.0, -1e200], [[1.0, 2.0]])
    with pytest.raises(EmptySampleError):
        ks_many([], [[1.0]])
    with pytest.raises(ShapeError):
        ks_many(np.zeros((2, 3)), np.zeros((3, 3)))
    with pytest.raises(ShapeError):
        ks_many(np.zeros((2, 3, 1)), np.zeros((3, 3)))
    with pytest.raises(BadParameterError):
        ks_many([0.0], [[1.0]], threads=0)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rows", [(1, 1), (30, 20), (3000, 2500)])
def test_columns_are_judged_as_one_is(rows, order):
    rng = np.random.default_rng(8)
    reference, current = (rng.normal(size=(count, 6)) for count in rows)
    reference[:, 1], current[:, 1] = 3.0, 3.0
    current[:, 2] += 1e6
    reference[:, 3:5], current[:, 3:5] = reference[:, 3:5].round(1), current[:, 3:5].round(1)
    compared = compare_columns(np.asarray(reference, order=order), current, threads=2)
    for column, comparison in enumerate(compared):
        x, y = reference[:, column], current[:, column]
        assert comparison.ks == ks_samples(x, y)
        apart = wasserstein_samples(x, y)
        assert comparison.wasserstein.effect == pytest.approx(apart.effect, rel=1e-9)
        assert comparison.wasserstein.p_value == pytest.approx(apart.p_value, rel=1e-6)
        detectable = comparison.wasserstein.minimum_detectable_effect
        assert detectable == pytest.approx(apart.minimum_detectable_effect, rel=1e-9)
    assert compared[1].wasserstein.p_value == compared[1].ks.p_value == 1


def test_bad_columns_are_refused_with_their_name():
    good, bad = np.zeros((9, 7)), np.zeros((9, 7))
    bad[4, 5] = np.inf
    with pytest.raises(NotFiniteError, match=r"current column 5 holds a value at position 4"):
        compare_columns(good, bad)
    with pytest.raises(ShapeError):
        compare_columns(good, bad[:, :3])
    with pytest.raises(ShapeError):
        compare_columns(good[0], bad[0])
    with pytest.raises(EmptySampleError):
        compare_columns(good[:0], good)
