"""Long polling: many who wait for a retrain request, and one who looks.

Who waits holds no thread and no connection: one task of the process asks the database twice a
second, for all of them together, and only while somebody waits. It wakes one a model, the one that
waits longest; should that claim fail, the next is woken at the next look.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from uuid import UUID

import anyio.to_thread
import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.core.database import Database
from app.retraining import repository

LOOK_SECONDS = 0.5
Key = tuple[UUID, str]  # a federation and a model of it
Waiting = asyncio.Future[None]

log = structlog.get_logger(__name__)


class Waiters:
    """Those who wait in this process, by model; all of it runs on one event loop."""

    def __init__(self, look_seconds: float = LOOK_SECONDS) -> None:
        self._look_seconds = look_seconds
        self._waiting: defaultdict[Key, OrderedDict[Waiting, None]] = defaultdict(OrderedDict)
        self._looking: asyncio.Task[None] | None = None
        self.looks = 0

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def wait(self, database: Database, key: Key, seconds: float) -> bool:
        """Wait until a request of the model may be there; False if time ran out before."""
        mine: Waiting = asyncio.get_running_loop().create_future()
        self._waiting[key][mine] = None
        self._look(database)
        try:
            await asyncio.wait_for(mine, seconds)
        except TimeoutError:
            return False
        finally:
            self._leave(key, mine)
        return True

    def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()

    def _leave(self, key: Key, mine: Waiting) -> None:
        self._waiting[key].pop(mine, None)
        if not self._waiting[key]:
            del self._waiting[key]

    def _look(self, database: Database) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on(database))

    async def _look_on(self, database: Database) -> None:
        while self._waiting:
            await asyncio.sleep(self._look_seconds)
            try:
                self._wake(await anyio.to_thread.run_sync(_claimable, database))
            except SQLAlchemyError as error:  # who waits is answered when the time is up
                log.warning("retraining.look_failed", error=type(error).__name__)
            self.looks += 1

    def _wake(self, keys: Iterable[Key]) -> None:
        for key in keys:
            for waiting in self._waiting.get(key, ()):
                if not waiting.done():
                    waiting.set_result(None)
                    break


def _claimable(database: Database) -> set[Key]:
    with database.read_scope() as session:
        return repository.waiting_models(session)
