"""Decisions on rounds: take them in, put them together, and answer for them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from app.core import clock
from app.core.errors import NotFoundError
from app.rounds import records, reports, repository
from app.rounds.aggregating import aggregate
from app.rounds.chunks import EVALUATE, Address, close, close_overdue
from app.rounds.disclosure import Scope
from app.rounds.exporting import MEDIA_TYPES, TableFormat, records_of, written
from app.rounds.ingesting import Checked, Push, check, ingest, refuse_malformed
from app.rounds.ledger import Spent, spent_in
from app.rounds.records import Mine, Records
from app.rounds.reports import ClientReport
from app.rounds.retention import forget
from app.rounds.schemas import Phase
from app.rounds.tables import Refusal, ReportBlock, Round, RoundAggregate
from app.rounds.withdrawals import Withdrawn, withdraw

__all__ = [
    "EVALUATE",
    "MEDIA_TYPES",
    "Address",
    "Checked",
    "ClientReport",
    "Push",
    "Spent",
    "TableFormat",
    "Withdrawn",
    "aggregate",
    "check",
    "close",
    "close_overdue",
    "forget",
    "ingest",
    "records_of",
    "refuse_malformed",
    "spent_in",
    "withdraw",
    "written",
]


def get(session: Session, federation_id: UUID, round_id: UUID) -> Round:
    """A round by id."""
    found = repository.round_of(session, federation_id, round_id)
    if found is None:
        raise NotFoundError("round", round_id)
    return found


def received(session: Session, round_id: UUID) -> Round:
    """A round that an outbox row refers to."""
    found = repository.round_with_id(session, round_id)
    if found is None:
        raise NotFoundError("round", round_id)
    return found


def mark_evaluated(session: Session, round_: Round) -> None:
    """Note that the round was judged."""
    round_.evaluated_at = clock.now()
    session.add(round_)
    repository.mark_evaluated(session, round_.id)


def recent(
    session: Session, federation_id: UUID, *, model: str | None = None, limit: int = 50
) -> list[Round]:
    """The newest rounds that count, newest first."""
    return repository.recent(session, federation_id, model, limit)


def canary_rounds(
    session: Session, federation_id: UUID, model: str, champion: str, candidate: str
) -> list[Round]:
    """The rounds that measured both versions on the same examples, oldest first."""
    return repository.canary_rounds(session, federation_id, model, champion, candidate)


def measuring(session: Session, federation_id: UUID, model: str, version: str) -> list[Round]:
    """The rounds that measured a version, as champion or as candidate, oldest first."""
    return repository.measuring(session, federation_id, model, version)


def between(
    session: Session,
    federation_id: UUID,
    model: str,
    version: str,
    *,
    after: int,
    before: int,
    limit: int,
) -> list[Round]:
    """The newest rounds of a version itself, strictly between two global steps, newest first."""
    return repository.between(session, federation_id, model, version, (after, before), limit)


def newest_fits(session: Session, round_: Round, limit: int) -> list[Round]:
    """The newest `fit` rounds of a round's version before it, oldest first."""
    steps, phases = (-1, round_.global_step + 1), (Phase.FIT.value,)
    found = repository.between(
        session, round_.federation_id, round_.model, round_.version, steps, limit, phases
    )
    return found[::-1]


def records_of_round(
    session: Session, round_id: UUID, *, until: datetime | None = None, mine: Mine | None = None
) -> Records:
    """The client records of a round, as far as they came until then, or now; of some clients."""
    return records.read(repository.blocks_of(session, [round_id], until), mine)


def refusals_by_round(session: Session, round_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """How many records of each of these rounds were refused, by code."""
    return repository.refusals_by_round(session, round_ids)


def whole(session: Session, federation_id: UUID) -> list[Round]:
    """A federation's whole rounds, in the order in which they came."""
    return repository.whole(session, federation_id)


def blocks_of(session: Session, round_id: UUID) -> list[ReportBlock]:
    """The chunks of a round."""
    return repository.blocks_of(session, [round_id], None)


def to_be_judged(session: Session, federation_id: UUID, model: str) -> list[UUID]:
    """A model's whole rounds that were not judged since they last changed, in order."""
    return repository.to_be_judged(session, federation_id, model)


def of_run(session: Session, federation_id: UUID, run: str, phase: Phase) -> list[Round]:
    """A run's rounds of one phase, in order."""
    return repository.of_run(session, federation_id, run, phase.value)


def aggregates_of(
    session: Session, round_ids: Sequence[UUID], scope: Scope
) -> list[RoundAggregate]:
    """What a scope said together in these rounds, of the version and of a candidate."""
    return repository.aggregates_of(session, round_ids, scope)


def with_ids(session: Session, federation_id: UUID, ids: Sequence[UUID]) -> list[Round]:
    """A federation's rounds by id, oldest first."""
    return repository.with_ids(session, federation_id, ids)


def reports_of(
    session: Session, round_ids: Sequence[UUID], *, until: datetime | None = None
) -> list[ClientReport]:
    """What clients said in these rounds, as far as it was received until then, or now."""
    return reports.reports_of(repository.blocks_of(session, round_ids, until))


def refusals_of(session: Session, round_id: UUID) -> list[Refusal]:
    """The records of a round that were refused."""
    return repository.refusals_of_round(session, round_id)


def newest_refusals(session: Session, federation_id: UUID, limit: int = 50) -> list[Refusal]:
    """A federation's newest refusals, newest first."""
    return repository.newest_refusals(session, federation_id, limit)


def refusal_counts(session: Session, federation_id: UUID | None) -> dict[str, int]:
    """How many refusals there are by code, of one federation or (None) of all."""
    return repository.refusal_counts(session, federation_id)


def count_rounds(session: Session) -> int:
    """How many rounds were ever accepted."""
    return repository.count_rounds(session)
