"""What follows from a reference's rounds, worked out once for all rounds judged against them.

And what follows from a round beside them, once for each time that it is among the newest. Both are
found again by the measures themselves, which `measuring.py` remembers while there is room.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

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
Found = TypeVar("Found")


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
    _remembered: dict[object, Any] = field(default_factory=dict, init=False)
    _beside: WeakKeyDictionary[RoundMeasure, dict[object, Any]] = field(
        default_factory=WeakKeyDictionary, init=False
    )

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

    def once(self, what: object, work: Callable[[], Found]) -> Found:
        """What follows from the reference alone, under a name."""
        return _once(self._remembered, what, work)

    def beside(self, measure: RoundMeasure, what: object, work: Callable[[], Found]) -> Found:
        """What follows from a round and the reference, under a name; for as long as it lives."""
        return _once(self._beside.setdefault(measure, {}), what, work)

    def departed(
        self, measures: Sequence[RoundMeasure], places: Sequence[Places], scopes: Sequence[Scope]
    ) -> list[Departed]:
        """How far scopes lay from what they are expected to say, in each of these rounds."""
        weights = hashlib.sha256(b"".join(scope.weights.tobytes() for scope in scopes)).digest()

        def departed(measure: RoundMeasure, at: Places) -> Departed:
            work = partial(depart, measure, at, scopes, self.expected)
            return self.beside(measure, ("departed", weights), work)

        return [departed(measure, at) for measure, at in zip(measures, places, strict=True)]

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


def _once(known: dict[object, Any], what: object, work: Callable[[], Found]) -> Found:
    if what not in known:
        known[what] = work()
    found: Found = known[what]
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
