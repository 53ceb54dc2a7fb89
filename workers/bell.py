"""The bell: what the API's transactions ask for is looked for at once, not when beat next asks.

Nothing relies on it. It is rung after the commit and outside of the request, by a thread of its
own; a broker that is out loses the ring, and beat's next look finds the work. While nobody hears
it, it does not ring again.
"""

from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

from kombu.exceptions import OperationalError
from sqlmodel import Session

from app.core import outbox
from app.core.database import Database

PAUSE_SECONDS = 0.1  # between two rings: many pushes at once are one look


class Bell:
    """Calls `ask` soon after work was asked for, and at most ten times a second."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._rung, self._closed = Event(), Event()
        self._thread = Thread(target=self._serve, name="bell", daemon=True)
        self._thread.start()

    def listen(self, database: Database) -> None:
        """Ring after every transaction of this process that asked for work."""
        database.after_commit.append(self._heard)

    def close(self) -> None:
        """Ring no more."""
        self._closed.set()
        self._rung.set()
        self._thread.join()

    def _heard(self, session: Session) -> None:
        if outbox.asked(session):
            self._rung.set()

    def _serve(self) -> None:
        while self._rung.wait() and not self._closed.is_set():
            self._rung.clear()
            with suppress(OperationalError, OSError):  # whoever relies on the broker says it is out
                self._ask()
            self._closed.wait(PAUSE_SECONDS)
