"""Deliveries side by side: each receiver has a lane of its own, so that a slow one delays no other.

A lane is a thread that serves one receiver, in order, and ends when nothing waits for it. A worker
hands a delivery to its lane and goes on at once.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Generic, TypeVar
from uuid import UUID

import structlog
from sqlmodel import Session

from app.core import outbox
from app.core.database import Database
from workers.effects import External

Work = TypeVar("Work")
Result = TypeVar("Result")

log = structlog.get_logger(__name__)


@dataclass
class Lanes:
    """At most so many lanes, and so much waiting in each."""

    most_lanes: int = 200
    most_waiting: int = 100
    _waiting: dict[str, deque[tuple[UUID, Callable[[], None]]]] = field(default_factory=dict)
    _taken: set[UUID] = field(default_factory=set)
    _changed: Condition = field(default_factory=Condition)
    _closed: bool = False

    def submit(self, lane: str, key: UUID, work: Callable[[], None]) -> bool:
        """Have work done in a lane; False if there is no room.

        Work that waits or is under way under the same key already is not done twice.
        """
        with self._changed:
            if key in self._taken:
                return True
            queue = self._waiting.get(lane)
            if self._closed or len(queue or ()) >= self.most_waiting:
                return False
            if queue is None and len(self._waiting) >= self.most_lanes:
                return False
            self._taken.add(key)
            if queue is not None:
                queue.append((key, work))
                return True
            self._waiting[lane] = deque([(key, work)])
            # A daemon: what a killed worker leaves unfinished, the outbox sends again.
            Thread(target=self._serve, args=(lane,), name=f"lane {lane}", daemon=True).start()
            return True

    def close(self) -> None:
        """Take nothing more, and forget what waits."""
        with self._changed:
            self._closed = True
            for queue in self._waiting.values():
                queue.clear()

    def wait(self, seconds: float) -> None:
        """Wait until what is under way has ended, but no longer than that."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, max(0.0, seconds))

    def _serve(self, lane: str) -> None:
        while (next_ := self._next(lane)) is not None:
            key, work = next_
            try:
                work()
            except Exception:  # one delivery's failure must not end its receiver's lane
                log.exception("lanes.failed", lane=lane)
            finally:
                with self._changed:
                    self._taken.discard(key)

    def _next(self, lane: str) -> tuple[UUID, Callable[[], None]] | None:
        with self._changed:
            if self._waiting[lane]:
                return self._waiting[lane].popleft()
            del self._waiting[lane]
            self._changed.notify_all()
            return None


@dataclass(frozen=True)
class InLanes(Generic[Work, Result]):
    """An external effect that happens in the lane of its receiver.

    Work that finds no room, or has waited for longer than `patience` seconds behind others, is put
    off, so that its row leaves the outbox. The patience and one attempt together have to take less
    time than until the row would be sent again.
    """

    effect: External[Work, Result]
    lane_of: Callable[[Session, UUID], str]
    put_off: Callable[[Session, UUID], None]
    lanes: Lanes
    patience: float

    def run(self, database: Database, row_id: UUID) -> None:
        """Hand the row to its lane."""
        row = outbox.pending(database, row_id)
        if row is None:
            return
        with database.read_scope() as session:
            lane = self.lane_of(session, row.subject)
        until = time.monotonic() + self.patience
        if not self.lanes.submit(lane, row_id, lambda: self._attempt(database, row_id, until)):
            outbox.settle(database, row_id, self.put_off)

    def _attempt(self, database: Database, row_id: UUID, until: float) -> None:
        if time.monotonic() > until:
            outbox.settle(database, row_id, self.put_off)
            return
        self.effect.run(database, row_id)
