"""The energy distance of samples: conventions, weights, permutations, and what dcor gets wrong."""

import dcor
import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import (
    BadParameterError,
    BadWeightError,
    EmptySampleError,
    NotFiniteError,
    OutOfRangeError,
    ShapeError,
    TooLargeError,
)
from detectors.kernels import energy as kernel
from detectors.two_sample.energy import (
    energy_distance,
    energy_distance_1d,
    energy_multivariate,
    energy_samples,
)
from detectors.two_sample.energy_1d import relabelled_energies_1d
from detectors.two_sample.energy_permutations import lanes, relabelled_energies
from detectors.two_sample.energy_reference import (
    energies_of_sorted,
    energies_of_vectors,
    permuted_labels,
)

PERMUTATIONS = 150  # more than one block of lanes, and not whole blocks of them
few = settings(max_examples=15, deadline=None)


def mean_norm(dim: int, variance: float, shift: float = 0.0) -> float:
    """E|Z| of a normal vector with the mean `shift` e_1 and the covariance `variance` I."""
    ratio = np.exp(scipy.special.gammaln((dim + 1) / 2) - scipy.special.gammaln(dim / 2))
    moved = scipy.special.hyp1f1(-0.5, dim / 2, -(shift**2) / (2 * variance))
    return float(np.sqrt(2 * variance) * ratio * moved)


@few
@given(n=st.integers(1, 90), m=st.integers(1, 90), seed=st.integers(0, 2**16))
def test_energies_on_a_line_are_the_references(n, m, seed):
    rng = np.random.default_rng(seed)
    x, y = np.round(rng.normal(size=n), 1), np.round(rng.normal(0.2, 1, size=m), 1)
    labels = permuted_labels(lanes(PERMUTATIONS, seed), n, n + m)
    expected = energies_of_sorted(np.sort(np.concatenate((x, y))), labels)
    energies = relabelled_energies_1d(x, y, PERMUTATIONS, seed)
    assert energies[:-1] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert energies[-1] == pytest.approx(energy_distance_1d(x, y) ** 2, rel=1e-9, abs=1e-12)


@few
@given(
    n=st.integers(1, 200), m=st.integers(1, 200), dim=st.integers(1, 9), seed=st.integers(0, 2**16)
)
def test_energies_of_weighted_vectors_are_the_references(n, m, dim, seed):
    rng = np.random.default_rng(seed)
    points, weight = rng.normal(size=(n + m, dim)), rng.uniform(0.1, 3, n + m)
    labels = permuted_labels(lanes(PERMUTATIONS, seed), n, n + m)
    observed = np.arange(n + m)[:, np.newaxis] < n
    expected = energies_of_vectors(points, weight, np.hstack((labels, observed)))
    energies = relabelled_energies(points, weight, n, PERMUTATIONS, seed)
    assert energies == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_codes_hold_the_references_labels_bit_by_bit():
    state, size, ones = lanes(PERMUTATIONS, seed=4), 203, 77
    codes, mass = np.zeros((26, PERMUTATIONS), np.uint8), np.empty(PERMUTATIONS)
    weight = np.arange(1.0, size + 1)
    kernel.draw_codes(state, 0, PERMUTATIONS, ones, weight, codes, mass)
    labels = permuted_labels(state, ones, size)
    assert np.array_equal(np.unpackbits(codes, axis=0, bitorder="little")[:size], labels)
    assert mass == pytest.approx(weight @ labels)


def test_every_order_of_labels_is_as_likely():
    labels = permuted_labels(lanes(60_000, seed=5), ones=2, size=5)
    _, counts = np.unique((1 << np.arange(5)) @ labels, return_counts=True)
    assert counts.size == 10
    assert scipy.stats.chisquare(counts).pvalue > 0.001


def test_more_permutations_begin_with_the_same_ones():
    x, y = np.arange(9.0), np.arange(5.0) + 3
    fewer, more = (relabelled_energies_1d(x, y, count, seed=6) for count in (20, 300))
    assert np.array_equal(fewer[:20], more[:20])


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_nothing(monkeypatch, threads):
    from detectors import parallel
    from detectors.two_sample import energy_1d, energy_permutations

    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(300, 2)), rng.normal(size=(500, 2))
    before = energy_multivariate(x, y), energy_samples(x[:, 0], y[:, 0])

    def in_parts(work, size, *, least):
        parallel.in_parts(work, size, least=1, threads=threads)

    monkeypatch.setattr(energy_permutations, "in_parts", in_parts)
    monkeypatch.setattr(energy_1d, "in_parts", in_parts)
    assert (energy_multivariate(x, y), energy_samples(x[:, 0], y[:, 0])) == before


@pytest.mark.parametrize("dim", [2, 8, 64])
def test_distance_of_vectors_is_dcors(dim):
    rng = np.random.default_rng(dim)
    x, y = rng.normal(size=(150, dim)), rng.normal(0.1, 1, size=(131, dim))
    assert energy_distance(x, y) == pytest.approx(float(dcor.energy_distance(x, y)), rel=1e-9)


def test_dcors_distance_is_the_square_of_scipys():
    x, y = np.array([1.0, 2.0, 4.0]), np.array([2.5, 7.0])
    scipys = scipy.stats.energy_distance(x, y)
    assert float(dcor.energy_distance(x, y)) == pytest.approx(scipys**2)
    assert energy_distance(x, y) == pytest.approx(scipys**2)
    assert energy_distance_1d(x, y) == pytest.approx(scipys)
    assert energy_samples(x, y).statistic == pytest.approx(scipys**2)


def test_weighted_distance_is_the_known_answer_and_that_of_repetitions():
    assert energy_distance([0, 8], [0, 8], [3, 1], [2, 2]) == pytest.approx(1)
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(20, 3)), rng.normal(0.5, 1, size=(30, 3))
    u, v = rng.integers(0, 4, 20) + (np.arange(20) == 0), rng.integers(1, 4, 30)
    repeated = float(dcor.energy_distance(np.repeat(x, u, axis=0), np.repeat(y, v, axis=0)))
    assert energy_distance(x, y, u, v) == pytest.approx(repeated, rel=1e-9)
    assert energy_distance(x, y, u * 1e80, v * 1e-80) == pytest.approx(repeated, rel=1e-9)


def test_equal_weights_are_no_weights():
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(40, 3)), rng.normal(0.3, 1, size=(30, 3))
    plain, weighted = energy_multivariate(x, y), energy_multivariate(x, y, np.full(40, 7.0))
    assert weighted.statistic == pytest.approx(plain.statistic, rel=1e-9)
    assert weighted.p_value == plain.p_value
    assert weighted.n_reference == pytest.approx(40)


def test_one_component_goes_along_the_line_or_through_pairs_alike():
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=50), rng.normal(0.4, 1, size=60)
    line, pairs = energy_samples(x, y), energy_multivariate(x, y, np.ones(50))
    assert energy_multivariate(x[:, np.newaxis], y[:, np.newaxis]) == line
    assert pairs.statistic == pytest.approx(line.statistic, rel=1e-9)
    assert pairs.p_value == pytest.approx(line.p_value, abs=0.03)


def test_dcor_does_not_count_ties_as_extreme():
    x = np.repeat([0.0, 1.0], [6, 2])[:, np.newaxis]
    dcors = dcor.homogeneity.energy_test(x, x, num_resamples=199, random_state=0).pvalue
    assert dcors < 0.9  # identical samples: nothing can be less extreme
    assert energy_multivariate(x, x, permutations=199).p_value == 1
    constant = np.ones((5, 1))
    assert dcor.homogeneity.energy_test(constant, constant, num_resamples=199).pvalue == 1 / 200
    assert energy_multivariate(constant, constant, permutations=199).p_value == 1


def test_dcor_takes_float64_for_something_else_and_so_broadcasts():
    from dcor._utils import _can_be_numpy_double

    assert not _can_be_numpy_double(np.ones((2, 2)))


@pytest.mark.parametrize("dim", [2, 8, 64])
@pytest.mark.parametrize(("shift", "scale"), [(2.0, 1.0), (0.0, 1.5)])
def test_distance_of_normals_is_known(dim, shift, scale):
    """With n a side, 2 E|X - Y| - (1 - 1/n) (E|X - X'| + E|Y - Y'|) is expected."""
    rng, n = np.random.default_rng(11), 1500
    x, y = rng.normal(size=(n, dim)), rng.normal(0, scale, size=(n, dim))
    y[:, 0] += shift
    within = mean_norm(dim, 2) + mean_norm(dim, 2 * scale**2)
    expected = 2 * mean_norm(dim, 1 + scale**2, shift) - (1 - 1 / n) * within
    assert energy_distance(x, y) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dim", [1, 3])
def test_p_values_are_uniform_where_nothing_changed(dim, weighted):
    rng = np.random.default_rng(12)
    p_values = []
    for seed in range(400):
        x, y = rng.normal(size=(25, dim)), rng.normal(size=(35, dim))
        by = (rng.uniform(0.5, 2, 25), rng.uniform(0.5, 2, 35)) if weighted else ()
        p_values.append(energy_multivariate(x, y, *by, permutations=99, seed=seed).p_value)
    ranks = np.round(np.array(p_values) * 100)
    assert ranks.min() >= 1
    tenths = np.bincount(((ranks - 1) // 10).astype(int), minlength=10)
    assert scipy.stats.chisquare(tenths).pvalue > 0.001


@pytest.mark.parametrize("factor", [1e-150, 1e99])
def test_the_unit_may_be_tiny_or_huge(factor):
    rng = np.random.default_rng(13)
    x, y = rng.uniform(size=(30, 3)), rng.uniform(0, 1.5, size=(40, 3))
    before, after = energy_multivariate(x, y), energy_multivariate(x * factor, y * factor)
    assert after.statistic == pytest.approx(before.statistic * factor, rel=1e-9)
    assert after.p_value == before.p_value


def test_a_constant_component_far_away_changes_nothing():
    rng = np.random.default_rng(14)
    x, y = (rng.uniform(size=(size, 2)) * 1e-250 for size in (30, 40))
    far = [np.column_stack((side, np.full(len(side), 1e90))) for side in (x, y)]
    before, after = energy_multivariate(x, y), energy_multivariate(*far)
    assert after.statistic == pytest.approx(before.statistic, rel=1e-9)
    assert after.p_value == before.p_value < 1


SIX = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize("call", [energy_multivariate, energy_distance])
@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (np.empty((0, 2)), EmptySampleError),
        (SIX * np.nan, NotFiniteError),
        (SIX * 1e200, OutOfRangeError),
        (SIX[:, :1], ShapeError),
        (np.ones((2, 2, 2)), ShapeError),
    ],
)
def test_bad_vectors_are_refused_by_name(call, bad, error):
    with pytest.raises(error):
        call(SIX, bad)


@pytest.mark.parametrize(
    ("bad", "error"),
    [(-np.ones(6), BadWeightError), (np.zeros(6), BadWeightError), (np.ones(5), ShapeError)],
)
def test_bad_weights_are_refused_by_name(bad, error):
    with pytest.raises(error):
        energy_multivariate(SIX, SIX, bad)
    with pytest.raises(error):
        energy_distance(SIX, SIX, None, bad)


def test_too_few_permutations_and_too_many_values_are_refused():
    with pytest.raises(BadParameterError):
        energy_samples([1.0, 2.0], [3.0], permutations=18)
    with pytest.raises(TooLargeError):
        energy_distance(np.zeros((20_000, 2)), np.zeros((20_000, 2)))
    many = np.broadcast_to(1.0, 2**30)  # one number in memory
    with pytest.raises(TooLargeError):
        relabelled_energies_1d(many, many, 19, seed=0)


def test_one_value_a_side_says_nothing():
    result = energy_samples([1.0], [5.0])
    assert (result.statistic, result.p_value) == (8.0, 1.0)
    assert energy_multivariate([[1.0, 1.0]], [[4.0, 5.0]]).p_value == 1
