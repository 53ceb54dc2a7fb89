"""What follows from a reference's rounds alone, worked out once for all rounds judged against them.

It is found again by the measures themselves, which `measuring.py` remembers while there is room.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import numpy as np
from cachetools import LRUCache, cached
from numpy.typing import NDArray

from app.drift.departures import Departed, depart
from app.drift.joining import NOBODY, Joined
from app.drift.known import Expected, Known, Places
from app.drift.measurements import Binned, Floats, RoundMeasure
from app.drift.scopes import Scope
from detectors import RoundVariations, estimate_variations

MOST_BYTES = 96 * 2**20  # of measures whose baselines a process remembers
Stack = NDArray[np.float64]  # counts by round, client and bin


@dataclass(frozen=True, eq=False)
class Usual:
    """A distribution in all rounds of a reference together, (clients, bins), and how they vary."""

    edges: Floats
    pooled: Floats
    variations: RoundVariations


@dataclass(eq=False)
class Baseline:
    """A reference's rounds, those that joined since, and what is known of all of them."""

    rounds: Sequence[RoundMeasure]
    joined: Joined = NOBODY
    _usual: dict[str, Usual] = field(default_factory=dict, init=False)
    _departed: tuple[bytes, list[Departed]] = field(default=(b"", []), init=False)

    @cached_property
    def known(self) -> Known:
        """The clients, and those that joined."""
        return Known.of(self.rounds, self.joined)

    @cached_property
    def places(self) -> list[Places]:
        """Where each round's clients stand among the known ones."""
        return [self.known.places(measure.clients) for measure in self.rounds]

    @cached_property
    def expected(self) -> Expected:
        """What each known client says on average, or would have said."""
        found = Expected.of(self.rounds, self.places, len(self.known.clients))
        return found.with_joined(self.joined, self.known.places(self.joined.clients))

    def departed(self, scopes: Sequence[Scope]) -> list[Departed]:
        """How far scopes lay from what they are expected to say, in each round."""
        key = b"".join(scope.weights.tobytes() for scope in scopes)
        if self._departed[0] != key:
            pairs = zip(self.rounds, self.places, strict=True)
            found = [depart(measure, at, scopes, self.expected) for measure, at in pairs]
            self._departed = key, found
        return self._departed[1]

    def usual(self, subject: str, like: Binned) -> Usual | None:
        """What clients said of a distribution; None where it was counted on other bins."""
        found = self._usual.get(subject)
        if found is None or not np.array_equal(found.edges, like.edges):
            counts = stacked(self.rounds, self.places, subject, len(self.known.clients), like)
            if counts is None:
                return None
            variations = estimate_variations(np.maximum(counts, 0.0), like.categorical)
            found = self._usual[subject] = Usual(like.edges, counts.sum(axis=0), variations)
        return found


def _size(baseline: Baseline) -> int:
    return sum(measure.nbytes for measure in baseline.rounds)


@cached(LRUCache(maxsize=MOST_BYTES, getsizeof=_size), lock=Lock())
def baseline_of(rounds: tuple[RoundMeasure, ...]) -> Baseline:
    """The baseline of these measures, remembered while there is room."""
    return Baseline(rounds)


def stacked(
    rounds: Sequence[RoundMeasure], places: Sequence[Places], subject: str, size: int, like: Binned
) -> Stack | None:
    """Counts of a distribution among so many clients; None where one was on other bins."""
    counts = np.zeros((len(rounds), size, like.counts.shape[1]))
    for layer, measure, at in zip(counts, rounds, places, strict=True):
        binned = measure.histograms.get(subject)
        if binned is None:
            continue
        if not np.array_equal(binned.edges, like.edges):
            return None
        layer[at[at >= 0]] = binned.counts[at >= 0]
    return counts
