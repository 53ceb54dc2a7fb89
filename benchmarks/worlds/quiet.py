"""A federation in which nothing drifts, though everything moves.

Clients differ in what they see and in how hard it is (non-IID), and each has rounds a little harder
or easier than its own average. A client misses a round now and then, and the two regions take turns
in taking part, so that pooled distributions swing while no client changes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import scipy.special
from numpy.typing import NDArray

from benchmarks.worlds.world import Change, Examples, Setting, WorldRound
from detectors.arrays import FloatArray

START, LENGTH = datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1)
REGIONS = ("north", "south")
FEATURES = 3
PERIOD = 60  # rounds from one swing of the participation to the next
LEAST, MOST = 0.35, 0.9  # a region's share of clients that take part, at its low and its high
EXAMPLES = 40
SPREAD = {"level": 1.0, "mean": 1.0, "round": 0.1}  # sds: of clients' log odds and features, rounds


@dataclass(frozen=True)
class Quiet:
    """So many rounds of so many clients."""

    count: int = 200
    clients: int = 200
    seed: int = 0

    @property
    def setting(self) -> Setting:
        """The region is the cohort."""
        numeric = {"kind": "numeric", "edges": np.linspace(-6, 6, 25).tolist(), "unit": "sd"}
        return Setting(
            name="quiet",
            bin_spec={
                "labels": ["no", "yes"],
                "score": {"edges": [step / 20 for step in range(21)]},
                "features": {f"x{at}": numeric for at in range(FEATURES)},
            },
            cohort_tags={"region": list(REGIONS)},
        )

    @property
    def changes(self) -> Sequence[Change]:
        """None: whatever is found is false."""
        return []

    def rounds(self) -> Iterator[WorldRound]:
        """The rounds; the same clients each time, some of them absent."""
        rng = np.random.default_rng(self.seed)
        sizes = EXAMPLES // 2 + rng.poisson(EXAMPLES // 2, self.clients)
        levels = rng.normal(-1.0, SPREAD["level"], self.clients)
        # The south sees other values, and harder ones.
        south = np.arange(self.clients) % 2
        levels += 0.8 * south
        means = rng.normal(0.5 * south[:, np.newaxis], SPREAD["mean"], (self.clients, FEATURES))
        for number in range(self.count):
            there = np.flatnonzero(rng.random(self.clients) < _presence(number, south))
            start = START + number * LENGTH
            clients = [
                _examples(rng, int(client), int(sizes[client]), levels[client], means[client])
                for client in there
            ]
            yield WorldRound(f"{number + 1:05d}", start, start + LENGTH, clients)


def _presence(number: int, south: NDArray[np.int64]) -> FloatArray:
    """The probability with which each client takes part: the regions swing against each other."""
    swing = np.sin(2 * np.pi * number / PERIOD) * (1 - 2 * south)
    return np.asarray(LEAST + (MOST - LEAST) * (1 + swing) / 2, dtype=np.float64)


def _examples(
    rng: np.random.Generator, client: int, size: int, level: float, mean: FloatArray
) -> Examples:
    odds = level + rng.normal(0.0, SPREAD["round"]) + rng.normal(0.0, 1.0, size)
    probability = scipy.special.expit(odds)
    features = mean + rng.normal(0.0, 1.0, (size, FEATURES))
    return Examples(
        client=f"{client:03d}",
        cohorts={"region": REGIONS[client % 2]},
        probability=probability,
        label=(rng.random(size) < probability).astype(np.int64),
        features={f"x{at}": column for at, column in enumerate(features.T)},
    )
