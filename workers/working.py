"""Work on an outbox row goes on for whoever asked for it: under their ids, and in their trace."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog

from app.core import context, outbox, tracing
from app.core.database import Database
from app.core.outbox import OutboxState
from app.core.tracing import Kind, Span

log = structlog.get_logger(__name__)


@dataclass
class Task:
    """A row that is being worked on, and how that ended."""

    row: outbox.Waiting
    state: OutboxState = OutboxState.PENDING

    @property
    def subject(self) -> UUID:
        """What it works on."""
        return self.row.subject


@contextmanager
def working(database: Database, row_id: UUID) -> Iterator[Task | None]:
    """The row as a task, told of in the log when it is done; None if there is nothing to do.

    A span of the task lies below the one that asked for it, so that a trace leads from a push to
    all that follows from it, however much later.
    """
    row = outbox.pending(database, row_id)
    if row is None:
        yield None
        return
    known: dict[str, str] = {one: row.context[one] for one in context.CARRIED if one in row.context}
    about = outbox.attributes("process", row.task, row.id)
    with (
        context.begun({**known, "task": row.task, "row": str(row.id)}),
        tracing.span(f"process {row.task}", about, Kind.CONSUMER, row.context) as span,
    ):
        task, started = Task(row), time.perf_counter()
        yield task
        _tell(task, span, time.perf_counter() - started)


def _tell(task: Task, span: Span, seconds: float) -> None:
    span.tell(f"process {task.row.task}", tracing.of_work())
    if task.state is OutboxState.DONE:
        log.info("task.done", seconds=round(seconds, 6))
    else:
        span.fail(task.state.value)
