"""What stored rounds say: read, measured, and remembered while there is room.

The rounds of a reference are asked for again with each round that is judged, and say the same as
long as no record came or went.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock

import numpy as np
from cachetools import LRUCache, cached
from sqlmodel import Session

from app.drift import contrasts
from app.drift.joints import joint_of
from app.drift.measurements import RoundMeasure, measure_round
from app.federations.tables import Federation
from app.rounds import bin_specs
from app.rounds import service as rounds
from app.rounds.records import Mine
from app.rounds.schemas import BinSpecIn
from app.rounds.tables import Round

MOST_BYTES = 192 * 2**20  # of measures that a process remembers
MOST_NOTED = 1024  # rounds


@dataclass(frozen=True, eq=False)
class _Stored:
    """A round as it is stored now, and the model version that is asked about."""

    session: Session
    round: Round
    bins: BinSpecIn | None
    refused: Mapping[str, int]
    version: str
    until: datetime | None

    @property
    def key(self) -> object:
        """The same for what says the same: a record more or less changes one of these."""
        it = self.round
        refused = tuple(sorted(self.refused.items()))
        return it.id, it.body_sha256, it.withdrawn, refused, self.version, self.until

    def measured(self, mine: Mine | None) -> RoundMeasure:
        """What its records say, of some clients alone."""
        told = rounds.records_of_round(self.session, self.round.id, until=self.until, mine=mine)
        measure = measure_round(self.round, told, self.bins, self.version, self.refused)
        return replace(measure, joint=joint_of(self.round, told, self.bins, self.version))


def measure(
    session: Session,
    federation: Federation,
    measured: Sequence[Round],
    version: str,
    *,
    until: datetime | None = None,
    mine: Mine | None = None,
) -> list[RoundMeasure]:
    """What these rounds say of a version, as far as it came until then; of some clients alone."""
    if not measured:
        return []
    one_of_each = {round_.bin_spec: round_ for round_ in measured}
    bins = {spec: bin_specs.bins_of(session, federation, one) for spec, one in one_of_each.items()}
    refused = rounds.refusals_by_round(session, [round_.id for round_ in measured])
    stored = [
        _Stored(session, one, bins[one.bin_spec], refused[one.id], version, until)
        for one in measured
    ]
    if mine is None:
        return [_whole(one) for one in stored]
    noted = [_noted(one) for one in stored]
    if sum(one.nbytes for one in noted) <= MOST_BYTES:
        return [_part(_whole(one), mine) for one in stored]
    pairs = zip(stored, noted, strict=True)
    return [replace(one.measured(mine), centres=note.centres) for one, note in pairs]


@cached(
    LRUCache(maxsize=MOST_BYTES, getsizeof=lambda measure: measure.nbytes),
    key=lambda stored: stored.key,
    lock=Lock(),
)
def _whole(stored: _Stored) -> RoundMeasure:
    """What all clients of a round say."""
    whole = stored.measured(None)
    return replace(whole, centres=contrasts.centres_of(whole))


@dataclass(frozen=True, eq=False)
class _Noted:
    """What the shards of a round have in common, and the memory that all of it takes."""

    centres: Mapping[str, float]
    nbytes: int


@cached(LRUCache(maxsize=MOST_NOTED), key=lambda stored: stored.key, lock=Lock())
def _noted(stored: _Stored) -> _Noted:
    whole = _whole(stored)
    return _Noted(whole.centres, whole.nbytes)


def _part(whole: RoundMeasure, mine: Mine) -> RoundMeasure:
    """What some clients of a round say, as if it were read of them alone; nothing is copied."""
    part = whole.of(mine.rows(whole.clients))
    return replace(
        part,
        rates={name: values for name, values in part.rates.items() if not np.isnan(values).all()},
        histograms={name: binned for name, binned in part.histograms.items() if binned.told.any()},
        joint=part.joint if part.joint is not None and part.joint.told.any() else None,
    )
