import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.clients.consensus import (
    ConsensusDistance,
    consensus_distance,
    neighbourhood_distance,
)
from detectors.errors import (
    BadParameterError,
    BadWeightError,
    EmptySampleError,
    NotFiniteError,
    OutOfRangeError,
    ShapeError,
    TooFewError,
)

SEEDS = st.integers(0, 2**32 - 1)


def told(models: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What peers tell of their models and the means beside them: norms, means' norms, cosines."""
    norms, lengths = np.linalg.norm(models, axis=1), np.linalg.norm(means, axis=1)
    return norms, lengths, (models * means).sum(axis=1) / (norms * lengths)


def around(models: np.ndarray, shares: np.ndarray) -> ConsensusDistance:
    mean = shares @ models / shares.sum()
    norms, _, cosines = told(models, np.tile(mean, (len(models), 1)))
    return consensus_distance(norms, cosines, shares)


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, peers=st.integers(2, 12), dimensions=st.integers(1, 50), centre=st.floats(0, 3))
def test_agrees_with_the_direct_computation_from_weights(seed, peers, dimensions, centre):
    rng = np.random.default_rng(seed)
    models = centre + rng.standard_normal((peers, dimensions))
    shares = rng.uniform(0.1, 1, peers)
    apart = models - shares @ models / shares.sum()
    squares = np.square(apart).sum(axis=1)
    answer = around(models, shares)
    size = np.sqrt(shares @ np.square(models).sum(axis=1) / shares.sum())
    expected = np.sqrt(shares @ squares / shares.sum())
    assert answer.distance == pytest.approx(expected, rel=1e-9, abs=8 * answer.resolution)
    assert answer.relative == pytest.approx(answer.distance / size, rel=1e-9)
    # A mean that is nearly zero has no direction to speak of, and so no cosines.
    np.testing.assert_allclose(answer.per_peer, np.sqrt(squares), rtol=1e-6, atol=1e-6 * size)


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, peers=st.integers(1, 12))
def test_of_neighbourhoods_agrees_with_the_direct_computation(seed, peers):
    rng = np.random.default_rng(seed)
    models = 1 + rng.standard_normal((peers, 20))
    mixing = rng.dirichlet(np.ones(peers), size=peers)
    answer = neighbourhood_distance(*told(models, mixing @ models))
    direct = np.linalg.norm(models - mixing @ models, axis=1)
    np.testing.assert_allclose(answer.per_peer, direct, rtol=1e-6, atol=8 * answer.resolution)


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, scale=st.floats(1e-80, 1e80))
def test_scales_with_the_norms_and_does_not_depend_on_the_peers_order(seed, scale):
    rng = np.random.default_rng(seed)
    models = rng.standard_normal((6, 9))
    shares = rng.uniform(0.1, 1, 6)
    mean = shares @ models / shares.sum()
    norms, _, cosines = told(models, np.tile(mean, (6, 1)))
    answer = consensus_distance(norms, cosines, shares)
    order = rng.permutation(6)
    other = consensus_distance(scale * norms[order], cosines[order], 7 * shares[order])
    assert other.distance == pytest.approx(scale * answer.distance, rel=1e-9)
    assert other.relative == pytest.approx(answer.relative, rel=1e-9)
    np.testing.assert_allclose(other.per_peer, scale * answer.per_peer[order], rtol=1e-9)


def test_what_is_known_by_hand():
    same = consensus_distance([2.0, 2.0, 2.0], [1.0, 1.0, 1.0])
    assert (same.distance, same.relative) == (0.0, 0.0)
    assert 0 < same.resolution < 1e-7
    opposite = consensus_distance([1.0, 1.0], [0.0, 0.0])  # their mean is zero
    assert (opposite.distance, opposite.relative) == (1.0, 1.0)
    unrelated = consensus_distance(np.ones(4), np.full(4, 0.5))  # at right angles to each other
    assert unrelated.relative == pytest.approx(np.sqrt(1 - 1 / 4))
    nothing = consensus_distance([0.0, 0.0], [0.0, 0.0])
    assert (nothing.distance, nothing.relative, nothing.resolution) == (0.0, 0.0, 0.0)
    one = neighbourhood_distance([0.0], [3.0], [0.0])
    assert (one.distance, one.relative) == (3.0, 1.0)


def test_a_peer_without_weight_counts_for_nothing_but_is_placed():
    answer = consensus_distance([1.0, 1.0, 5.0], [1.0, 1.0, 1.0], [1.0, 1.0, 0.0])
    assert answer.distance == 0.0
    np.testing.assert_allclose(answer.per_peer, [0.0, 0.0, 4.0])


def test_a_cosine_in_float32_may_pass_one_by_a_little():
    assert consensus_distance([1.0, 1.0], [1.0000001, 1.0]).distance == 0.0


@pytest.mark.parametrize(
    ("norms", "cosines", "shares", "error"),
    [
        ([], [], None, EmptySampleError),
        ([1.0], [1.0], None, TooFewError),
        ([[1.0, 1.0]], [1.0, 1.0], None, ShapeError),
        ([1.0, 1.0], [1.0], None, ShapeError),
        ([1.0, 1.0], [1.0, 1.0], [1.0], ShapeError),
        ([1.0, np.nan], [1.0, 1.0], None, NotFiniteError),
        ([1.0, 1.0], [1.0, np.inf], None, NotFiniteError),
        ([1.0, 1e200], [1.0, 1.0], None, OutOfRangeError),
        ([1.0, -1.0], [1.0, 1.0], None, BadParameterError),
        ([1.0, 1.0], [1.0, 1.1], None, BadParameterError),
        ([1.0, 1.0], [-0.5, 0.0], None, BadParameterError),  # no mean lies against its own parts
        ([1.0, 1.0], [1.0, 1.0], [1.0, -1.0], BadWeightError),
        ([1.0, 1.0], [1.0, 1.0], [0.0, 0.0], BadWeightError),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(norms, cosines, shares, error):
    with pytest.raises(error):
        consensus_distance(norms, cosines, shares)


@pytest.mark.parametrize(
    ("means", "error"),
    [([1.0], ShapeError), ([-1.0, 1.0], BadParameterError), ([np.nan, 1.0], NotFiniteError)],
)
def test_means_of_neighbourhoods_are_checked_too(means, error):
    with pytest.raises(error):
        neighbourhood_distance([1.0, 1.0], means, [1.0, 1.0])


def test_a_million_peers_and_the_largest_norms():
    norms = np.full(1_000_000, 1e100)
    answer = consensus_distance(norms, np.full(norms.size, 0.6))
    assert answer.relative == pytest.approx(0.8)
    assert answer.distance == pytest.approx(0.8e100)
