"""The tree of domain errors: each carries facts; HTTP maps them once, in `problems.py`."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class ErrorKind(Enum):
    """What sort of refusal an error is; the value is the HTTP status it is answered with."""

    MALFORMED = 400
    UNAUTHENTICATED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    CONFLICT = 409
    GONE = 410
    TOO_LARGE = 413
    INVALID = 422
    TOO_MANY = 429
    UNAVAILABLE = 503


@dataclass(frozen=True)
class FieldError:
    """One thing wrong in one field of what was sent.

    `field` is a dotted path such as `clients.3.label_counts.1`; the refused value is never
    echoed, since it may be what must not be stored.
    """

    field: str
    code: str
    message: str


class DomainError(Exception):
    """A refusal with a stable code; the message says what was wrong and what to do."""

    code: ClassVar[str] = "error"
    kind: ClassVar[ErrorKind] = ErrorKind.INVALID

    def __init__(
        self,
        message: str,
        errors: tuple[FieldError, ...] = (),
        *,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.errors = errors
        self.retry_after = retry_after  # seconds

    @property
    def title(self) -> str:
        """The code in words."""
        return self.code.replace("_", " ").capitalize()


class NotFoundError(DomainError):
    """What was named does not exist, or not for this caller; the two look the same on purpose."""

    code = "not_found"
    kind = ErrorKind.NOT_FOUND

    def __init__(self, what: str, name: object) -> None:
        super().__init__(f"No {what} {name!s} here. Check the name, and that your key may see it.")


class IllegalTransitionError(DomainError):
    """A state machine was asked for a step that its table does not allow."""

    code = "illegal_transition"
    kind = ErrorKind.CONFLICT

    def __init__(self, what: str, current: str, target: str, allowed: tuple[str, ...]) -> None:
        ways = ", ".join(allowed) or "stay: this state is final"
        super().__init__(f"The {what} is {current}: it cannot become {target}, only {ways}.")
        self.current, self.target = current, target


class BackupError(DomainError):
    """A backup could not be written or put back; nothing has changed."""

    code = "backup_failed"
    kind = ErrorKind.CONFLICT
