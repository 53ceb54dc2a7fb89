"""FedDrift's schedules as rounds: ten clients that come under other concepts one by one.

A logistic model on the features, their squares and products is trained by federated averaging on
concept 0 and then frozen. Rounds under concept 0 lead in, for a reference to be frozen from; the
schedule's eleven steps follow. P(x) never changes: every change is one of P(y|x), at some clients.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np

from benchmarks.streams.concepts import GENERATORS, Labels, Values, schedule
from benchmarks.worlds.model import Logistic, train
from benchmarks.worlds.world import Change, Examples, Setting, WorldRound
from detectors.arrays import FloatArray

START, LENGTH = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
LEAD_IN = 8
CLIENTS, TRAINING = 10, 2_000
RANGES: Mapping[str, float] = {"SINE": 1.0, "CIRCLE": 1.0, "SEA": 10.0}


@dataclass(frozen=True)
class FedDrift:
    """One schedule on one stream, with so many examples a client and step."""

    stream: str = "SINE"
    schedule: str = "A"
    n: int = 500
    seed: int = 0

    @property
    def setting(self) -> Setting:
        """Clients are what changes here, so theirs are incidents, too."""
        top = RANGES[self.stream]
        edges = (top * np.linspace(0.0, 1.0, 21)).tolist()
        bins = {"kind": "numeric", "edges": edges, "unit": "1"}
        dimensions = 3 if self.stream == "SEA" else 2
        return Setting(
            name="feddrift",
            bin_spec={
                "labels": ["no", "yes"],
                "score": {"edges": [step / 20 for step in range(21)]},
                "features": {f"x{at}": bins for at in range(dimensions)},
            },
            policy={"incidents": {"scopes": ["federation", "cohort", "client"]}},
        )

    @property
    def changes(self) -> Sequence[Change]:
        """Each client-step whose concept is not the one of the step before."""
        truth = schedule(self.schedule)
        steps, clients = np.nonzero(truth[1:] != truth[:-1])
        return [
            self._change(truth, int(step) + 1, int(client))
            for step, client in zip(steps, clients, strict=True)
        ]

    def _change(self, truth: Labels, step: int, client: int) -> Change:
        later = np.flatnonzero(truth[step:, client] != truth[step, client])
        last = name_of(step + int(later[0]) - 1) if later.size else None
        told = f"client {client}: concept {truth[step, client]}"
        subjects = ("error_rate", "log_loss", "calibration", "label", "confusion")
        return Change(told, name_of(step), last, "client", "real", subjects, (str(client),))

    def rounds(self) -> Iterator[WorldRound]:
        """The rounds that lead in, then the schedule's steps."""
        truth = schedule(self.schedule)
        before = np.zeros((LEAD_IN, truth.shape[1]), dtype=truth.dtype)
        rng = np.random.default_rng(self.seed)
        for at, concepts in enumerate(np.concatenate((before, truth))):
            clients = [self._examples(rng, client, each) for client, each in enumerate(concepts)]
            start = START + at * LENGTH
            yield WorldRound(name_of(at - LEAD_IN), start, start + LENGTH, clients)

    def _examples(self, rng: np.random.Generator, client: int, concept: int) -> Examples:
        values, labels = GENERATORS[self.stream].draw(rng, self.n, concept)
        return Examples(
            client=str(client),
            cohorts={},
            probability=_champion(self.stream).probability(_inputs(values)),
            label=labels.astype(np.int64),
            features={f"x{at}": column for at, column in enumerate(values.T)},
        )


def name_of(step: int) -> str:
    """The name of the round of a schedule's step; those before step 0 lead in."""
    return f"{step + LEAD_IN:02d}"


@cache
def _champion(stream: str) -> Logistic:
    rng = np.random.default_rng(10_000)
    drawn = [GENERATORS[stream].draw(rng, TRAINING, 0) for _ in range(CLIENTS)]
    return train([(_inputs(values), labels.astype(np.float64)) for values, labels in drawn])


def _inputs(values: Values) -> FloatArray:
    """The features, their squares and their products."""
    first, second = np.triu_indices(values.shape[1])
    return np.column_stack((values, values[:, first] * values[:, second]))
