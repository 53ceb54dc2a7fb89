"""Pressure: when a push has to wait, and for how long. What is answered 2xx was stored.

A key calls too often, the work that waits is too much, or the disk is nearly full: each is a
refusal with a time to come back, before the body is looked at. Rates are counted in Redis where it
is the broker, for all processes of the API together, and else in the one process there is.
"""

import shutil
import time
from asyncio import Semaphore
from dataclasses import dataclass, field
from math import ceil
from threading import Lock
from typing import cast
from uuid import UUID

import structlog
from limits import parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from app.core import outbox
from app.core.database import Database
from app.core.errors import DomainError, ErrorKind
from app.core.settings import Settings

BACKLOG_SECONDS, BACKLOG_AGE_SECONDS, FULL_SECONDS = 10, 1.0, 60
SWEEP_SECONDS = 60.0
MEBIBYTE = 2**20
# What waits for MLflow, however long, or draws up reports keeps no round from being judged.
NOT_JUDGING = ("registry.", "reports.")
PUSHES_AT_ONCE = 8  # of the 40 threads in which routes run

log = structlog.get_logger(__name__)


class TooManyPushesError(DomainError):
    """The key pushed more often than its rate."""

    code = "too_many_pushes"
    kind = ErrorKind.TOO_MANY

    def __init__(self, rate: str, retry_after: int) -> None:
        super().__init__(
            f"This key has used up its {rate} pushes; nothing was stored. Send the same again in"
            f" {retry_after} s, or more clients in one push.",
            retry_after=retry_after,
        )


class BacklogError(DomainError):
    """More work waits than may."""

    code = "backlog"
    kind = ErrorKind.TOO_MANY

    def __init__(self) -> None:
        super().__init__(
            "Too many rounds wait to be judged; nothing was stored. Send the same again later.",
            retry_after=BACKLOG_SECONDS,
        )


class StorageFullError(DomainError):
    """The disk has less room than has to stay free."""

    code = "storage_full"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(
            "The service's disk is nearly full; nothing was stored. Send the same again later.",
            retry_after=FULL_SECONDS,
        )


@dataclass
class Pressure:
    """What the API of this process knows of its load."""

    settings: Settings
    _waiting: int = 0
    _counted_at: float = float("-inf")
    _lock: Lock = field(default_factory=Lock)
    # Pushes wait for each other's locks in threads. If they had them all, the one that holds a lock
    # would find none to finish in.
    pushing: Semaphore = field(default_factory=lambda: Semaphore(PUSHES_AT_ONCE))

    def __post_init__(self) -> None:
        self._rate = parse(self.settings.push_rate)
        self._limiter = SlidingWindowCounterRateLimiter(_storage(self.settings))

    def admit(self, database: Database, key_id: UUID) -> None:
        """Let a push of this key in.

        Raises:
            TooManyPushesError, BacklogError, StorageFullError: with when to come back.
        """
        self._hit(str(key_id))
        if self._backlog(database) >= self.settings.max_backlog:
            raise BacklogError
        free = shutil.disk_usage(self.settings.data_dir).free
        if free < self.settings.min_free_mb * MEBIBYTE:
            raise StorageFullError

    def _hit(self, key: str) -> None:
        try:
            within = self._limiter.hit(self._rate, key)
            reset = 0.0 if within else self._limiter.get_window_stats(self._rate, key).reset_time
        except StorageError as error:
            # Rates protect, and do not guard: without the counter a push is let in.
            log.warning("pressure.rate_unknown", error=str(error))
            return
        if not within:
            raise TooManyPushesError(self.settings.push_rate, max(1, ceil(reset - time.time())))

    def _backlog(self, database: Database) -> int:
        """How much work waits, up to the limit, as it was a second ago at most."""
        with self._lock:
            if time.monotonic() - self._counted_at > BACKLOG_AGE_SECONDS:
                with database.read_scope() as session:
                    most = self.settings.max_backlog
                    self._waiting = outbox.waiting(session, most, but=NOT_JUDGING)
                self._counted_at = time.monotonic()
            return self._waiting


def _storage(settings: Settings) -> Storage:
    if settings.broker.startswith(("redis://", "rediss://")):
        return cast("Storage", storage_from_string(settings.broker, wrap_exceptions=True))
    return _SeldomSwept()


class _SeldomSwept(MemoryStorage):
    """Counts of this process, swept of what has expired every `SWEEP_SECONDS`.

    The library sweeps after nearly every hit, in a new thread: a hundred times the hit's own work.
    """

    _swept_at = float("-inf")

    def _MemoryStorage__schedule_expiry(self) -> None:  # noqa: N802 - the library's own name
        if time.monotonic() - self._swept_at > SWEEP_SECONDS:
            self._swept_at = time.monotonic()
            super()._MemoryStorage__schedule_expiry()  # type: ignore[misc]
