"""How each client of a scope moved in one subject: one number a client, of rates as of bins.

A distribution moves in many bins at once. What is followed of it is the part that moved in the
scope as a whole: of ordered bins the share above the edge at which the cumulative shares lie
furthest apart, of categories the share of those that gained. A client's share of that movement is
its part of the scope's distance (the largest gap, or the total variation).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.drift.clients import table
from app.drift.explaining.gaussian import gaussian
from app.drift.findings import Case
from app.drift.known import Places, average_shares
from app.drift.measurements import Floats, Mask, RoundMeasure
from app.drift.scopes import Scope
from app.rounds.records import Pseudonyms

LIKE_OTHERS = 2.0  # rounds
LEAST_VARIANCE = 1e-12
Table = NDArray[np.float64]  # rounds by known clients, NaN where not told


@dataclass(frozen=True, eq=False)
class Movement:
    """The clients of a scope that told a subject in the reference and in the newest rounds.

    `departures` are how far each lies from its own reference, in the subject's unit (a share of
    its examples, for distributions); `weights` their shares of the scope's examples in the
    reference, adding to one. `errors` are standard errors of the departures, such that their
    quotient is Gaussian where nothing moved; NaN for a client with too few rounds to say.
    """

    places: Places  # among the case's known clients
    clients: Pseudonyms
    departures: Floats
    errors: Floats
    weights: Floats

    @cached_property
    def effect(self) -> float:
        """How far the scope moved: the weighted mean of the departures."""
        return float((self.weights * self.departures).sum())

    @cached_property
    def shares(self) -> Floats:
        """Each client's part of the effect; they add to one, negative where it moved back."""
        parts: Floats = self.weights * self.departures
        return parts / self.effect if self.effect else np.full_like(parts, np.nan)


class Movements:
    """The movements of a case's subjects, in any scope."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def of(self, scope: Scope, subject: str) -> Movement | None:
        """The movement of a subject in a scope; None where no client of it told both sides."""
        sides = self._sides(scope, subject)
        if sides is None:
            return None
        before, after = sides
        told = scope.members & ~np.isnan(before).all(axis=0) & ~np.isnan(after).all(axis=0)
        if not told.any():
            return None
        weights = scope.weights[told]
        departures, errors = _departures(before[:, told], after[:, told])
        return Movement(
            np.flatnonzero(told),
            self.case.known.clients[told],
            departures,
            errors,
            weights / weights.sum(),
        )

    def _sides(self, scope: Scope, subject: str) -> tuple[Table, Table] | None:
        """A subject as one number by round and client; before, and now."""
        case, clients = self.case, len(self.case.known.clients)
        if subject in case.expected.rates:
            return (
                table(case.reference, case.places_before, subject, clients),
                table(case.latest, case.places_after, subject, clients),
            )
        moved = self._part_that_moved(scope, subject)
        if moved is None:
            return None
        return (
            _shares_in(case.reference, case.places_before, subject, clients, moved),
            _shares_in(case.latest, case.places_after, subject, clients, moved),
        )

    def _part_that_moved(self, scope: Scope, subject: str) -> Mask | None:
        """Which bins to follow; None where both sides were not counted on the same ones."""
        usual, now = self.case.expected.shares.get(subject), self._lately(subject)
        if usual is None or now is None or not np.array_equal(usual[0], now[0]):
            return None
        change = now[1] - usual[1]
        told = scope.members & ~np.isnan(change[:, 0])
        weights = scope.weights[told]
        if not told.any():
            return None
        moved = (weights[:, np.newaxis] * change[told]).sum(axis=0) / weights.sum()
        newest = next(one for one in reversed(self.case.latest) if subject in one.histograms)
        if newest.histograms[subject].categorical:
            gained: Mask = moved > 0
            return gained
        edge = int(np.argmax(np.abs(np.cumsum(moved)[:-1])))
        return np.arange(len(moved)) > edge

    def _lately(self, subject: str) -> tuple[Floats, Floats] | None:
        """What share of each bin each known client says in the newest rounds on average."""
        pairs = list(zip(self.case.latest, self.case.places_after, strict=True))
        if not any(subject in measure.histograms for measure, _ in pairs):
            return None
        return average_shares(pairs, subject, len(self.case.known.clients))


def _shares_in(
    rounds: Sequence[RoundMeasure],
    places: Sequence[Places],
    subject: str,
    clients: int,
    bins: Mask,
) -> Table:
    told = np.full((len(rounds), clients), np.nan)
    for row, measure, at in zip(told, rounds, places, strict=True):
        binned = measure.histograms.get(subject)
        if binned is not None and binned.counts.shape[1] == len(bins):
            there = (at >= 0) & binned.told
            counts = binned.counts[there]
            row[at[there]] = counts[:, bins].sum(axis=1) / counts.sum(axis=1)
    return told


def _departures(before: Table, after: Table) -> tuple[Floats, Floats]:
    """Means now less means before, with standard errors from how the reference's rounds vary.

    A few rounds say little of how one client varies: it is taken to vary as the others do, as far
    as `LIKE_OTHERS` more rounds would say.
    """
    rounds_before, rounds_after = ((~np.isnan(side)).sum(axis=0) for side in (before, after))
    mean = np.nanmean(before, axis=0)
    departures: Floats = np.nanmean(after, axis=0) - mean
    squares, own = np.nansum((before - mean) ** 2, axis=0), np.maximum(rounds_before - 1, 0)
    usual = squares.sum() / max(own.sum(), 1)
    variance = (squares + LIKE_OTHERS * usual) / (own + LIKE_OTHERS) + LEAST_VARIANCE
    errors = np.sqrt(variance * (1 / rounds_before + 1 / rounds_after))
    scores = gaussian(departures / errors, own + LIKE_OTHERS)
    moved = scores != 0
    scaled = np.where(moved, np.abs(departures) / np.where(moved, np.abs(scores), 1.0), errors)
    return departures, np.where(own > 0, scaled, np.nan)
