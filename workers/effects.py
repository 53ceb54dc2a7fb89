"""From an outbox row to its effect: the two kinds of task there are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from sqlmodel import Session

from app.core import outbox
from app.core.database import Database
from app.core.outbox import OutboxState
from workers.working import working

Work = TypeVar("Work")
Result = TypeVar("Result")


class Effect(Protocol):
    """What a task does with an outbox row."""

    def run(self, database: Database, row_id: UUID) -> None:
        """Have the effect, once, and mark the row done."""


@dataclass(frozen=True)
class Local:
    """An effect in our own database: it and the row's `done` commit together, once."""

    effect: Callable[[Session, UUID], None]

    def run(self, database: Database, row_id: UUID) -> None:
        """Settle the row."""
        with working(database, row_id) as task:
            if task is not None:
                task.state = outbox.settle(database, row_id, self.effect)


@dataclass(frozen=True)
class External(Generic[Work, Result]):
    """An effect on another service: prepared from the database, performed outside any transaction.

    `perform` happens at least once and must be idempotent; `record` happens once. `prepare` says
    None when there is nothing to do any more. After so many failed `attempts` the row is given up,
    and `given_up` told of it. What `held` takes over, such as an outage of the service, is no
    attempt.
    """

    prepare: Callable[[Session, UUID], Work | None]
    perform: Callable[[Work], Result]
    record: Callable[[Session, UUID, Result], None]
    given_up: outbox.GivenUp | None = None
    attempts: int = outbox.MAX_FAILURES
    held: Callable[[Database, UUID, Exception], bool] | None = None

    def run(self, database: Database, row_id: UUID) -> None:
        """Prepare, perform, then record and settle the row in one transaction."""
        with working(database, row_id) as task:
            if task is not None:
                task.state = self._done(database, row_id, task.subject)

    def _done(self, database: Database, row_id: UUID, subject: UUID) -> OutboxState:
        try:
            with database.read_scope() as session:
                work = self.prepare(session, subject)
            if work is None:
                return outbox.settle(database, row_id, _nothing)
            result = self.perform(work)
        except Exception as error:  # noqa: BLE001 - another service's failures must not lose the row
            if self.held is not None and self.held(database, row_id, error):
                return OutboxState.PENDING
            return outbox.fail(
                database, row_id, error, attempts=self.attempts, given_up=self.given_up
            )
        return outbox.settle(
            database, row_id, lambda session, same: self.record(session, same, result)
        )


def _nothing(_session: Session, _subject: UUID) -> None:
    """The effect of a row that has become needless."""
