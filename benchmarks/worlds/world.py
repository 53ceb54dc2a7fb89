"""What a world is: clients with examples, round after round, and what is known to happen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from vigie_client import Bins, Pseudonyms, Summary

from detectors.arrays import FloatArray

Record = dict[str, Any]
Kind = Literal["virtual", "label", "real"]
POSITIVE_FROM = 0.5
_KEY = b"worlds of benchmarks, same for ever"


@dataclass(frozen=True, eq=False)
class Examples:
    """What one client saw in one round: n examples, with the model's probability of class 1.

    `features` has n values a name: numbers, or texts for a categorical feature. A feature that the
    client could not measure in this round is left out.
    """

    client: str
    cohorts: Mapping[str, str]
    probability: FloatArray
    label: NDArray[np.int64]
    features: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class WorldRound:
    """One round: `name` is how its time is called, such as `1993-03`."""

    name: str
    started_at: datetime
    ended_at: datetime
    clients: Sequence[Examples]

    def records(self, bins: Bins) -> list[Record]:
        """The clients' records of the wire format."""
        return [_record(examples, bins) for examples in self.clients]

    def rows(self) -> "pd.DataFrame":
        """All examples in one table, as a tool would want them that may see rows."""
        return pd.concat([_rows(examples) for examples in self.clients], ignore_index=True)


@dataclass(frozen=True)
class Change:
    """Something known to happen, from one time to another (None: to the end).

    Times compare with the names of rounds as texts do. `kind` is `virtual` (the inputs), `label`
    (how often each) or `real` (which label for which input). `subjects` start the names of those
    that move, of which one is enough; `clients` are those it happens to; empty: everybody.
    """

    what: str
    first: str
    last: str | None
    scope: str
    kind: Kind
    subjects: tuple[str, ...]
    clients: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """What a federation is founded with, and what its records count on."""

    name: str
    bin_spec: Mapping[str, Any]
    cohort_tags: Mapping[str, list[str]] = field(default_factory=dict)
    min_cohort_size: int = 3
    policy: Mapping[str, Any] = field(default_factory=dict)


class World(Protocol):
    """A history that can be played again and again, the same every time."""

    @property
    def setting(self) -> Setting:
        """What the service has to know first."""

    @property
    def changes(self) -> Sequence[Change]:
        """What is known to happen; an incident outside of it is false, as far as is known."""

    def rounds(self) -> Iterator[WorldRound]:
        """The rounds in order of time."""


def pseudonym(client: str) -> str:
    """A client's name on the wire."""
    return Pseudonyms(_KEY)(client)


def _record(examples: Examples, bins: Bins) -> Record:
    summary = Summary(bins, positive_from=POSITIVE_FROM)
    summary.add(examples.probability, examples.label, features=examples.features)
    return summary.record(pseudonym(examples.client), cohorts=examples.cohorts)


def _rows(examples: Examples) -> "pd.DataFrame":
    told = {"client": examples.client, "score": examples.probability, "label": examples.label}
    return pd.DataFrame({**examples.features, **told})
