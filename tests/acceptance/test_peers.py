"""A federation without a server: every peer pushes its own report, and a deadline ends the round.

Peers on a ring and on a random graph train by gossip (decentralised SGD; Lian et al. 2017,
"Can decentralized algorithms outperform centralized algorithms?", NeurIPS 30, algorithm 1). A
peer's push is a chunk of the round; none knows the others', so nobody can close it.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from app.core import clock
from app.core.database import Database
from app.federations.roles import Role
from app.rounds import service as rounds
from tests.rounds import body, record

FEDERATION, RUN, PHASE = "flights", "gossip", "fit"
PEERS, FEATURES, EXAMPLES, ROUNDS = 8, 5, 100, 6
SILENT, LATE = 3, 5  # peers that say nothing, or too late, in the last round
DAY = timedelta(days=1)

Array = NDArray[np.float64]
KeyOf = Callable[..., dict[str, str]]


def ring(_: np.random.Generator) -> Array:
    """Everybody has two neighbours, and a third of the say in its own mean."""
    near = np.roll(np.eye(PEERS), 1, axis=1)
    return (np.eye(PEERS) + near + near.T) / 3


def random_graph(rng: np.random.Generator) -> Array:
    """A ring with random shortcuts, so that it is connected; Metropolis-Hastings weights."""
    shortcuts = np.triu(rng.random((PEERS, PEERS)) < 0.3, k=1)
    joined = (ring(rng) > 0) | shortcuts | shortcuts.T
    np.fill_diagonal(joined, val=False)
    degrees = joined.sum(axis=1)
    mixing = np.where(joined, 1 / (1 + np.maximum.outer(degrees, degrees)), 0.0)
    return mixing + np.diag(1 - mixing.sum(axis=1))


def gossip(mixing: Array, rng: np.random.Generator) -> Iterator[Array]:
    """The peers' models before each exchange; linear regression, each on data of its own."""
    truths = 1 + 0.3 * rng.standard_normal((PEERS, FEATURES))
    x = rng.standard_normal((PEERS, EXAMPLES, FEATURES))
    y = np.einsum("pef,pf->pe", x, truths)
    models = np.zeros((PEERS, FEATURES))
    for _ in range(ROUNDS):
        wrong = np.einsum("pef,pf->pe", x, models) - y
        models = models - 0.3 * np.einsum("pe,pef->pf", wrong, x) / EXAMPLES
        yield models
        models = mixing @ models


@pytest.fixture(params=[ring, random_graph])
def mixing(request: pytest.FixtureRequest) -> Array:
    build: Callable[[np.random.Generator], Array] = request.param
    return build(np.random.default_rng(5))


class Peers:
    """Pushes what each peer says of itself: a norm and a cosine, and no weight."""

    def __init__(self, api: TestClient, headers: dict[str, str]) -> None:
        self._api, self._headers = api, headers

    def push(self, peer: int, number: int, model: Array, mean: Array) -> None:
        norm = float(np.linalg.norm(model))
        cosine = float(model @ mean / (norm * np.linalg.norm(mean)))
        said = record(f"peer-{peer}", update={"norm": norm, "cosine": cosine})
        said = {key: said[key] for key in ("client", "num_examples", "metrics", "update")}
        path = f"/v1/federations/{FEDERATION}/runs/{RUN}/rounds/{number}/{PHASE}"
        answer = self._api.post(
            path, params={"chunk": peer}, json=body(said, step=number), headers=self._headers
        )
        assert answer.status_code == 202, answer.text

    def rounds(self) -> dict[int, dict[str, object]]:
        answer = self._api.get(f"/v1/federations/{FEDERATION}/rounds", headers=self._headers)
        return {round_["number"]: round_ for round_ in answer.json()}


def test_each_peer_pushes_for_itself_and_the_deadline_ends_the_round(
    api: TestClient, database: Database, key_of: KeyOf, mixing: Array
) -> None:
    peers, today = Peers(api, key_of(Role.INGEST)), [datetime.fromisoformat("2026-11-21T12:00Z")]
    with clock.using(lambda: today[0]):
        for number, models in enumerate(gossip(mixing, np.random.default_rng(1)), start=1):
            means, last = mixing @ models, number == ROUNDS
            for peer in np.random.default_rng(number).permutation(PEERS):
                if not (last and peer in {SILENT, LATE}):
                    peers.push(int(peer), number, models[peer], means[peer])
            assert peers.rounds()[number]["state"] == "receiving"
            today[0] += DAY
            with database.session_scope() as session:
                assert rounds.close_overdue(session) == 1
            assert peers.rounds()[number]["state"] == "received"
        peers.push(LATE, ROUNDS, models[LATE], means[LATE])  # counts, and has it judged again
    accepted = {number: round_["accepted"] for number, round_ in peers.rounds().items()}
    assert accepted == dict.fromkeys(range(1, ROUNDS), PEERS) | {ROUNDS: PEERS - 1}
