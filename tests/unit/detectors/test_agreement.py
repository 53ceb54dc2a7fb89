"""Agreement with scipy, dcor and river, and the known answers."""

import random
import subprocess
import sys

import dcor
import numpy as np
import pytest
import scipy.stats
from river import drift

from detectors import (
    Adwin,
    Direction,
    Histogram,
    PageHinkley,
    directions,
    energy_distance_1d,
    energy_from_projections,
    energy_histogram,
    energy_multivariate,
    ks_histogram,
    ks_samples,
    ks_weighted,
)
from detectors.errors import (
    BadParameterError,
    BadWeightError,
    EmptySampleError,
    ShapeError,
    TooLargeError,
)
from detectors.two_sample.projections import sphere_constant
from detectors.two_sample.quadratic import quadratic_tail


def test_ks_known_answer():
    x, y = np.linspace(1, 100, 100), np.linspace(1, 100, 110) + 20.1
    result = ks_samples(x, y)
    assert result.statistic == pytest.approx(232 / 1100, rel=1e-12)
    assert result.p_value == pytest.approx(0.0157392, rel=1e-5)


def test_ks_weighted_with_equal_weights_is_scipys():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=400), rng.normal(0.15, 1, size=300)
    ours = ks_weighted(x, y, np.full(400, 3.0))
    theirs = scipy.stats.ks_2samp(x, y, method="asymp")
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-12)
    # scipy rounds the effective size, and has the finite-n series where we have Stephens' formula.
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=0.05)
    assert (ours.n_reference, ours.n_current) == pytest.approx((400, 300))


def test_integer_weights_count_as_repetitions():
    x, y, w = np.array([1.0, 2.0, 5.0]), np.array([1.5, 2.5]), np.array([3.0, 1.0, 2.0])
    repeated = ks_samples(np.repeat(x, w.astype(int)), y)
    assert ks_weighted(x, y, w).statistic == pytest.approx(repeated.statistic)


@pytest.mark.parametrize("bad", [[1.0, -1.0, 2.0], [0.0, 0.0, 0.0]])
def test_impossible_weights_are_refused(bad):
    with pytest.raises(BadWeightError):
        ks_weighted([1.0, 2.0, 3.0], [1.0], bad)
    with pytest.raises(BadWeightError):
        energy_distance_1d([1.0, 2.0, 3.0], [1.0], bad)


def test_ks_on_bins_never_exceeds_ks_on_values():
    rng = np.random.default_rng(2)
    for _ in range(50):
        x, y = rng.normal(size=80), rng.normal(0.5, size=90)
        edges = np.linspace(-4, 4, 12)
        binned = ks_histogram(Histogram.of_values(x, edges), Histogram.of_values(y, edges))
        assert binned.statistic <= ks_samples(x, y).statistic + 1e-12


def test_ks_detectable_gap_is_found_with_the_power_asked_for():
    rng = np.random.default_rng(3)
    n, edges = 4000, np.linspace(0, 1, 3)
    half = Histogram(edges, [n / 2, n / 2])
    gap = ks_histogram(half, half).minimum_detectable_effect
    found = 0
    for _ in range(300):
        x = Histogram(edges, rng.multinomial(n, [0.5, 0.5]))
        y = Histogram(edges, rng.multinomial(n, [0.5 - gap, 0.5 + gap]))
        found += ks_histogram(x, y).p_value < 0.05
    assert found / 300 == pytest.approx(0.8, abs=0.08)


def test_energy_known_answer_and_conventions():
    assert energy_distance_1d([0, 8], [0, 8], [3, 1], [2, 2]) == pytest.approx(1)
    counts = Histogram([-4, 4, 12], [3, 1]), Histogram([-4, 4, 12], [2, 2])
    assert energy_histogram(*counts).statistic == pytest.approx(1)


def test_energy_of_histograms_is_scipys_squared_at_mid_points():
    rng = np.random.default_rng(4)
    edges = np.cumsum(rng.uniform(0.1, 2, 21))
    x, y = (Histogram(edges, rng.integers(0, 30, 20)) for _ in range(2))
    result = energy_histogram(x, y)
    points = x.mid_points
    scipys = scipy.stats.energy_distance(points, points, x.counts, y.counts)
    moved = scipy.stats.wasserstein_distance(points, points, x.counts, y.counts)
    assert result.statistic == pytest.approx(scipys**2, rel=1e-9)
    assert result.effect == pytest.approx(moved, rel=1e-9)


def test_energy_in_one_dimension_is_the_root_of_dcors():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=50), rng.normal(1, 2, size=70)
    assert energy_distance_1d(x, y) ** 2 == pytest.approx(dcor.energy_distance(x, y), rel=1e-9)
    multivariate = energy_multivariate(x, y, permutations=19)
    assert multivariate.statistic == pytest.approx(energy_distance_1d(x, y) ** 2, rel=1e-9)


def test_energy_of_vectors_is_dcors():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(60, 3)), rng.normal(0.3, 1, size=(50, 3))
    result = energy_multivariate(x, y, permutations=199, seed=1)
    test = dcor.homogeneity.energy_test(x, y, num_resamples=199, random_state=1)
    assert result.statistic == pytest.approx(dcor.energy_distance(x, y), rel=1e-9)
    assert result.p_value == pytest.approx(test.pvalue, abs=0.05)
    assert result == energy_multivariate(x, y, permutations=199, seed=1)


def test_dcor_calls_constant_samples_different_and_we_do_not():
    x, y = np.ones((5, 1)), np.ones((6, 1))
    assert dcor.homogeneity.energy_test(x, y, num_resamples=99, random_state=0).pvalue == 0.01
    assert energy_multivariate(x, y, permutations=99).p_value == 1


def test_energy_of_vectors_guards_memory_and_shape():
    with pytest.raises(TooLargeError):
        energy_multivariate(np.zeros((6000, 2)), np.zeros((6000, 2)))
    with pytest.raises(ShapeError):
        energy_multivariate(np.zeros((5, 2)), np.zeros((5, 3)))
    with pytest.raises(BadParameterError):
        energy_multivariate([1.0, 2.0], [1.0, 2.0], permutations=3)


def test_quadratic_tail_of_one_and_of_many_is_known():
    points = np.array([0.05, 0.9, 1.0, 3.0, 9.0, 40.0, 200.0])
    one = quadratic_tail(points * 2, np.array([2.0]))
    assert one == pytest.approx(scipy.stats.chi2.sf(points, 1), rel=0.15)
    ten = quadratic_tail(points, np.ones(10))
    assert ten == pytest.approx(scipy.stats.chi2.sf(points, 10), rel=0.02)


def test_quadratic_tail_agrees_with_simulation():
    eigenvalues = 1 / np.arange(1, 30) ** 2
    draws = np.random.default_rng(7).standard_normal((200_000, 29)) ** 2 @ eigenvalues
    points = np.array([0.5, eigenvalues.sum(), 2.0, 4.0, 8.0])
    simulated = np.array([(draws >= point).mean() for point in points])
    assert quadratic_tail(points, eigenvalues) == pytest.approx(simulated, rel=0.06)


def test_energy_detectable_shift_is_found_with_the_power_asked_for():
    rng = np.random.default_rng(8)
    edges = np.linspace(-5, 6, 45)

    def counted(shift: float) -> Histogram:
        return Histogram.of_values(rng.normal(shift, size=400), edges)

    shift = energy_histogram(counted(0), counted(0)).minimum_detectable_effect
    p_values = [energy_histogram(counted(0), counted(shift)).p_value for _ in range(300)]
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("dim", [1, 2, 8, 64])
def test_directions_are_whole_orthonormal_bases(dim):
    rows = directions(dim, bases=2, seed=7)
    for basis in (rows[:dim], rows[dim:]):
        assert basis @ basis.T == pytest.approx(np.eye(dim), abs=1e-12)
    assert np.array_equal(rows, directions(dim, bases=2, seed=7))
    assert not np.array_equal(rows, directions(dim, bases=2, seed=8))


@pytest.mark.parametrize("dim", [2, 8])
@pytest.mark.parametrize(("shift", "scale"), [(0.6, 1.0), (0.0, 1.6)])
def test_projected_energy_is_dcors(dim, shift, scale):
    rng = np.random.default_rng(dim)
    x = rng.normal(size=(1500, dim))
    y = rng.normal(shift, scale, size=(1500, dim))
    edges = np.linspace(-7, 7, 65)
    basis = directions(dim, bases=4, seed=7)
    counted = [[Histogram.of_values(v @ u, edges) for u in basis] for v in (x, y)]
    projected = energy_from_projections(*counted, dim)
    exact = dcor.energy_distance(x, y)
    assert projected.squared_distance == pytest.approx(float(exact), rel=0.05)
    assert projected.p_value < 0.001
    assert projected.directions == 4 * dim
    assert projected.standard_error > 0


def test_sphere_constant_is_one_over_the_mean_of_a_coordinate():
    for dim in (2, 3, 8):
        vectors = np.random.default_rng(dim).normal(size=(100_000, dim))
        first = np.abs(vectors[:, 0]) / np.linalg.norm(vectors, axis=1)
        assert sphere_constant(dim) == pytest.approx(1 / first.mean(), rel=0.01)


def test_projections_that_do_not_fit_are_refused():
    one = Histogram([0, 1, 2], [1, 2])
    with pytest.raises(ShapeError):
        energy_from_projections([one], [one, one], 2)
    with pytest.raises(EmptySampleError):
        energy_from_projections([], [], 2)
    with pytest.raises(BadParameterError):
        energy_from_projections([one], [one], 0)
    with pytest.raises(BadParameterError):
        directions(0, 1, seed=1)
    assert energy_from_projections([one], [one], 1).standard_error is None


def first_alarm(detector, stream) -> int | None:
    for index, value in enumerate(stream):
        detector.update(value)
        if detector.drift_detected:
            return index
    return None


def integers() -> list[int]:
    rng = random.Random(12345)
    return rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000)


def binomials() -> np.ndarray:
    rng = np.random.RandomState(12345)
    return np.concatenate((rng.binomial(1, 0.2, 1000), rng.binomial(1, 0.8, 1000)))


def test_sequential_known_answers():
    assert first_alarm(Adwin(), integers()) == 1023
    assert first_alarm(PageHinkley(), integers()) == 1006
    assert first_alarm(Adwin(), binomials()) == 1055
    assert first_alarm(Adwin(clock=1), binomials()) == 1044


@pytest.mark.parametrize("seed", range(5))
def test_alarms_are_rivers(seed):
    rng = np.random.default_rng(seed)
    stream = np.repeat(rng.normal(0, 2, 8), 150) + rng.normal(size=1200)
    pairs = [
        (Adwin(), drift.ADWIN()),
        (PageHinkley(threshold=20), drift.PageHinkley(threshold=20)),
    ]
    for ours, theirs in pairs:
        for value in stream:
            ours.update(value)
            theirs.update(value)
            assert ours.drift_detected == theirs.drift_detected


@pytest.mark.parametrize(("jump", "direction"), [(5.0, Direction.UP), (-5.0, Direction.DOWN)])
def test_page_hinkley_says_which_way(jump, direction):
    detector = PageHinkley()
    rng = np.random.default_rng(9)
    stream = np.concatenate((rng.normal(size=100), rng.normal(jump, size=100)))
    assert first_alarm(detector, stream) is not None
    assert detector.direction is direction


def test_adwin_shows_its_window():
    detector = Adwin()
    for value in (1.0, 2.0, 3.0):
        detector.update(value)
    assert (detector.width, detector.estimation) == (3, 2.0)


def test_importing_detectors_is_light():
    heavy = {"river", "dcor", "numba", "scipy.stats", "pydantic"}
    code = f"import sys, detectors; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
