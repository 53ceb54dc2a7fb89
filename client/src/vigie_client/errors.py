"""What this library raises on its own account.

``VigieClientError``
    ``VigieError``: the service answered, and it was no success
    ``VigieUnreachable``: no usable answer came
    ``SpoolFull``, ``SpoolLocked``: the disk spool cannot take what was asked of it
    ``UnknownRound``: the envelope of a round is not remembered
    ``LeaseLost``: a retrain request is no longer this worker's
    ``WebhookRefused``: a message is not Vigie's, or not of just now
"""

from dataclasses import dataclass

from vigie_client.advice import advice_on

# Answers after which the same request may succeed: timeouts, too early, too many, server trouble.
_TRANSIENT = frozenset({408, 425, 429})
_SERVER_ERRORS = 500


@dataclass(frozen=True)
class FieldError:
    """One thing wrong in one field; ``field`` is a path such as ``clients.3.label_counts.1``."""

    field: str
    code: str
    message: str


class VigieClientError(Exception):
    """Root of the errors of this library."""


class VigieError(VigieClientError):
    """The service answered with a problem (RFC 9457) or another status that is no success.

    ``code`` is the problem's stable name (``urn:vigie:problem:<code>``), or ``http_<status>`` when
    the answer was no problem document. ``retry_after`` is in seconds, as the service asked.
    ``request_id`` is what the service's log calls the request; whoever runs the service finds it by
    that. The text of the error is what is wrong, field by field, what to do, and that id.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(status, code, detail, errors, retry_after, request_id)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after
        self.request_id = request_id

    @property
    def transient(self) -> bool:
        """Whether the same request, sent later, may succeed."""
        return self.status in _TRANSIENT or self.status >= _SERVER_ERRORS

    @property
    def advice(self) -> str:
        """What to do about it, in a sentence; empty where ``detail`` says it or waiting is all."""
        return advice_on(self.status, self.code)

    def __str__(self) -> str:
        fields = "; ".join(f"{error.field}: {error.message}" for error in self.errors)
        said = f"{self.status} {self.code}: {self.detail}" + (f" ({fields})" if fields else "")
        advised = f"{said.rstrip('.')}. {self.advice}" if self.advice else said
        return f"{advised} [request {self.request_id}]" if self.request_id else advised


class VigieUnreachable(VigieClientError):
    """No usable answer: no connection, a timeout, or something that is not Vigie answered."""

    transient = True
    retry_after = None


class SpoolFull(VigieClientError):
    """The spool is at its bound; what was pushed last is not in it."""


class SpoolLocked(VigieClientError):
    """Another reporter has this spool."""


class UnknownRound(VigieClientError):
    """The envelope of this round is not remembered, so nothing can be added to it without."""


class LeaseLost(VigieClientError):
    """The retrain request was given to another worker, cancelled or expired: stop training."""


class WebhookRefused(VigieClientError):
    """A webhook's message that must not be acted on: it is not Vigie's, or not of just now."""
