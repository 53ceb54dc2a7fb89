"""Who, or what, makes the distance: what would be left of it without each.

Leave-one-out works for any distance and needs no additivity. A contribution is positive where the
distance falls without the member (it makes the drift), negative where the distance rises (it hides
it). Contributions do not add up to the distance: two that hide each other both count. `mix` splits
a distance into parts that do add up.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from detectors.arrays import finite
from detectors.errors import BadParameterError, EmptySampleError
from detectors.histogram import LEAST_TOTAL, Histogram, merge

Distance = Callable[[Histogram, Histogram], float]
Member = TypeVar("Member", bound=Hashable)


@dataclass(frozen=True)
class Contributions(Generic[Member]):
    """The distance with everybody, and without each member, in the distance's unit.

    `without` is None for a member without whom a side has nothing left: then there is no saying.
    """

    total: float
    without: dict[Member, float | None]

    @property
    def contributions(self) -> dict[Member, float | None]:
        """How much the distance falls without each member, largest first, unknown ones last."""
        falls = {
            member: None if rest is None else self.total - rest
            for member, rest in self.without.items()
        }
        return dict(sorted(falls.items(), key=_descending))


def leave_one_out(
    members: Iterable[Member], distance_of: Callable[[frozenset[Member]], float | None]
) -> Contributions[Member]:
    """Leave out each of `members` in turn; `distance_of` measures those that remain.

    This is the plain form, for features of a multivariate distance for example; `distance_of` may
    answer None where nothing can be measured, though not with everybody in. Raises
    EmptySampleError without members, NotFiniteError for a distance that is NaN or infinite,
    OutOfRangeError for one beyond 1e100.

    >>> gaps = {"age": 0.3, "dose": 0.1}
    >>> leave_one_out(gaps, lambda kept: max((gaps[each] for each in kept), default=None)).without
    {'age': 0.1, 'dose': 0.3}
    """
    everybody = frozenset(members)
    if not everybody:
        raise EmptySampleError("members")
    total = distance_of(everybody)
    if total is None:
        raise EmptySampleError("members")
    order = sorted(everybody, key=str)
    without = {member: distance_of(everybody - {member}) for member in order}
    known = [total, *(each for each in without.values() if each is not None)]
    finite(known, "distance")
    return Contributions(total, without)


def client_contributions(
    reference: Mapping[str, Histogram], current: Mapping[str, Histogram], distance: Distance
) -> Contributions[str]:
    """Return what is left of the distance of the pooled histograms without each client.

    A client is left out on both sides. The histograms are one a client, on the same bins, and
    `distance(reference, current)` compares two of them. Raises EmptySampleError where a side has
    no counts, EdgesDifferError for different bins, NotFiniteError.

    >>> early, late = Histogram([0, 1, 2], [5, 5]), Histogram([0, 1, 2], [0, 10])
    >>> gap = lambda a, b: float(abs(a.cdf() - b.cdf()).max())
    >>> client_contributions({"a": early, "b": early}, {"a": early, "b": late}, gap).without
    {'a': 0.5, 'b': 0.0}
    """
    clients = reference.keys() | current.keys()
    return cohort_contributions(
        reference, current, distance, {client: {client} for client in clients}
    )


def cohort_contributions(
    reference: Mapping[str, Histogram],
    current: Mapping[str, Histogram],
    distance: Distance,
    cohorts: Mapping[str, Collection[str]],
) -> Contributions[str]:
    """Return what is left of the distance of the pooled histograms without each cohort's clients.

    Cohorts may overlap; one whose clients sent nothing leaves the distance as it is. Raises what
    `client_contributions` raises, and BadParameterError without cohorts.
    """
    if not cohorts:
        raise BadParameterError("cohorts", cohorts, "one cohort or more")
    before, after = _pool(reference, "reference"), _pool(current, "current")
    before.require_same_bins(after)

    def distance_without(left_out: Collection[str]) -> float | None:
        sides = (_less(before, reference, left_out), _less(after, current, left_out))
        if min(side.total for side in sides) < LEAST_TOTAL:
            return None
        return float(distance(*sides))

    def distance_of(kept: frozenset[str]) -> float | None:
        gone = cohorts.keys() - kept
        return distance_without({client for cohort in gone for client in cohorts[cohort]})

    return leave_one_out(cohorts, distance_of)


def _pool(histograms: Mapping[str, Histogram], name: str) -> Histogram:
    if not histograms or (pooled := merge(histograms.values())).total < LEAST_TOTAL:
        raise EmptySampleError(name)
    return pooled


def _less(
    pooled: Histogram, histograms: Mapping[str, Histogram], left_out: Collection[str]
) -> Histogram:
    """Take clients out of what they were pooled into: cheaper than to pool the rest anew."""
    gone = [histograms[client] for client in left_out if client in histograms]
    if not gone:
        return pooled
    part = merge(gone)
    noise_sd = float(np.sqrt(max(pooled.noise_sd**2 - part.noise_sd**2, 0.0)))
    counts = pooled.counts - part.counts
    if noise_sd == 0:  # what rounding leaves below zero is zero
        counts = np.maximum(counts, 0.0)
    return replace(pooled, counts=counts, noise_sd=noise_sd)


def _descending(entry: tuple[Member, float | None]) -> float:
    return np.inf if entry[1] is None else -entry[1]
