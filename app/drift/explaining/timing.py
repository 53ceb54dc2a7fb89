"""How a drift came about, and since when: from the levels of rounds, the reference's in front."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np

from app.drift.explaining import schemas
from app.drift.measurements import Floats, RoundMeasure
from detectors import Diagnosis, Kind, kind_of_drift

MOST_ROUNDS = 30  # since the reference that a series goes back
BEFORE = 10  # rounds of the reference in front of them
COVERAGE = 0.9
DIGITS = 3
# What drifts has moved: which of these ways, and nothing else, is asked.
PRIOR: dict[Kind, float] = {kind: 1.0 for kind in Kind if kind is not Kind.NONE}


Timing = tuple[schemas.Kind | None, schemas.Onset]


@dataclass(frozen=True)
class Moment:
    """A round of a series: which it is, when it began, and where the subject stood in it."""

    round_id: UUID
    step: int
    at: datetime
    level: float


def timing_of(series: Sequence[Moment], *, whole: bool) -> Timing | None:
    """The kind and the onset of what a series shows; None for an empty one.

    `whole` says that it begins with rounds in which nothing had moved, such as the reference's.
    """
    if not series:
        return None
    diagnosis = kind_of_drift([one.level for one in series], prior=PRIOR, coverage=COVERAGE)
    return _kind(diagnosis, len(series)), _onset(diagnosis, series, whole=whole)


def moments(
    measures: Sequence[RoundMeasure], levels: Floats, times: Mapping[UUID, datetime]
) -> list[Moment]:
    """Rounds with their levels, without those that have none."""
    return [
        Moment(measure.round_id, measure.step, times[measure.round_id], float(level))
        for measure, level in zip(measures, levels, strict=True)
        if not np.isnan(level) and measure.round_id in times
    ]


def _kind(diagnosis: Diagnosis, rounds: int) -> schemas.Kind:
    probabilities = {kind.value: round(diagnosis.probabilities[kind], DIGITS) for kind in PRIOR}
    return schemas.Kind.model_validate(
        {"kind": diagnosis.kind.value, "probabilities": probabilities, "rounds": rounds}
    )


def _onset(diagnosis: Diagnosis, series: Sequence[Moment], *, whole: bool) -> schemas.Onset:
    found = diagnosis.onset
    first, low, high = series[found.round], series[found.low], series[found.high]
    return schemas.Onset(
        round_id=first.round_id,
        step=first.step,
        at=first.at,
        earliest_step=low.step,
        earliest_at=low.at,
        latest_step=high.step,
        latest_at=high.at,
        coverage=round(found.coverage, DIGITS),
        earlier_possible=found.low == 0 and not whole,
    )
