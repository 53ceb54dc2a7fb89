"""A federation without a server, simulated: peers on a ring and on a random graph.

Each peer takes a step of gradient descent on data of its own and then averages with its neighbours
(decentralised SGD; Lian et al. 2017, "Can decentralized algorithms outperform centralized
algorithms?", NeurIPS 30, algorithm 1). Of its model it tells two norms and a cosine a round.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from detectors import Cusum, Standardiser
from detectors.clients.consensus import (
    ConsensusDistance,
    consensus_distance,
    neighbourhood_distance,
)

PEERS, FEATURES, EXAMPLES = 12, 10, 200
SETTLED, CHANGE, ROUNDS = 60, 120, 160
Graph = np.ndarray


def ring(_: np.random.Generator) -> Graph:
    """Every peer has two neighbours."""
    left = np.roll(np.eye(PEERS, dtype=bool), 1, axis=1)
    return left | left.T


def random_graph(rng: np.random.Generator) -> Graph:
    """Every pair is joined with probability 0.3; drawn until all are connected."""
    while True:
        upper = np.triu(rng.random((PEERS, PEERS)) < 0.3, k=1)
        graph = upper | upper.T
        if np.linalg.matrix_power(np.eye(PEERS) + graph, PEERS).all():
            return graph


def metropolis(graph: Graph) -> np.ndarray:
    """Metropolis-Hastings weights: symmetric and doubly stochastic on any graph."""
    degrees = graph.sum(axis=1)
    mixing = np.where(graph, 1 / (1 + np.maximum.outer(degrees, degrees)), 0.0)
    return mixing + np.diag(1 - mixing.sum(axis=1))


def mixing_rate(mixing: np.ndarray) -> float:
    """The second largest eigenvalue in absolute value: what one exchange leaves of a difference."""
    return float(np.sort(np.abs(np.linalg.eigvalsh(mixing)))[-2])


def training(mixing: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The peers' models before each exchange; from CHANGE on, one peer's labels are turned."""
    truth = rng.standard_normal(FEATURES)
    models = np.zeros((PEERS, FEATURES))
    for number in range(ROUNDS):
        x = rng.standard_normal((PEERS, EXAMPLES, FEATURES))
        chance = 1 / (1 + np.exp(-x @ truth))
        if number >= CHANGE:
            chance[0] = 1 - chance[0]
        wrong = 1 / (1 + np.exp(-np.einsum("pef,pf->pe", x, models)))
        wrong -= rng.random((PEERS, EXAMPLES)) < chance
        models = models - 0.5 * np.einsum("pe,pef->pf", wrong, x) / EXAMPLES
        yield models
        models = mixing @ models


def reported(models: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What leaves the peers: the norms of their models and of the means, and the cosines."""
    norms, lengths = np.linalg.norm(models, axis=1), np.linalg.norm(means, axis=1)
    return norms, lengths, (models * means).sum(axis=1) / (norms * lengths)


def told_by_neighbours(models: np.ndarray, mixing: np.ndarray) -> ConsensusDistance:
    return neighbourhood_distance(*reported(models, mixing @ models))


@pytest.fixture(params=[ring, random_graph])
def mixing(request: pytest.FixtureRequest) -> np.ndarray:
    build: Callable[[np.random.Generator], Graph] = request.param
    return metropolis(build(np.random.default_rng(5)))


def test_what_neighbours_tell_bounds_the_distance_of_all(mixing):
    rate = mixing_rate(mixing)
    for models in training(mixing, np.random.default_rng(1)):
        mean = models.mean(axis=0)
        true = np.sqrt(np.square(models - mean).sum(axis=1).mean())
        norms, _, cosines = reported(models, np.tile(mean, (PEERS, 1)))
        assert consensus_distance(norms, cosines).distance == pytest.approx(true, rel=1e-6)
        local = told_by_neighbours(models, mixing).distance
        assert local / (1 + rate) - 1e-9 <= true <= local / (1 - rate) + 1e-9


def test_exchange_alone_brings_peers_together_at_the_graphs_rate(mixing):
    models = 1 + np.random.default_rng(2).standard_normal((PEERS, FEATURES))
    rate = mixing_rate(mixing)
    before = told_by_neighbours(models, mixing)
    for _ in range(30):
        models = mixing @ models
        after = told_by_neighbours(models, mixing)
        slack = 8 * after.resolution
        assert after.distance <= rate * before.distance + slack
        before = after


def test_a_peer_whose_concept_turns_shows_in_the_series(mixing):
    series = [
        told_by_neighbours(models, mixing).distance
        for models in training(mixing, np.random.default_rng(3))
    ]
    reference = Standardiser.fit(series[SETTLED:CHANGE])
    detector = Cusum(k=0.5, h=8)
    alarms = []
    for number in range(SETTLED, ROUNDS):
        detector.update((series[number] - reference.mean) / reference.sd)
        if detector.drift_detected:
            alarms.append(number)
            break
    assert CHANGE <= alarms[0] <= CHANGE + 3


def test_the_peer_that_turned_is_the_one_farthest_from_its_neighbours(mixing):
    *_, last = training(mixing, np.random.default_rng(4))
    assert int(told_by_neighbours(last, mixing).per_peer.argmax()) == 0
