"""The outbox: work that a committed transaction asked for, kept until it is done.

A row is written in the transaction that asks for it, so it exists exactly when its cause does.
`claim_due` hands due rows to whoever publishes them; `settle` runs the effect and marks the row
done in one transaction, so that a second run finds it done. Losing the broker costs delay, never
data.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog
from sqlalchemy import CheckConstraint, Index, func
from sqlmodel import Field, Session, SQLModel, col, select, update

from app.core import clock, context, tracing
from app.core.database import Database, Json, Utc, insert_once, one_at_a_time
from app.core.ids import new_id
from app.core.telling import told
from app.core.tracing import Kind

MAX_FAILURES = 8
MAX_RESEND_SECONDS = 600.0
MAX_IN_FLIGHT = 1000
MESSAGING = "vigie_outbox"  # what OpenTelemetry calls a messaging system
CLAIMING = "outbox.claim_due"
_ASKED = "work asked for"

log = structlog.get_logger(__name__)


class OutboxState(StrEnum):
    """Where a row is: waiting to be done, done, or given up after `MAX_FAILURES`."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class OutboxRow(SQLModel, table=True):
    """One effect to be had once: a task's name and the id of what it works on."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'done', 'failed')", name="state"),
        Index("ix_outbox_state_due_at", "state", "due_at"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    task: str
    subject: UUID
    key: str = Field(unique=True)
    state: str = Field(default=OutboxState.PENDING)
    created_at: datetime = Field(sa_type=Utc)
    due_at: datetime = Field(sa_type=Utc)
    sends: int = 0
    failures: int = 0
    done_at: datetime | None = Field(default=None, sa_type=Utc)
    last_error: str | None = None
    # For whom it was asked, in the names of `app.core.context`, and in which trace.
    context: dict[str, str] | None = Field(default=None, sa_type=Json)


@dataclass(frozen=True)
class Waiting:
    """A row that is to be done: its task, what it works on, and for whom it was asked."""

    id: UUID
    task: str
    subject: UUID
    context: Mapping[str, str]


@dataclass(frozen=True)
class Delivery:
    """What the broker carries: which task, and the id of its row. Nothing else."""

    row_id: UUID
    task: str


def enqueue(
    session: Session, task: str, subject: UUID, *, step: str = "", as_before: bool = False
) -> None:
    """Ask for `task` on `subject`, once: a second ask with the same `step` changes nothing.

    The row carries the ids of the work that asks for it, or, `as_before`, of the first that asked
    for this task on this subject.
    """
    at = clock.now()
    row = OutboxRow(
        task=task, subject=subject, key=_key(task, subject, step), created_at=at, due_at=at
    )
    about = attributes("send", task, row.id) | tracing.of_work()
    with tracing.span(f"send {task}", about, Kind.PRODUCER):
        before = _context_of(session, task, subject) if as_before else None
        row.context = before or {**context.carried(), **tracing.carried()}
        insert_once(session, row)
    session.info[_ASKED] = True


def asked(session: Session) -> bool:
    """Whether work was asked for in this session."""
    return _ASKED in session.info


def attributes(operation: str, task: str, row_id: UUID) -> dict[str, str]:
    """What OpenTelemetry's conventions have a span say of a message that is sent or processed."""
    return {
        "messaging.system": MESSAGING,
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.destination.name": task,
        "messaging.message.id": str(row_id),
    }


def claim_due(session: Session, resend_seconds: float) -> list[Delivery]:
    """The rows that are due, oldest first, each put off by its backoff in case it gets lost.

    One caller at a time: of two sweeps at once the second finds what the first left. At most
    `MAX_IN_FLIGHT` are with the broker at a time. Rows that a worker holds are skipped.
    """
    one_at_a_time(session, CLAIMING)
    at = clock.now()
    room = MAX_IN_FLIGHT - _in_flight(session, at)
    if room <= 0:
        return []
    due = select(OutboxRow).where(OutboxRow.state == OutboxState.PENDING, OutboxRow.due_at <= at)
    oldest = due.order_by(col(OutboxRow.due_at), col(OutboxRow.created_at)).limit(room)
    rows = session.exec(oldest.with_for_update(skip_locked=True)).all()
    for row in rows:
        row.due_at = at + timedelta(seconds=_backoff(row.sends, resend_seconds))
        row.sends += 1
    return [Delivery(row.id, row.task) for row in rows]


def settle(
    database: Database, row_id: UUID, effect: Callable[[Session, UUID], None]
) -> OutboxState:
    """Have the row's effect and mark it done, in one transaction; a done row is left alone.

    A failing effect leaves nothing but a count and the error on the row, which is tried again until
    it failed `MAX_FAILURES` times.
    """
    try:
        with database.session_scope() as session:
            row = _locked(session, row_id)
            if row is None or row.state != OutboxState.PENDING:
                return OutboxState.DONE
            effect(session, row.subject)
            row.state, row.done_at = OutboxState.DONE, clock.now()
    except Exception as error:  # noqa: BLE001 - whatever an effect raises must not lose its row
        return _record_failure(database, row_id, error)
    return OutboxState.DONE


def pending(database: Database, row_id: UUID) -> Waiting | None:
    """A row that still waits; None when there is nothing left to do."""
    with database.read_scope() as session:
        row = session.get(OutboxRow, row_id)
        if row is None or row.state != OutboxState.PENDING:
            return None
        return Waiting(row.id, row.task, row.subject, row.context or {})


GivenUp = Callable[[Session, UUID, str], None]


def fail(
    database: Database,
    row_id: UUID,
    error: Exception,
    *,
    attempts: int = MAX_FAILURES,
    given_up: GivenUp | None = None,
) -> OutboxState:
    """Count a failure of work that was done outside `settle`, such as a call to another service.

    With the last of its `attempts` the row is given up, and `given_up` told of its subject and the
    error in the same transaction.
    """
    return _record_failure(database, row_id, error, attempts, given_up)


def hold(
    database: Database, tasks: Collection[str], seconds: float, row_id: UUID, error: Exception
) -> None:
    """Put off all waiting work of these tasks: the service that it needs does not answer.

    An outage is no failure of the work, so nothing is counted, and it may last for however long.
    What is held takes no room among the rows that are with the broker. The row that met the outage
    comes after all the others, should it be the one that its service cannot answer.
    """
    log.warning("outbox.held", tasks=sorted(tasks), seconds=seconds, error=told(error))
    waiting_rows = update(OutboxRow).where(
        col(OutboxRow.task).in_(tasks), col(OutboxRow.state) == OutboxState.PENDING
    )
    with database.session_scope() as session:
        later = clock.now() + timedelta(seconds=seconds)
        session.exec(waiting_rows.values(due_at=later, sends=0))
        row = session.get(OutboxRow, row_id)
        if row is not None and row.state == OutboxState.PENDING:
            row.due_at, row.last_error = later + timedelta(seconds=seconds), told(error)


def subjects_waiting(session: Session, tasks: Collection[str]) -> set[UUID]:
    """What the rows of these tasks that still wait are about."""
    query = select(OutboxRow.subject).where(
        col(OutboxRow.task).in_(tasks), OutboxRow.state == OutboxState.PENDING
    )
    return set(session.exec(query))


def depth(session: Session) -> dict[str, int]:
    """How many rows are in each state."""
    counts = session.exec(select(OutboxRow.state, func.count()).group_by(OutboxRow.state)).all()
    return {state.value: 0 for state in OutboxState} | dict(counts)


def unfinished(session: Session) -> list[tuple[str, str, int]]:
    """How many rows wait or were given up, by task and state."""
    counts = select(OutboxRow.task, OutboxRow.state, func.count())
    left = counts.where(OutboxRow.state != OutboxState.DONE)
    return list(session.exec(left.group_by(OutboxRow.task, OutboxRow.state)))


def waiting(session: Session, most: int, *, but: str) -> int:
    """How many rows wait, counted up to `most`, but those of tasks that begin with `but`."""
    some = (
        select(OutboxRow.id)
        .where(OutboxRow.state == OutboxState.PENDING, col(OutboxRow.task).not_like(f"{but}%"))
        .limit(most)
    )
    return session.exec(select(func.count()).select_from(some.subquery())).one()


def oldest_pending(session: Session) -> datetime | None:
    """When the oldest row that still waits was written."""
    waiting = select(func.min(OutboxRow.created_at)).where(OutboxRow.state == OutboxState.PENDING)
    return session.exec(waiting).one()


def _key(task: str, subject: UUID, step: str) -> str:
    return f"{task}:{subject}:{step}"


def _context_of(session: Session, task: str, subject: UUID) -> dict[str, str] | None:
    first = select(OutboxRow).where(OutboxRow.key == _key(task, subject, ""))
    row = session.exec(first).first()
    return None if row is None else row.context


def _in_flight(session: Session, at: datetime) -> int:
    sent = select(func.count()).where(
        OutboxRow.state == OutboxState.PENDING, OutboxRow.sends > 0, OutboxRow.due_at > at
    )
    return session.exec(sent).one()


def _backoff(sends: int, resend_seconds: float) -> float:
    return float(min(resend_seconds * 2 ** min(sends, 20), max(MAX_RESEND_SECONDS, resend_seconds)))


def _locked(session: Session, row_id: UUID) -> OutboxRow | None:
    return session.exec(select(OutboxRow).where(OutboxRow.id == row_id).with_for_update()).first()


def _record_failure(
    database: Database,
    row_id: UUID,
    error: Exception,
    attempts: int = MAX_FAILURES,
    given_up: GivenUp | None = None,
) -> OutboxState:
    with database.session_scope() as session:
        row = _locked(session, row_id)
        if row is None or row.state != OutboxState.PENDING:
            return OutboxState.DONE
        row.failures += 1
        row.last_error = told(error)
        if row.failures >= attempts:
            row.state = OutboxState.FAILED
            if given_up is not None:
                given_up(session, row.subject, row.last_error)
        log.warning("outbox.effect_failed", task=row.task, row=str(row_id), error=row.last_error)
        return OutboxState(row.state)
