"""Decisions on rounds: take them in, put them together, and answer for them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from app.core import clock, outbox
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

LOG = "registry.log_rounds"

__all__ = [
    "EVALUATE",
    "LOG",
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


def chunks_of(session: Session, round_: Round) -> tuple[int, int | None]:
    """How many of a round's chunks are here, and how many there are as far as that was said."""
    here = len(repository.chunk_hashes(session, round_.id))
    return here, repository.chunks_told(session, round_)


def received(session: Session, round_id: UUID) -> Round:
    """A round that an outbox row refers to."""
    found = repository.round_with_id(session, round_id)
    if found is None:
        raise NotFoundError("round", round_id)
    return found


def mark_evaluated(session: Session, round_: Round) -> None:
    """Note that the round was judged, and have MLflow told of what it says."""
    round_.evaluated_at = clock.now()
    session.add(round_)
    repository.mark_evaluated(session, round_.id)
    outbox.enqueue(session, LOG, round_.id, step=round_.evaluated_at.isoformat())


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


def received_between(
    session: Session, federation_id: UUID, model: str, since: datetime, until: datetime
) -> list[Round]:
    """A model's measured rounds that came from a time on and before another, in order."""
    return repository.received_between(session, federation_id, model, since, until)


def newest_fits(session: Session, round_: Round, limit: int) -> list[Round]:
    """The newest `fit` rounds of a round's version before it, oldest first."""
    steps, phases = (-1, round_.global_step + 1), (Phase.FIT.value,)
    found = repository.between(
        session, round_.federation_id, round_.model, round_.version, steps, limit, phases
    )
    return found[::-1]


def newest_in_phase(
    session: Session, federation_id: UUID, model: str, phase: Phase, limit: int
) -> list[Round]:
    """A model's newest rounds of a phase, of any version, newest first."""
    return repository.newest_in_phase(session, federation_id, model, phase.value, limit)


def aggregates_of(
    session: Session, round_ids: Sequence[UUID], measured: str = "model"
) -> list[RoundAggregate]:
    """What was measured in these rounds of their version (`model`) or its candidate (`canary`).

    All of it may be shown.
    """
    return repository.aggregates_of(session, round_ids, measured)


def shown_scopes(session: Session, round_id: UUID) -> set[Scope]:
    """The scopes of a round that may be shown: those that have aggregates."""
    return repository.shown_scopes(session, round_id)


def aggregates_by_round(
    session: Session, round_ids: Sequence[UUID]
) -> dict[UUID, list[RoundAggregate]]:
    """The same of each round, of its version and its candidate."""
    found: dict[UUID, list[RoundAggregate]] = {round_id: [] for round_id in round_ids}
    for one in repository.aggregates_of(session, round_ids, None):
        found[one.round_id].append(one)
    return found


def records_of_round(
    session: Session,
    round_id: UUID,
    *,
    until: datetime | None = None,
    mine: Mine | None = None,
    only: Collection[str] | None = None,
) -> Records:
    """The client records of a round, as far as they came until then, or now.

    Of some clients, or some of the wire format's columns, alone where these are named.
    """
    return records.read(repository.blocks_of(session, [round_id], until), mine, only)


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


def aggregates_in(
    session: Session, round_ids: Sequence[UUID], scope: Scope
) -> list[RoundAggregate]:
    """What a scope said together in these rounds, of the version and of a candidate."""
    return repository.aggregates_in(session, round_ids, scope)


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


@dataclass(frozen=True)
class Waiting:
    """How many whole rounds wait for their judging, and since when the oldest does."""

    count: int
    since: datetime | None


def waiting(session: Session) -> Waiting:
    """What waits for its judging, over all federations."""
    return Waiting(*repository.waiting(session))
