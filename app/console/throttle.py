"""Slows down guessing at the sign-in page: so many failures a minute for each address."""

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.core.errors import DomainError, ErrorKind

FAILURES = parse("10/minute")


class TooManyAttemptsError(DomainError):
    """The address failed too often."""

    code = "too_many_attempts"
    kind = ErrorKind.TOO_MANY

    def __init__(self) -> None:
        super().__init__("Too many failed attempts from this address; wait a minute.")


class Throttle:
    """Counts failures in this process."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, address: str) -> None:
        """Refuse an address that failed too often.

        Raises:
            TooManyAttemptsError: until a minute has passed since.
        """
        if not self._limiter.test(FAILURES, address):
            raise TooManyAttemptsError

    def failed(self, address: str) -> None:
        """Count a failure."""
        self._limiter.hit(FAILURES, address)
