"""Where every subject stood in one round, in each scope: what later rounds date a drift by.

A level is standardised: 0 is the reference, and a round of the reference varies by 1. A rate's is
its own, signed; a distribution's is its distance from the reference, which is 0 or more. A round's
levels are kept with its evaluation, so that nobody has to read its records again to see a series.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.drift.contrasts import CONTRAST, contrasts_of
from app.drift.departures import Pooled, Summary, summarise
from app.drift.explaining.gaussian import gaussian
from app.drift.findings import Case
from app.drift.measurements import Floats
from app.drift.scopes import Scope

LEAST_ROUNDS = 3  # of the reference
LEAST_SPREAD = 1e-9


class _Packed(msgspec.Struct):
    scopes: list[str]
    subjects: list[str]
    levels: bytes  # float32, (scopes, subjects)


@dataclass(frozen=True, eq=False)
class Levels:
    """The levels of subjects, (scopes, subjects); NaN where there is none."""

    scopes: Sequence[str]
    subjects: Sequence[str]
    levels: NDArray[np.float32]

    def of(self, scope: Scope, subject: str) -> float | None:
        """A subject's level in a scope, if it has one."""
        key = name_of(scope)
        if key not in self.scopes or subject not in self.subjects:
            return None
        level = float(self.levels[self.scopes.index(key), self.subjects.index(subject)])
        return None if np.isnan(level) else level

    def packed(self) -> bytes:
        """As it is kept."""
        told = _Packed(list(self.scopes), list(self.subjects), self.levels.tobytes())
        return msgspec.msgpack.encode(told)

    @classmethod
    def unpacked(cls, data: bytes) -> "Levels":
        """What `packed` made."""
        told = msgspec.msgpack.decode(data, type=_Packed)
        shape = (len(told.scopes), len(told.subjects))
        return cls(
            told.scopes, told.subjects, np.frombuffer(told.levels, np.float32).reshape(shape)
        )


def name_of(scope: Scope) -> str:
    """Another text for each scope."""
    return f"{scope.kind} {scope.key}"


def levels_of(cases: Sequence[Case]) -> Levels:
    """Where the newest round of these cases stands."""
    scopes = sorted({name_of(scope) for case in cases for scope in case.scopes})
    columns: dict[str, Floats] = {}
    for case in cases:
        rows = [scopes.index(name_of(scope)) for scope in case.scopes]
        for subject in (*case.rates, *case.histograms):
            column = columns.setdefault(subject, np.full(len(scopes), np.nan))
            column[rows] = series_of(case.before, [case.after[-1]], subject)[1][0]
    table = np.array(list(columns.values())).reshape(len(columns), len(scopes)).T
    return Levels(scopes, list(columns), np.ascontiguousarray(table, dtype=np.float32))


def series_of(
    before: Sequence[Summary], after: Sequence[Summary], subject: str
) -> tuple[Floats, Floats]:
    """A subject's levels in the reference's rounds, and in others; (rounds, scopes) each."""
    return standardised(*(_rates(before, after, subject) or _distances(before, after, subject)))


def standardised(usual: Floats, now: Floats) -> tuple[Floats, Floats]:
    """Values of the reference's rounds, and of others, as levels; a column a series."""
    told = ~np.isnan(usual)
    rounds = told.sum(axis=0)
    known = rounds >= LEAST_ROUNDS
    counted = np.maximum(rounds, LEAST_ROUNDS)
    mean = np.where(told, usual, 0.0).sum(axis=0) / counted
    squares = np.where(told, usual - mean, 0.0) ** 2
    spread = np.sqrt(squares.sum(axis=0) / (counted - 1))
    least = LEAST_SPREAD * np.maximum(np.abs(mean), 1.0)  # any change from what never varied counts
    scale = np.where(known, np.maximum(spread, least) * np.sqrt(1 + 1 / counted), np.nan)
    degrees = (counted - 1).astype(np.float64)
    return gaussian((usual - mean) / scale, degrees), gaussian((now - mean) / scale, degrees)


def client_series(case: Case, scope: Scope, subject: str, detector: str) -> tuple[Floats, Floats]:
    """A client's levels in the reference's rounds and in the newest; (rounds,) each.

    Where it was found by how it lies among the others, it is that which is followed.
    """
    if detector == CONTRAST:
        place, clients = int(np.argmax(scope.weights)), len(case.known.clients)
        sides = (
            (case.reference, case.places_before),
            (case.latest, case.places_after),
        )
        apart = (contrasts_of(*side, subject, clients)[0][:, [place]] for side in sides)
        usual, now = standardised(*apart)
    else:
        before, after = (
            [
                summarise(measure, at, [scope], case.expected)
                for measure, at in zip(rounds, places, strict=True)
            ]
            for rounds, places in (
                (case.reference, case.places_before),
                (case.latest, case.places_after),
            )
        )
        usual, now = series_of(before, after, subject)
    return usual[:, 0], now[:, 0]


def _rates(
    before: Sequence[Summary], after: Sequence[Summary], subject: str
) -> tuple[Floats, Floats] | None:
    if not any(subject in one.rates for one in before):
        return None
    absent = np.full(len(before[0].clients), np.nan)
    usual, now = (
        np.array([one.rates.get(subject, absent) for one in side]) for side in (before, after)
    )
    return usual, now


def _distances(
    before: Sequence[Summary], after: Sequence[Summary], subject: str
) -> tuple[Floats, Floats]:
    """How far each round lies from the reference's rounds together, its own left out.

    NaN for rounds that did not tell it, or on other bins than the reference's newest.
    """
    absent = np.full(len(before[0].clients), np.nan)
    usual, now = ([one.distributions.get(subject) for one in side] for side in (before, after))
    newest = next((one for one in reversed(usual) if one is not None), None)
    whole = np.sum([one.counts for one in usual if _is_on_bins(one, newest)], axis=0)
    return (
        np.array(
            [
                _apart(one, whole - one.counts) if _is_on_bins(one, newest) else absent
                for one in usual
            ]
        ),
        np.array([_apart(one, whole) if _is_on_bins(one, newest) else absent for one in now]),
    )


def _is_on_bins(one: Pooled | None, of: Pooled | None) -> TypeGuard[Pooled]:
    return one is not None and of is not None and np.array_equal(one.edges, of.edges)


def _apart(one: Pooled, other: Floats) -> Floats:
    change = _shares(one.counts) - _shares(other)
    if one.categorical:
        variation: Floats = np.abs(change).sum(axis=1) / 2
        return variation
    gap: Floats = np.abs(np.cumsum(change, axis=1)[:, :-1]).max(axis=1)
    return gap


def _shares(counts: Floats) -> Floats:
    sums = counts.sum(axis=1, keepdims=True)
    shares: Floats = np.where(sums > 0, counts / np.where(sums > 0, sums, 1.0), np.nan)
    return shares
