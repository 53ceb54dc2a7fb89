import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.clients.clusters import cluster_clients
from detectors.errors import (
    BadParameterError,
    EmptySampleError,
    NegativeCountError,
    NotFiniteError,
    OutOfRangeError,
    ShapeError,
)


def drawn(seed, states, rates, n, noise_sd=0.0):
    rng = np.random.default_rng(seed)
    size = np.full((*states.shape, np.shape(rates)[1]), float(n))
    hits = rng.binomial(n, np.array(rates)[states]).astype(float)
    if noise_sd:
        hits += rng.laplace(0, noise_sd / np.sqrt(2), hits.shape)
        size += rng.laplace(0, noise_sd, size.shape)
    return hits, size


def agree(labels, states):
    return all(np.array_equal(labels == labels[i], states == states[i]) for i in range(len(states)))


@pytest.mark.parametrize("noise_sd", [0.0, 3.0])
@pytest.mark.parametrize("clusters", [1, 2, 3])
def test_the_number_of_clusters_is_found(noise_sd, clusters):
    states = np.arange(12)[np.newaxis].repeat(3, axis=0) % clusters
    rates = [[0.05, 0.1], [0.25, 0.1], [0.25, 0.5]][:clusters]
    for seed in range(8):
        found = cluster_clients(*drawn(seed, states, rates, 300, noise_sd), noise_sd=noise_sd)
        assert found.clusters == clusters
        assert agree(found.labels[-1], states[-1])


def test_no_cluster_is_made_where_nobody_moved():
    states = np.zeros((10, 20), dtype=int)
    found = [
        cluster_clients(*drawn(seed, states, [[0.1, 0.2]], 100)).clusters for seed in range(40)
    ]
    assert np.mean(np.array(found) > 1) <= 0.1


def test_moves_too_small_for_one_round_add_up():
    states = np.zeros((9, 12), dtype=int)
    states[3:, :6] = 1
    right = {"one round": 0, "all": 0}
    for seed in range(10):
        hits, n = drawn(seed, states, [[0.10], [0.18]], 100)
        right["one round"] += agree(cluster_clients(hits[-1], n[-1]).labels[-1], states[-1])
        right["all"] += agree(cluster_clients(hits, n).labels[-1], states[-1])
    assert right["one round"] <= 2
    assert right["all"] >= 7


def test_a_client_that_is_absent_keeps_its_cluster_with_growing_doubt():
    states = np.zeros((6, 6), dtype=int)
    states[:, 3:] = 1
    hits, n = drawn(4, states, [[0.1], [0.6]], 200)
    hits[2:, 0] = n[2:, 0] = 0
    found = cluster_clients(hits, n)
    own = found.memberships[:, 0, 0]
    assert own[0] > 0.99
    assert own[-1] > 0.5
    assert (np.diff(own[1:]) < 0).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16), order=st.permutations(range(8)))
def test_the_order_of_clients_does_not_matter(seed, order):
    states = np.tile([0, 0, 0, 1, 1, 1, 2, 2], (3, 1))
    hits, n = drawn(seed, states, [[0.1, 0.1], [0.4, 0.1], [0.4, 0.5]], 120)
    plain = cluster_clients(hits, n)
    other = cluster_clients(hits[:, order], n[:, order])
    assert np.array_equal(plain.labels[:, order], other.labels)
    assert plain.rates == pytest.approx(other.rates, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), clients=st.integers(1, 6), rounds=st.integers(1, 5))
def test_memberships_are_probabilities(seed, clients, rounds):
    rng = np.random.default_rng(seed)
    n = rng.integers(0, 50, (rounds, clients, 2)) + np.eye(1, rounds * clients * 2).reshape(
        rounds, clients, 2
    )
    found = cluster_clients(np.floor(n * rng.random(n.shape)), n)
    assert found.memberships.sum(axis=-1) == pytest.approx(np.ones((rounds, clients)))
    assert ((found.rates > 0) & (found.rates < 1)).all()
    assert 0 < found.move_rate < 1


def test_a_billion_examples_are_answered():
    found = cluster_clients([[1e8], [1e8 + 10], [3e8]], [[1e9], [1e9], [1e9]])
    assert found.labels.tolist() == [[0, 0, 1]]


@pytest.mark.parametrize(
    ("hits", "n", "options", "error"),
    [
        ([1.0], [2.0], {}, ShapeError),
        (np.zeros((2, 0, 1)), np.zeros((2, 0, 1)), {}, ShapeError),
        ([[1.0]], [[2.0, 2.0]], {}, ShapeError),
        ([[1.0]], [[2.0]], {"noise_sd": [1.0, 2.0, 3.0]}, BadParameterError),
        ([[np.nan]], [[2.0]], {}, NotFiniteError),
        ([[-1.0]], [[2.0]], {}, NegativeCountError),
        ([[3.0]], [[2.0]], {}, OutOfRangeError),
        ([[0.0]], [[0.0]], {}, EmptySampleError),
        ([[1.0]], [[2.0]], {"most": 0}, BadParameterError),
        ([[1.0]], [[2.0]], {"noise_sd": -1.0}, BadParameterError),
    ],
)
def test_bad_input_is_refused_by_name(hits, n, options, error):
    if isinstance(options.get("noise_sd"), list):
        hits, n, error = [[1.0], [1.0]], [[2.0], [2.0]], ShapeError
        options = {"noise_sd": np.ones((5, 3))}
    with pytest.raises(error):
        cluster_clients(hits, n, **options)
