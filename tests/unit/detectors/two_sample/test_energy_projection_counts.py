"""Projection counts of many clients: known answers, merging, and what is refused."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import (
    BadEdgesError,
    BadParameterError,
    EmptySampleError,
    NegativeCountError,
    NotFiniteError,
    OutOfRangeError,
    ShapeError,
)
from detectors.histogram import Histogram
from detectors.two_sample.energy import energy_distance
from detectors.two_sample.projection_counts import (
    energy_from_projection_counts,
    merge_projection_counts,
)
from detectors.two_sample.projections import directions, energy_from_projections

EDGES = np.linspace(-7, 7, 65)


def counted(points: np.ndarray, basis: np.ndarray) -> np.ndarray:
    return np.array([Histogram.of_values(points @ unit, EDGES).counts for unit in basis])


def mean_norm(dim: int, variance: float, shift: float = 0.0) -> float:
    """E|Z| of a normal vector with the mean `shift` e_1 and the covariance `variance` I."""
    ratio = np.exp(scipy.special.gammaln((dim + 1) / 2) - scipy.special.gammaln(dim / 2))
    moved = scipy.special.hyp1f1(-0.5, dim / 2, -(shift**2) / (2 * variance))
    return float(np.sqrt(2 * variance) * ratio * moved)


@pytest.mark.parametrize("dim", [2, 8, 64])
@pytest.mark.parametrize(("shift", "scale"), [(0.5, 1.0), (0.0, 1.3)])
def test_expected_counts_of_normals_give_the_known_distance(dim, shift, scale):
    """Every component moves by `shift`, so the vector by sqrt(d) shift."""
    basis = directions(dim, bases=8, seed=7)
    at = (EDGES - (basis @ np.full(dim, shift))[:, np.newaxis]) / scale
    before = np.tile(np.diff(scipy.special.ndtr(EDGES)), (len(basis), 1)) * 1e6
    after = np.diff(scipy.special.ndtr(at), axis=1) * 1e6
    between = mean_norm(dim, 1 + scale**2, np.sqrt(dim) * shift)
    known = 2 * between - mean_norm(dim, 2) - mean_norm(dim, 2 * scale**2)
    found = energy_from_projection_counts(before, after, EDGES, dim)
    assert found.squared_distance == pytest.approx(known, rel=0.05)
    assert abs(found.squared_distance - known) < 4 * found.standard_error + 0.02 * known


@pytest.mark.parametrize(("shift", "scale"), [(0.3, 1.0), (0.0, 1.25)])
def test_one_basis_is_within_five_per_cent_of_the_samples(shift, scale):
    errors = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(2000, 64)), rng.normal(shift, scale, size=(2000, 64))
        basis = directions(64, bases=1, seed=seed)
        found = energy_from_projection_counts(counted(x, basis), counted(y, basis), EDGES, 64)
        errors.append(found.squared_distance / energy_distance(x, y) - 1)
    assert np.sqrt(np.mean(np.square(errors))) < 0.05


@settings(max_examples=20, deadline=None)
@given(clients=st.integers(1, 300), count=st.integers(1, 5), seed=st.integers(0, 2**16))
def test_it_is_what_one_histogram_a_direction_gives(clients, count, seed):
    rng = np.random.default_rng(seed)
    edges = np.cumsum(rng.uniform(0.1, 1, 13))
    before = rng.integers(0, 30, (clients, count, 12)) + 1
    after = rng.integers(0, 30, (clients, count, 12)) + 1
    found = energy_from_projection_counts(before, after, edges, dim=3)
    histograms = [[Histogram(edges, row) for row in side.sum(axis=0)] for side in (before, after)]
    expected = energy_from_projections(*histograms, 3)
    assert found.squared_distance == pytest.approx(expected.squared_distance, rel=1e-9)
    # The gamma may take the second least likely direction for the first.
    assert expected.p_value * (1 - 1e-9) <= found.p_value <= expected.p_value * 1.2
    assert found.directions == count
    if count > 1:
        assert found.standard_error == pytest.approx(expected.standard_error, rel=1e-9)


@pytest.mark.parametrize("kind", ["f8", "f4", "i8", "i4", "u4", "u2", "u8", "i1", ">i4", "O"])
def test_counts_of_any_kind_merge_alike(kind):
    counts = np.random.default_rng(1).integers(0, 9, (300, 3, 5))
    merged = merge_projection_counts(counts.astype(kind))
    assert np.array_equal(merged, counts.sum(axis=0))
    assert merged.dtype == np.float64
    strided = np.repeat(counts, 2, axis=2).astype(kind)[:, :, ::2]
    assert np.array_equal(merge_projection_counts(strided), merged)
    assert np.array_equal(merge_projection_counts(merged), merged)


def test_sums_that_32_bits_do_not_hold_do_not_overflow():
    counts = np.full((1000, 1, 2), np.iinfo(np.int32).max, np.int32)
    assert merge_projection_counts(counts)[0, 0] == 1000 * float(np.iinfo(np.int32).max)


@pytest.mark.parametrize(
    ("value", "kind", "error"),
    [
        (-1, "f8", NegativeCountError),
        (-1, "i4", NegativeCountError),
        (np.nan, "f8", NotFiniteError),
        (np.inf, "f8", NotFiniteError),
        (1e200, "f8", OutOfRangeError),
        (2**60, "i8", OutOfRangeError),
    ],
)
@pytest.mark.parametrize("merged", [False, True])
def test_impossible_counts_are_refused_with_their_place(value, kind, error, merged):
    counts = np.ones((300, 2, 4), kind)
    counts[200, 1, 3] = value
    with pytest.raises(error) as refused:
        merge_projection_counts(counts[200] if merged else counts)
    assert refused.value.position == (7 if merged else 200 * 8 + 7)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (np.ones(4), ShapeError),
        (np.ones((3, 1, 4)), ShapeError),
        (np.ones((0, 2, 4)), EmptySampleError),
        (np.zeros((3, 2, 4)), EmptySampleError),
    ],
)
def test_counts_that_do_not_fit_are_refused(bad, error):
    with pytest.raises(error):
        energy_from_projection_counts(np.ones((3, 2, 4)), bad, np.arange(5.0), 2)


def test_bad_edges_and_dimensions_are_refused():
    counts = np.ones((3, 2, 4))
    with pytest.raises(ShapeError):
        energy_from_projection_counts(counts, counts, np.arange(6.0), 2)
    with pytest.raises(BadEdgesError):
        energy_from_projection_counts(counts, counts, np.arange(5.0)[::-1], 2)
    with pytest.raises(BadParameterError):
        energy_from_projection_counts(counts, counts, np.arange(5.0), 0)


def test_equal_and_constant_counts_do_not_alarm():
    constant = np.zeros((2, 3, 4))
    constant[:, :, 1] = 50
    found = energy_from_projection_counts(constant, constant[0], np.arange(5.0), 3)
    assert (found.squared_distance, found.standard_error, found.p_value) == (0, 0, 1)
    one = energy_from_projection_counts(constant[:, :1], constant[:, :1], np.arange(5.0), 1)
    assert one.standard_error is None


def test_false_alarms_are_at_most_as_frequent_as_asked_for():
    rng = np.random.default_rng(2)
    shares = rng.dirichlet(np.ones(12), 6)
    p_values = []
    for _ in range(300):
        sides = [np.array([rng.multinomial(400, row) for row in shares]) for _ in range(2)]
        p_values.append(energy_from_projection_counts(*sides, np.arange(13.0), 6).p_value)
    assert np.mean(np.array(p_values) <= 0.1) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 300)
