"""How often a version is wrong, over groups of clients that may be shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import sqrt
from statistics import stdev
from uuid import UUID

import numpy as np
from sqlmodel import Session

from app.drift import service as drift
from app.federations.tables import Federation
from app.rounds import service as rounds
from app.rounds.disclosure import FEDERATION, clients_of_a_record, records_needed
from app.rounds.records import Records
from app.rounds.tables import Round, RoundAggregate

ERROR_RATE, LOG_LOSS = "error_rate", "log_loss"
EXAMPLES = "num_examples"
WEEK = timedelta(weeks=1)
SHORTEST = timedelta(minutes=1)  # rounds that say they took no time


Sum = tuple[float, int]  # over so many examples


@dataclass(frozen=True)
class Sums:
    """What a scope of one round told: how many were wrong, and the sum of the losses (nats)."""

    wrong: Sum | None
    loss: Sum | None

    @classmethod
    def of(cls, line: RoundAggregate) -> "Sums":
        """From what the round keeps and shows."""
        known, told = line.correct_examples, line.loss_examples
        return cls(
            wrong=(known - line.correct_count, known) if known else None,
            loss=(line.loss_sum, told) if told else None,
        )


@dataclass(frozen=True)
class ErrorLevel:
    """A version's mean error per example: a share of wrong answers or, untold, nats of log loss.

    `sd` is the standard error of `value`, from how much the rounds differ.
    """

    measure: str
    value: float
    sd: float
    examples: int


def newest_rounds(
    session: Session, federation_id: UUID, model: str, version: str, step: int, count: int
) -> list[Round]:
    """The newest rounds that measured a version itself, up to a global step; newest first."""
    return rounds.between(
        session, federation_id, model, version, after=-1, before=step + 1, limit=count
    )


def error_in(
    session: Session, federation: Federation, measured: Sequence[Round], of: str = "model"
) -> ErrorLevel | None:
    """The error of all clients over these rounds, of their version or (`canary`) of its candidate.

    From the records themselves, since what rounds show is rounded; from that where records were
    dropped. None where fewer clients told it than the minimum cohort size.
    """
    found = rounds.aggregates_of(session, _ids(measured), of)
    shown = {line.round_id: line for line in found if line.scope == FEDERATION[0]}
    lines = []
    for round_ in measured:
        exact = _exact(session, federation, round_, of)
        kept = shown.get(round_.id)
        if exact is not None:
            lines.append(exact)
        elif kept is not None:
            lines.append(Sums.of(kept))
    return level(lines)


def error_of_cohort(session: Session, measured: Sequence[Round], cohort: str) -> ErrorLevel | None:
    """The error of a cohort (`hub=EWR`) over these rounds, as far as it may be shown."""
    found = rounds.aggregates_of(session, _ids(measured))
    return level([Sums.of(line) for line in found if line.scope_key == cohort])


def reference_error(
    session: Session, federation: Federation, model: str, version: str
) -> ErrorLevel | None:
    """The error in the rounds of the version's reference in force; None without one."""
    for reference in drift.references_of(session, federation.id, model):
        if reference.version == version and reference.retired_at is None:
            return error_in(session, federation, drift.reference_rounds(session, reference))
    return None


def examples_a_week(session: Session, measured: Sequence[Round]) -> float:
    """How many examples the model sees in a week, by these rounds."""
    if not measured:
        return 0.0
    lines = rounds.aggregates_of(session, [round_.id for round_ in measured])
    examples = sum(line.examples for line in lines if line.scope == FEDERATION[0])
    first = min(round_.started_at for round_ in measured)
    span = max(max(round_.ended_at for round_ in measured) - first, SHORTEST)
    return examples * (WEEK / span)


def level(lines: Sequence[Sums]) -> ErrorLevel | None:
    """The error over one scope's sums of several rounds."""
    told = [line.wrong for line in lines if line.wrong is not None]
    if told:
        return _level(ERROR_RATE, told)
    losses = [line.loss for line in lines if line.loss is not None]
    return _level(LOG_LOSS, losses) if losses else None


def _level(measure: str, told: Sequence[tuple[float, int]]) -> ErrorLevel:
    examples = sum(count for _, count in told)
    value = sum(wrong for wrong, _ in told) / examples
    if len(told) > 1:
        sd = stdev(wrong / count for wrong, count in told) / sqrt(len(told))
    else:  # a single round says nothing of how much they differ
        sd = sqrt(max(value * (1 - value), value * value) / examples)
    return ErrorLevel(measure, value, sd, examples)


def _ids(measured: Sequence[Round]) -> list[UUID]:
    return [round_.id for round_ in measured]


def _exact(session: Session, federation: Federation, round_: Round, of: str) -> Sums | None:
    """A round's sums over all clients that told them; None without records, or with too few."""
    prefix = "canary." if of == "canary" else ""
    names = [f"{prefix}metrics.correct_count", f"{prefix}metrics.loss_sum"]
    found = rounds.records_of_round(session, round_.id, only=[EXAMPLES, *names])
    least = records_needed(federation.min_cohort_size, clients_of_a_record(round_.envelope))
    right, loss = (_sum(found, name, least) for name in names)
    if right is None and loss is None:
        return None
    return Sums(wrong=None if right is None else (right[1] - right[0], right[1]), loss=loss)


def _sum(found: Records, column: str, least: int) -> Sum | None:
    if column not in found.numbers:
        return None
    values, examples = found.numbers[column], found.numbers[EXAMPLES]
    told = ~np.isnan(values)
    if np.count_nonzero(told) < least or not examples[told].sum():
        return None
    return float(values[told].sum()), int(examples[told].sum())
