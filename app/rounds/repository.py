"""All queries on rounds, client reports, refusals and bin specs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, func
from sqlmodel import Session, col, select, update
from sqlmodel.sql.expression import SelectOfScalar

from app.core.database import insert_unless_there
from app.rounds.disclosure import Scope
from app.rounds.tables import (
    BinSpec,
    PrivacyLedger,
    PrivacySpent,
    Refusal,
    ReportBlock,
    Round,
    RoundAggregate,
    RoundClose,
    Withdrawal,
)

MEASURED = ("evaluate", "canary", "serve")
WHOLE = ("received", "evaluated")  # states of a round whose chunks are all here
# Oldest first, by what rounds say of themselves and not by when they came.
IN_ORDER = (
    col(Round.global_step),
    col(Round.started_at),
    col(Round.run),
    col(Round.number),
    col(Round.phase),
)

# Every push asks these two; to put a query together takes longer than to have it answered.
_ATTEMPTS = (
    select(Round)
    .where(
        Round.federation_id == bindparam("federation_id"),
        Round.run == bindparam("run"),
        Round.number == bindparam("number"),
        Round.phase == bindparam("phase"),
    )
    .order_by(col(Round.attempt))
)
_MARKS = select(Withdrawal.mark).where(Withdrawal.federation_id == bindparam("federation_id"))


def attempts_of(
    session: Session, federation_id: UUID, run: str, number: int, phase: str
) -> list[Round]:
    """Every attempt that was accepted of one round and phase, oldest first."""
    address = {"federation_id": federation_id, "run": run, "number": number, "phase": phase}
    return list(session.exec(_ATTEMPTS, params=address))


def supersede(session: Session, rounds: Sequence[Round]) -> None:
    """Mark rounds that a higher attempt replaces."""
    ids = [round_.id for round_ in rounds]
    session.exec(update(Round).where(col(Round.id).in_(ids)).values(state="superseded"))


def round_of(session: Session, federation_id: UUID, round_id: UUID) -> Round | None:
    """A federation's round by id."""
    query = select(Round).where(Round.id == round_id, Round.federation_id == federation_id)
    return session.exec(query).first()


def round_with_id(session: Session, round_id: UUID) -> Round | None:
    """A round by id alone, for work that a committed row asked for."""
    return session.get(Round, round_id)


def recent(session: Session, federation_id: UUID, model: str | None, limit: int) -> list[Round]:
    """The newest rounds that count, newest first."""
    query = select(Round).where(Round.federation_id == federation_id, Round.state != "superseded")
    if model is not None:
        query = query.where(Round.model == model)
    newest = query.order_by(col(Round.global_step).desc(), col(Round.received_at).desc())
    return list(session.exec(newest.limit(limit)))


def _whole_of(federation_id: UUID, model: str) -> SelectOfScalar[Round]:
    return select(Round).where(
        Round.federation_id == federation_id,
        Round.model == model,
        col(Round.state).in_(WHOLE),
    )


def canary_rounds(
    session: Session, federation_id: UUID, model: str, champion: str, candidate: str
) -> list[Round]:
    """The rounds that measured both versions on the same examples, oldest first."""
    query = _whole_of(federation_id, model).where(
        Round.version == champion,
        Round.canary_version == candidate,
        Round.phase == "canary",
    )
    return list(session.exec(query.order_by(*IN_ORDER)))


def measuring(session: Session, federation_id: UUID, model: str, version: str) -> list[Round]:
    """The rounds that measured a version, as champion or as candidate, oldest first."""
    query = _whole_of(federation_id, model).where(
        (col(Round.version) == version) | (col(Round.canary_version) == version),
        col(Round.phase).in_(MEASURED),
    )
    return list(session.exec(query.order_by(*IN_ORDER)))


def between(
    session: Session,
    federation_id: UUID,
    model: str,
    version: str,
    steps: tuple[int, int],
    limit: int,
    phases: Sequence[str] = MEASURED,
) -> list[Round]:
    """The newest rounds of a version itself, strictly between two global steps, newest first."""
    query = _whole_of(federation_id, model).where(
        Round.version == version,
        col(Round.phase).in_(phases),
        Round.global_step > steps[0],
        Round.global_step < steps[1],
    )
    newest_first = (column.desc() for column in IN_ORDER)
    return list(session.exec(query.order_by(*newest_first).limit(limit)))


def received_between(
    session: Session, federation_id: UUID, model: str, since: datetime, until: datetime
) -> list[Round]:
    """A model's measured rounds that came from a time on and before another, in order."""
    query = _whole_of(federation_id, model).where(
        col(Round.phase).in_(MEASURED),
        Round.received_at >= since,
        Round.received_at < until,
    )
    return list(session.exec(query.order_by(*IN_ORDER)))


def newest_in_phase(
    session: Session, federation_id: UUID, model: str, phase: str, limit: int
) -> list[Round]:
    """A model's newest rounds of a phase, of any version, newest first."""
    query = _whole_of(federation_id, model).where(Round.phase == phase)
    newest_first = (column.desc() for column in IN_ORDER)
    return list(session.exec(query.order_by(*newest_first).limit(limit)))


def aggregates_of(
    session: Session, round_ids: Sequence[UUID], measured: str | None
) -> list[RoundAggregate]:
    """What was measured of the rounds' version (`model`), of its candidate, or (None) of both."""
    query = select(RoundAggregate).where(col(RoundAggregate.round_id).in_(round_ids))
    if measured is not None:
        query = query.where(RoundAggregate.measured == measured)
    return list(session.exec(query))


def whole(session: Session, federation_id: UUID) -> list[Round]:
    """A federation's whole rounds, in the order in which they came."""
    query = select(Round).where(Round.federation_id == federation_id, col(Round.state).in_(WHOLE))
    return list(session.exec(query.order_by(col(Round.received_at), *IN_ORDER)))


def to_be_judged(session: Session, federation_id: UUID, model: str) -> list[UUID]:
    """A model's whole rounds that were not judged since they last changed, in order."""
    query = select(Round.id).where(
        Round.federation_id == federation_id, Round.model == model, Round.state == "received"
    )
    return list(session.exec(query.order_by(*IN_ORDER)))


def of_run(session: Session, federation_id: UUID, run: str, phase: str) -> list[Round]:
    """A run's rounds of one phase that count, in order."""
    query = select(Round).where(
        Round.federation_id == federation_id,
        Round.run == run,
        Round.phase == phase,
        col(Round.state).in_(WHOLE),
    )
    return list(session.exec(query.order_by(col(Round.number))))


def with_ids(session: Session, federation_id: UUID, ids: Sequence[UUID]) -> list[Round]:
    """A federation's rounds by id, oldest first."""
    query = select(Round).where(Round.federation_id == federation_id, col(Round.id).in_(ids))
    return list(session.exec(query.order_by(*IN_ORDER)))


def blocks_of(
    session: Session, round_ids: Sequence[UUID], until: datetime | None
) -> list[ReportBlock]:
    """The chunks of these rounds that were received until then, or so far."""
    query = select(ReportBlock).where(col(ReportBlock.round_id).in_(round_ids))
    if until is not None:
        query = query.where(col(ReportBlock.received_at) <= until)
    return list(session.exec(query.order_by(col(ReportBlock.round_id), col(ReportBlock.chunk))))


def block(session: Session, round_id: UUID, chunk: int) -> ReportBlock | None:
    """One chunk of a round."""
    return session.get(ReportBlock, (round_id, chunk))


def chunk_hashes(session: Session, round_id: UUID) -> dict[int, str]:
    """The hash of every chunk's body, by the chunk's number."""
    query = select(ReportBlock.chunk, ReportBlock.body_sha256)
    return dict(session.exec(query.where(ReportBlock.round_id == round_id)).all())


def chunks_told(session: Session, of: Round | RoundClose) -> int | None:
    """How many chunks were said to be of the round at an address."""
    key = (of.federation_id, of.run, of.number, of.phase, of.attempt)
    close = session.get(RoundClose, key)
    return None if close is None else close.chunks


def overdue(session: Session, at: datetime) -> list[UUID]:
    """The rounds that still wait for chunks at a time by which they should have come."""
    query = select(Round.id).where(Round.state == "receiving", col(Round.closes_at) <= at)
    return list(session.exec(query.order_by(col(Round.id))))


def address(session: Session, round_id: UUID) -> tuple[UUID, str, int, str]:
    """A round's federation, run, number and phase, which never change."""
    query = select(Round.federation_id, Round.run, Round.number, Round.phase)
    return session.exec(query.where(Round.id == round_id)).one()


def mark_evaluated(session: Session, round_id: UUID) -> None:
    """From `received` to `evaluated`; another state, such as of a round replaced meanwhile, stays.

    Decided by the database: whoever judges a round holds no lock on it.
    """
    waiting = update(Round).where(col(Round.id) == round_id, col(Round.state) == "received")
    session.exec(waiting.values(state="evaluated"))


def drop_records(
    session: Session, federation_id: UUID, before: datetime, keep: Collection[UUID]
) -> int:
    """Drop the records that a federation's rounds got before a time; return how many chunks."""
    rounds = select(Round.id).where(
        Round.federation_id == federation_id, col(Round.id).not_in(keep)
    )
    old = update(ReportBlock).where(
        col(ReportBlock.round_id).in_(rounds),
        col(ReportBlock.received_at) < before,
        col(ReportBlock.data).is_not(None),
    )
    dropped: int = session.exec(old.values(data=None)).rowcount
    return dropped


def replace_aggregates(
    session: Session, round_id: UUID, aggregates: Sequence[RoundAggregate]
) -> None:
    """Put a round's aggregates in the place of those that it had."""
    session.exec(delete(RoundAggregate).where(col(RoundAggregate.round_id) == round_id))
    session.add_all(aggregates)


def shown_scopes(session: Session, round_id: UUID) -> set[Scope]:
    """The scopes of a round that have aggregates of its version."""
    query = select(RoundAggregate.scope, RoundAggregate.scope_key).where(
        RoundAggregate.round_id == round_id, RoundAggregate.measured == "model"
    )
    return set(session.exec(query))


def keep_spent(session: Session, spent: PrivacySpent) -> None:
    """Keep what was spent of privacy by a round; what is known of that round already stays."""
    if session.get(PrivacySpent, spent.round_id) is None:
        session.add(spent)


def aggregates_in(
    session: Session, round_ids: Sequence[UUID], scope: Scope
) -> list[RoundAggregate]:
    """What a scope said together in these rounds."""
    query = select(RoundAggregate).where(
        col(RoundAggregate.round_id).in_(round_ids),
        RoundAggregate.scope == scope[0],
        RoundAggregate.scope_key == scope[1],
    )
    return list(session.exec(query.order_by(col(RoundAggregate.round_id))))


def replace_refusals(
    session: Session, round_id: UUID, code: str, refusals: Sequence[Refusal]
) -> None:
    """Put a round's refusals of one code in the place of those that it had."""
    old = delete(Refusal).where(col(Refusal.round_id) == round_id, col(Refusal.code) == code)
    session.exec(old)
    session.add_all(refusals)


def ledger(session: Session, federation_id: UUID) -> bytes:
    """A federation's privacy ledger, locked; nothing where there is none yet."""
    query = select(PrivacyLedger.data).where(PrivacyLedger.federation_id == federation_id)
    return session.exec(query.with_for_update()).first() or b""


def keep_ledger(session: Session, federation_id: UUID, data: bytes) -> None:
    """Put a federation's privacy ledger in the place of the one before."""
    session.merge(PrivacyLedger(federation_id=federation_id, data=data))
    session.flush()


def withdrawal_marks(session: Session, federation_id: UUID) -> set[str]:
    """What recognises the clients that withdrew from a federation."""
    return set(session.connection().scalars(_MARKS, {"federation_id": federation_id}))


def blocks_with_records(session: Session, federation_id: UUID) -> Iterator[ReportBlock]:
    """Every chunk of a federation that still has its records, a few at a time."""
    query = (
        select(ReportBlock)
        .join(Round, col(Round.id) == col(ReportBlock.round_id))
        .where(Round.federation_id == federation_id, col(ReportBlock.data).is_not(None))
        .order_by(col(ReportBlock.round_id), col(ReportBlock.chunk))
    )
    yield from session.exec(query.execution_options(yield_per=100))


def mark_withdrawn(session: Session, clients: Mapping[UUID, int]) -> None:
    """Count clients that withdrew from rounds that had them."""
    for round_id, count in clients.items():
        marked = update(Round).where(col(Round.id) == round_id)
        session.exec(marked.values(withdrawn=col(Round.withdrawn) + count))


def refusals_of_round(session: Session, round_id: UUID) -> list[Refusal]:
    """The records of a round that were refused, in their order."""
    query = select(Refusal).where(Refusal.round_id == round_id)
    return list(session.exec(query.order_by(col(Refusal.index))))


def refusals_by_round(session: Session, round_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """How many records of each of these rounds were refused, by code."""
    query = (
        select(Refusal.round_id, Refusal.code, func.count())
        .where(col(Refusal.round_id).in_(round_ids))
        .group_by(col(Refusal.round_id), Refusal.code)
    )
    counts: dict[UUID, dict[str, int]] = {round_id: {} for round_id in round_ids}
    for round_id, code, count in session.exec(query):
        if round_id is not None:
            counts[round_id][code] = count
    return counts


def newest_refusals(session: Session, federation_id: UUID, limit: int) -> list[Refusal]:
    """A federation's newest refusals, newest first."""
    query = select(Refusal).where(Refusal.federation_id == federation_id)
    return list(session.exec(query.order_by(col(Refusal.at).desc()).limit(limit)))


def refusal_counts(session: Session, federation_id: UUID | None) -> dict[str, int]:
    """How many refusals there are by code, of one federation or (None) of all."""
    query = select(Refusal.code, func.count()).group_by(Refusal.code).order_by(Refusal.code)
    if federation_id is not None:
        query = query.where(Refusal.federation_id == federation_id)
    return dict(session.exec(query).all())


def count_rounds(session: Session) -> int:
    """How many rounds were ever accepted."""
    return session.exec(select(func.count()).select_from(Round)).one()


def insert_bin_spec(session: Session, spec: BinSpec) -> bool:
    """Insert a bin spec; False, and nothing done, where the federation has it already."""
    return insert_unless_there(session, spec)


def bin_specs(session: Session, federation_id: UUID) -> list[BinSpec]:
    """All bin specs of a federation."""
    return list(session.exec(select(BinSpec).where(BinSpec.federation_id == federation_id)))


def bin_spec(session: Session, federation_id: UUID, spec_id: str) -> BinSpec | None:
    """A federation's bin spec by id."""
    return session.get(BinSpec, (federation_id, spec_id))


def waiting(session: Session) -> tuple[int, datetime | None]:
    """How many whole rounds of all federations are not judged, and when the oldest came."""
    query = select(func.count(), func.min(Round.received_at))
    return session.exec(query.where(Round.state == "received")).one()
