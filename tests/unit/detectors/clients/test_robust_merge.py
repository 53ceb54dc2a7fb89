"""No client takes a merge over, and honest ones lose nothing by it."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Histogram, merge
from detectors.clients.robust_merge import (
    cap_factors,
    geometric_median,
    median_of_means,
    merge_capped,
    merge_robustly,
    merge_sums_capped,
    trimmed_mean,
)
from detectors.errors import (
    BadParameterError,
    BadWeightError,
    EdgesDifferError,
    EmptySampleError,
    NotFiniteError,
    ShapeError,
    TooFewError,
)

EDGES = np.arange(6.0)
CENTRES = [trimmed_mean, median_of_means, geometric_median]
sizes = st.lists(st.floats(0.01, 1e6), min_size=2, max_size=12)


def clients(seed, count=40, concentration=20.0):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(5) * concentration, size=count)
    return [Histogram(EDGES, rng.multinomial(200, row)) for row in shares]


@given(sizes=sizes, where=st.floats(0, 1))
def test_no_client_weighs_more_than_the_cap_and_the_cut_is_the_least(sizes, where):
    cap = 1 / len(sizes) + where * (1 - 1 / len(sizes))
    factors = cap_factors(sizes, cap)
    left = np.array(sizes) * factors
    assert left.max() <= cap * left.sum() * (1 + 1e-6)  # a cap of 1 / clients is ill-conditioned
    assert (factors <= 1).all()
    if (factors < 1).any() and where > 1e-3:
        assert left.max() >= cap * left.sum() * (1 - 1e-6)
        assert np.ptp(left[factors < 1]) <= 1e-9 * left.max()


@given(seed=st.integers(0, 200))
def test_where_the_cap_does_not_bind_the_merge_is_the_plain_one_bit_for_bit(seed):
    histograms = clients(seed, 9)
    capped, plain = merge_capped(histograms, 0.5), merge(histograms)
    assert not capped.bound
    assert capped.histogram.counts.tobytes() == plain.counts.tobytes()


def test_a_client_that_claims_a_billion_moves_each_share_by_the_cap_at_most():
    honest = clients(1)
    liar = Histogram(EDGES, [1e9, 0, 0, 0, 0])
    capped = merge_capped([*honest, liar], 0.05)
    moved = np.abs(capped.histogram.pmf() - merge(honest).pmf())
    assert capped.bound
    assert moved.max() <= 0.05
    assert np.abs(merge([*honest, liar]).pmf() - merge(honest).pmf()).max() > 0.7


def test_noise_is_scaled_with_its_counts():
    histograms = [Histogram(EDGES, np.full(5, size), noise_sd=2.0) for size in (10, 10, 80)]
    capped = merge_capped(histograms, 0.5)
    assert capped.factors.tolist() == [1, 1, 0.25]
    assert capped.histogram.noise_sd == pytest.approx(np.sqrt(4 + 4 + 0.25))


def test_sums_are_capped_like_counts():
    sums, examples = merge_sums_capped([[5.0], [5.0], [8000.0]], [10, 10, 80], 0.5)
    assert (sums.tolist(), examples) == ([2010.0], 40.0)


@pytest.mark.parametrize(
    ("centre", "liars"),
    [(trimmed_mean, 7), (partial(median_of_means, groups=15), 7), (geometric_median, 17)],
)
def test_a_centre_holds_out_up_to_its_breakdown_point(centre, liars):
    vectors = np.array([each.pmf() for each in clients(2)])
    attacked = vectors.copy()
    attacked[:liars] = [1e6, 0, 0, 0, 0]
    before, after = (centre(each, np.ones(40)) for each in (vectors, attacked))
    assert np.abs(after - before).max() < 0.25


@pytest.mark.parametrize(("centre", "liars"), [(trimmed_mean, 9), (geometric_median, 21)])
def test_and_not_beyond_it(centre, liars):
    vectors = np.array([each.pmf() for each in clients(2)])
    vectors[:liars] = [1e6, 0, 0, 0, 0]
    assert centre(vectors, np.ones(40))[0] > 1e3


@pytest.mark.parametrize(
    ("centre", "efficiency"),
    [(trimmed_mean, 0.88), (median_of_means, 0.69), (geometric_median, 0.79)],
)
def test_the_efficiency_for_normal_clients_is_as_said(centre, efficiency):
    draws = np.random.default_rng(0).normal(size=(800, 40, 2))
    estimates = np.array([centre(draw, np.ones(40)) for draw in draws])
    assert 1 / 40 / np.mean(estimates**2) == pytest.approx(efficiency, abs=0.08)


@pytest.mark.parametrize("centre", CENTRES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 99), scale=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_a_centre_follows_shift_and_scale(centre, seed, scale, shift):
    vectors = np.random.default_rng(seed).normal(size=(11, 3))
    weight = np.random.default_rng(seed + 1).uniform(0.5, 2, size=11)
    moved = centre(vectors * scale + shift, weight * 7)
    assert moved == pytest.approx(centre(vectors, weight) * scale + shift, rel=1e-5, abs=1e-5)


def test_the_geometric_median_has_no_gradient():
    vectors = np.random.default_rng(5).normal(size=(30, 4))
    weight = np.arange(1.0, 31.0)
    centre = geometric_median(vectors, weight)
    away = vectors - centre
    gradient = (weight / np.linalg.norm(away, axis=1)) @ away / weight.sum()
    assert np.abs(gradient).max() < 1e-8


def test_a_heavy_client_is_its_own_median():
    vectors = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert geometric_median(vectors, np.array([3.0, 1.0, 1.0])).tolist() == [0, 0]


def test_a_robust_merge_keeps_the_total_and_resists():
    honest = clients(3)
    liars = [Histogram(EDGES, [0, 0, 0, 0, 300.0]) for _ in range(8)]
    robust = merge_robustly([*honest, *liars], geometric_median)
    assert robust.total == pytest.approx(40 * 200 + 8 * 300)
    assert np.abs(robust.pmf() - merge(honest).pmf()).max() < 0.05
    assert np.abs(merge([*honest, *liars]).pmf() - merge(honest).pmf()).max() > 0.15


@pytest.mark.parametrize("centre", CENTRES)
def test_equal_clients_are_their_own_centre(centre):
    vectors = np.tile([0.2, 0.3, 0.5], (7, 1))
    assert centre(vectors, np.ones(7)) == pytest.approx([0.2, 0.3, 0.5])


def test_bad_input_is_refused_by_name():
    with pytest.raises(EmptySampleError):
        merge_capped([], 0.5)
    with pytest.raises(BadParameterError, match="1 / 2"):
        cap_factors([1.0, 2.0, 0.0], 0.4)
    with pytest.raises(BadWeightError):
        cap_factors([-1.0, 2.0], 0.9)
    with pytest.raises(BadWeightError):
        merge_capped([Histogram(EDGES, np.zeros(5))], 1.0)
    with pytest.raises(NotFiniteError):
        cap_factors([np.nan, 2.0], 0.9)
    with pytest.raises(EdgesDifferError):
        merge_capped([Histogram(EDGES, np.ones(5)), Histogram(EDGES + 1, np.ones(5))], 0.9)
    with pytest.raises(ShapeError):
        merge_sums_capped([[1.0]], [1.0, 2.0], 0.9)
    with pytest.raises(BadParameterError):
        trimmed_mean(np.ones((3, 1)), np.ones(3), trim=0.5)
    with pytest.raises(BadParameterError):
        median_of_means(np.ones((3, 1)), np.ones(3), groups=2)
    with pytest.raises(TooFewError):
        median_of_means(np.ones((3, 1)), np.ones(3), groups=5)
    with pytest.raises(EmptySampleError):
        merge_robustly([Histogram(EDGES, np.zeros(5))], geometric_median)
