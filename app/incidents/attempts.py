"""How often a delivery is tried, and when: 8 attempts over about 28 hours."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom

# Seconds after the first attempt, the second, ...: 27.6 h in all, as the specification of Standard
# Webhooks recommends.
MINUTE, HOUR = 60.0, 3600.0
PAUSES = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR)
MOST_ATTEMPTS = len(PAUSES) + 1
JITTER = 0.1  # so that what failed together does not come back together

_random = SystemRandom()


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: `error` is None if the receiver took the message.

    `gone` is a receiver that wants no more, `needless` a message that there was no receiver for.
    """

    error: str | None = None
    retry_after: float | None = None
    gone: bool = False
    needless: bool = False

    @property
    def sent(self) -> bool:
        """Whether the receiver took it."""
        return self.error is None


SENT = Outcome()


def next_attempt(attempts: int, at: datetime, retry_after: float | None = None) -> datetime | None:
    """When to try again after this many attempts; None when it was the last.

    A receiver that asks to be left alone for longer gets its wish.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    pause = PAUSES[attempts - 1] * _random.uniform(1 - JITTER, 1 + JITTER)
    return at + timedelta(seconds=max(pause, retry_after or 0.0))


def later(at: datetime, seconds: float) -> datetime:
    """About so many seconds from then."""
    return at + timedelta(seconds=seconds * _random.uniform(1 - JITTER, 1 + JITTER))
