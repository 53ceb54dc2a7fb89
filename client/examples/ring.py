"""A federation without a server: peers on a ring train, average with neighbours, and tell Vigie.

Every peer pushes its own record, as the chunk of the round that has its number. None knows whether
the others have pushed, so none closes the round: the deadline of the federation's policy does.

Needs VIGIE_URL, VIGIE_API_KEY, VIGIE_FEDERATION and, in 64 hex digits, VIGIE_PSEUDONYM_KEY, which
all peers share. Here they take turns in one process; each uses only what its neighbours send it.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vigie_client import Pseudonyms, RoundReporter, update_block

PEERS, ROUNDS, FEATURES, EXAMPLES = 6, 5, 4, 200
RUN = "ring-1"

Array = npt.NDArray[np.float64]


class Peer:
    """A logistic regression on data of its own, and a spool of its own."""

    def __init__(self, place: int, reporter: RoundReporter) -> None:
        rng = np.random.default_rng(place)
        self.place, self.reporter = place, reporter
        self.x = rng.standard_normal((EXAMPLES, FEATURES))
        self.y = rng.random(EXAMPLES) < _chance(self.x, np.ones(FEATURES))
        self.model = rng.standard_normal(FEATURES)

    def train(self) -> None:
        """Take a step of gradient descent."""
        self.model = self.model - 0.5 * self.x.T @ (_chance(self.x, self.model) - self.y) / EXAMPLES

    def exchange(self, number: int, left: Array, right: Array) -> Array:
        """Average with both neighbours, and tell of the round; return the model to go on with."""
        mean: Array = (left + self.model + right) / 3
        self.reporter.report(
            RUN,
            number,
            "fit",
            [self._record(mean)],
            chunk=self.place,
            model="stroke",
            version="1",
            global_step=number,
            seconds=1.0,
        )
        return mean

    def _record(self, mean: Array) -> dict[str, Any]:
        pseudonym = Pseudonyms(bytes.fromhex(os.environ["VIGIE_PSEUDONYM_KEY"]))
        right = (_chance(self.x, self.model) > 0.5) == self.y  # noqa: PLR2004 - as likely as not
        return {
            "client": pseudonym(f"hospital-{self.place}"),
            "num_examples": EXAMPLES,
            "metrics": {"correct_count": int(right.sum())},
            # Its model and the mean as two lengths and a cosine; no weight leaves the peer.
            "update": update_block({"w": self.model}, {"w": mean}, to_neighbours=True),
        }


def main() -> None:
    """Play all peers, round by round; print how far they are from their neighbours' means."""
    peers = [Peer(place, _reporter(place)) for place in range(PEERS)]
    for number in range(1, ROUNDS + 1):
        for peer in peers:
            peer.train()
        models = [peer.model for peer in peers]
        means = [
            peer.exchange(number, models[peer.place - 1], models[(peer.place + 1) % PEERS])
            for peer in peers
        ]
        print(np.sqrt(np.square(np.subtract(models, means)).sum(axis=1).mean()))
        for peer, mean in zip(peers, means, strict=True):
            peer.model = mean
    for peer in peers:
        peer.reporter.close()


def _chance(x: Array, model: Array) -> Array:
    chance: Array = 1 / (1 + np.exp(-x @ model))
    return chance


def _reporter(place: int) -> RoundReporter:
    url, key = os.environ["VIGIE_URL"], os.environ["VIGIE_API_KEY"]
    spool = Path("vigie-spool") / f"peer-{place}"
    return RoundReporter(url, key, os.environ["VIGIE_FEDERATION"], spool)


if __name__ == "__main__":
    main()
