"""How far this machine's clock is from the service's, learned from the Date of its answers."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

log = logging.getLogger("vigie_client")

# Beyond this many seconds a clock is wrong rather than imprecise.
DEFAULT_TOLERANCE = 60.0
# A Date has whole seconds, and servers make a new one only every second.
_RESOLUTION = 2.0


@dataclass(frozen=True)
class _Between:
    """The service's clock less this machine's: between ``least`` and ``most`` seconds."""

    least: float
    most: float

    def narrowed(self, other: "_Between") -> "_Between":
        """What both allow; ``other``, the newer, where they contradict: a clock was set."""
        least, most = max(self.least, other.least), min(self.most, other.most)
        return _Between(least, most) if least <= most else other

    @property
    def nearest_to_none(self) -> float:
        """The smallest offset that is possible."""
        return min(max(0.0, self.least), self.most)

    @property
    def middle(self) -> float:
        return (self.least + self.most) / 2


class ServerClock:
    """The service's clock, as this machine can tell it. Safe between threads.

    Every answer bounds the offset: its Date was made between sending and receiving. Bounds of many
    answers narrow it. As long as no offset at all is possible, it counts as none. Beyond
    ``tolerance`` seconds it is logged as a warning, once until it is within bounds again.
    """

    def __init__(
        self, tolerance: float = DEFAULT_TOLERANCE, local: Callable[[], float] = time.time
    ) -> None:
        """``local`` is this machine's clock, in seconds since 1970."""
        self._tolerance, self.local = tolerance, local
        self._between: _Between | None = None
        self._warned = False
        self._mutex = threading.Lock()

    @property
    def measured(self) -> bool:
        """Whether any answer has told the service's time."""
        return self._between is not None

    @property
    def offset(self) -> float:
        """Seconds to add to this machine's clock; 0 while nothing speaks for more."""
        between = self._between
        return between.middle if between and between.nearest_to_none else 0.0

    def observe(self, date: str | None, sent: float, received: float) -> None:
        """Learn from an answer's Date header; ``sent`` and ``received`` are by ``local``."""
        try:
            told = parsedate_to_datetime(date or "").timestamp()
        except (TypeError, ValueError, OverflowError):
            return
        seen = _Between(told - received, told + _RESOLUTION - sent)
        with self._mutex:
            self._between = seen if self._between is None else self._between.narrowed(seen)
            self._warn(self._between)

    def moment(self, local: float) -> datetime:
        """Return the service's time (UTC) at which this machine's clock read ``local``."""
        return datetime.fromtimestamp(local + self.offset, timezone.utc)

    def now(self) -> datetime:
        """Return the service's time (UTC) now."""
        return self.moment(self.local())

    def _warn(self, between: _Between) -> None:
        wrong = abs(between.nearest_to_none) > self._tolerance
        if wrong and not self._warned:
            log.warning(
                "This machine's clock is %.0f s %s Vigie's. Times that vigie-client makes are "
                "corrected; those in your own bodies are not. Set the clock (NTP).",
                abs(between.middle),
                "behind" if between.middle > 0 else "ahead of",
            )
        self._warned = wrong
