"""Work that waits, for however long, until the service that it needs answers again.

All work for one service goes through one lane, so that a service that answers slowly, or not at
all, never holds up what a worker does besides.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

from app.core import outbox
from app.core.database import Database
from workers.effects import External
from workers.lanes import Lanes

PAUSE_SECONDS = 15.0
Work = TypeVar("Work")
Result = TypeVar("Result")


@dataclass
class Gate:
    """Whether a service is worth asking; after an outage it is left alone for a pause.

    `is_outage` tells an error that says nothing of the work from one that does.
    """

    name: str
    is_outage: Callable[[Exception], bool]
    tasks: Collection[str]
    pause_seconds: float = PAUSE_SECONDS
    _closed_until: float = field(default=0.0, init=False)

    @property
    def closed(self) -> bool:
        """Whether it was out a moment ago."""
        return time.monotonic() < self._closed_until

    def holds(self, database: Database, row_id: UUID, error: Exception) -> bool:
        """If the error is an outage, put off all work for the service; False if it is none."""
        if not self.is_outage(error):
            return False
        self._closed_until = time.monotonic() + self.pause_seconds
        outbox.hold(database, self.tasks, self.pause_seconds, row_id, error)
        return True


@dataclass(frozen=True)
class Behind(Generic[Work, Result]):
    """An external effect behind a gate, in the lane of its service."""

    gate: Gate
    effect: External[Work, Result]
    lanes: Lanes

    def run(self, database: Database, row_id: UUID) -> None:
        """Hand the row to the lane; without room there, its row comes again by itself."""
        self.lanes.submit(self.gate.name, row_id, lambda: self._attempt(database, row_id))

    def _attempt(self, database: Database, row_id: UUID) -> None:
        if not self.gate.closed:  # else its row was put off with all the others
            self.effect.run(database, row_id)
