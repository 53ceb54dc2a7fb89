"""The one clock of the service: server time, aware, UTC, settable by tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The time of this machine, aware and in UTC."""
    return datetime.now(UTC)


_clock: Clock = system_clock


def now() -> datetime:
    """The current server time, aware and in UTC."""
    return _clock()


@contextmanager
def using(clock: Clock) -> Iterator[None]:
    """Let `clock` tell the time for the whole process until the block ends (for tests)."""
    global _clock  # noqa: PLW0603 - one clock for all threads is the point
    previous, _clock = _clock, clock
    try:
        yield
    finally:
        _clock = previous
