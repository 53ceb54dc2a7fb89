"""What a request's rounds will cost all clients together, by what past fit rounds reported."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from app.federations.tables import Federation
from app.retraining.aiming import EVERYBODY, Aim
from app.retraining.worth import Cost
from app.rounds import service as rounds
from app.rounds.disclosure import clients_of_a_record, records_needed
from app.rounds.records import Records, pseudonyms
from app.rounds.schemas import Phase
from app.rounds.tables import Round

LOOKED_AT = 5  # newest fit rounds, of whichever version
COHORT = "cohorts."
Mask = NDArray[np.bool_]


def expected(
    session: Session, federation: Federation, model: str, planned: int, aim: Aim = EVERYBODY
) -> Cost:
    """The cost of so many rounds, of everybody or of those alone that are aimed at.

    Each round costs as the mean of the newest fit rounds that told it. Of fewer clients than the
    federation's minimum cohort size nothing is told.
    """
    newest = rounds.newest_in_phase(session, federation.id, model, Phase.FIT, LOOKED_AT)
    told = [_of(session, federation, round_, aim) for round_ in newest]
    return Cost(
        client_seconds=_mean([seconds for seconds, _, _ in told], planned),
        bytes=_mean([volume for _, volume, _ in told], planned),
        watt_hours=_mean([energy for _, _, energy in told], planned),
        measured_rounds=sum(any(part is not None for part in each) for each in told),
    )


Each = tuple[float | None, float | None, float | None]


def _of(session: Session, federation: Federation, round_: Round, aim: Aim) -> Each:
    """A round's client-seconds, bytes and watt-hours."""
    found = rounds.records_of_round(session, round_.id)
    mine = _members(found, aim)
    least = records_needed(federation.min_cohort_size, clients_of_a_record(round_.envelope))
    volume = _bytes(round_)
    if np.count_nonzero(mine) < least:
        return None, None if aim.alone else volume, None
    share = np.count_nonzero(mine) / len(mine)
    train, evaluate, energy = (
        _sum(found, f"resources.{name}", mine, least)
        for name in ("train_ms", "evaluate_ms", "energy_wh")
    )
    seconds = None if train is None else (train + (evaluate or 0.0)) / 1e3
    return seconds, None if volume is None else volume * share, energy


def _members(found: Records, aim: Aim) -> Mask:
    everybody: Mask = np.ones(len(found.clients), dtype=np.bool_)
    if not aim.alone:
        return everybody
    if aim.cohort is None:
        chosen: Mask = np.isin(found.clients, pseudonyms(aim.trainees))
        return chosen
    tag, _, value = aim.cohort.partition("=")
    mine: Mask = found.texts.get(COHORT + tag, np.full(len(found.clients), "")) == value
    return mine


def _sum(found: Records, column: str, mine: Mask, least: int) -> float | None:
    """The sum over those who told it, taken up to all; None where too few did."""
    values = found.numbers.get(column, np.full(len(mine), np.nan))[mine]
    told = values[~np.isnan(values)]
    return float(told.mean()) * len(values) if len(told) >= max(least, 1) else None


def _bytes(round_: Round) -> float | None:
    participation = round_.envelope.get("participation") or {}
    told = [participation.get(name) for name in ("bytes_up", "bytes_down")]
    known = [float(part) for part in told if part is not None]
    return sum(known) if known else None


def _mean(each: Sequence[float | None], planned: int) -> float | None:
    known = [value for value in each if value is not None]
    return planned * sum(known) / len(known) if known else None
