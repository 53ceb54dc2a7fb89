"""Spools of an FL server that runs several jobs at once, each job a process of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from vigie_client.errors import SpoolLocked
from vigie_client.reporter import RoundReporter

_PREFIX = "spool-"
# What other jobs left has no claim on this one's time.
_OTHERS_SECONDS = 0.5


class Spools:
    """Every spool under ``folder`` that no other job holds; the first takes this job's pushes.

    A spool belongs to one process, so jobs that run side by side have one each: ``spool-0``,
    ``spool-1`` and so on. All that are free are opened, so that what a job which was killed left
    in its spool is sent by the next one, whichever number it gets.
    """

    def __init__(self, folder: Path, open_reporter: Callable[[Path], RoundReporter]) -> None:
        """Open them; ``ValueError`` and ``OSError`` as ``RoundReporter`` raises them."""
        self._stack = ExitStack()
        with ExitStack() as until_done:
            until_done.callback(self._stack.close)
            free = []
            for reporter in _free(folder, open_reporter):
                self._stack.callback(reporter.close, _OTHERS_SECONDS)
                free.append(reporter)
            self.reporter = free[0]
            until_done.pop_all()

    def close(self, timeout: float) -> None:
        """Send what can be sent of this job's in ``timeout`` seconds; the rest stays."""
        self.reporter.close(timeout)
        self._stack.close()


def _free(folder: Path, open_reporter: Callable[[Path], RoundReporter]) -> Iterator[RoundReporter]:
    found = False
    for number in count():
        spool = folder / f"{_PREFIX}{number}"
        if found and not spool.exists():
            return
        try:
            yield open_reporter(spool)
        except SpoolLocked:
            continue
        found = True
