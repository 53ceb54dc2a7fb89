"""The end of a worker: one bound for all that it does, counted from the signal.

What has not ended by then is left to the outbox, which sends it again, as after a kill: a backtest
may take an hour, and a library may wait in threads that the interpreter would join.
"""

import os
import time
from collections.abc import Callable
from threading import Timer

import structlog

from workers.lanes import Lanes

SPARE_SECONDS = 2.0  # to end in good order, once everything under way has had its time

log = structlog.get_logger(__name__)


def leave() -> None:
    """End the process, whatever still goes on in it."""
    log.warning("worker.left_work")
    os._exit(0)


class Ending:
    """How long a process that was told to end may go on: `seconds`, and a little to tidy up."""

    def __init__(self) -> None:
        self._until: float | None = None

    def begin(
        self, seconds: float, leave: Callable[[], None] = leave, spare: float = SPARE_SECONDS
    ) -> None:
        """Count from now on; `leave` is called when time is up. Only the first call counts."""
        if self._until is not None:
            return
        self._until = time.monotonic() + seconds
        timer = Timer(seconds + spare, leave)
        timer.daemon = True
        timer.start()

    def close(self, *every: Lanes) -> None:
        """Close all lanes together, and give what is under way in them the time that is left."""
        assert self._until is not None, "it has begun"
        for lanes in every:
            lanes.close()
        for lanes in every:
            lanes.wait(self._until - time.monotonic())
