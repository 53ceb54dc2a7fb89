"""Traces: spans where a collector is named in the settings, and nothing at all elsewhere.

The service knows only this file. OpenTelemetry's SDK is imported in `app.core.telemetry`, and that
only when traces are on.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum
from typing import Protocol

from app.core import context
from app.core.settings import Settings

Attributes = Mapping[str, str | int]
Carrier = Mapping[str, str]  # W3C Trace Context: `traceparent`, and `tracestate` where there is one
NAMES: Mapping[str, str] = {
    "request_id": "vigie.request.id",
    "federation": "vigie.federation",
    "round_id": "vigie.round.id",
    "incident_id": "vigie.incident.id",
}


class Kind(StrEnum):
    """Which side of a call or of a message a span is."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Span(Protocol):
    """One piece of work in a trace."""

    def tell(self, name: str, attributes: Attributes) -> None:
        """What it is called, and more of what is known of it by now."""

    def fail(self, kind: str) -> None:
        """It failed, for this kind of reason."""


class Tracer(Protocol):
    """What makes spans."""

    def span(
        self, name: str, kind: Kind, attributes: Attributes, parent: Carrier | None
    ) -> AbstractContextManager[Span]:
        """A span, current until the block ends; below `parent`, or else below the current one."""

    def carried(self) -> Carrier:
        """The current span, as it goes along with a message."""

    def ids(self) -> dict[str, str]:
        """The `trace_id` and `span_id` of the current span, where there is one."""

    def close(self) -> None:
        """Send what was not sent yet."""


class _Nothing:
    """The span that is none."""

    def tell(self, name: str, attributes: Attributes) -> None:
        """Nothing to tell."""

    def fail(self, kind: str) -> None:
        """Nothing to fail."""


_NOTHING: AbstractContextManager[Span] = nullcontext(_Nothing())
_tracer: Tracer | None = None


def configure(settings: Settings, service: str) -> None:
    """Trace this process under the name of a service, if a collector is named.

    Raises:
        ModuleNotFoundError: where the extra `otel` is not installed, saying so.
    """
    global _tracer  # noqa: PLW0603 - one for all threads of the process is the point
    if settings.otlp_endpoint is None or _tracer is not None:
        return
    from app.core import telemetry  # noqa: PLC0415 - nobody else shall pay for OpenTelemetry

    _tracer = telemetry.exporting(settings.otlp_endpoint, service)


def close() -> None:
    """Send what was not sent yet, as a process does before it ends."""
    global _tracer
    tracer, _tracer = _tracer, None
    if tracer is not None:
        tracer.close()


@contextmanager
def using(tracer: Tracer) -> Iterator[None]:
    """Trace the whole process with this until the block ends (for tests)."""
    global _tracer  # noqa: PLW0603 - see configure
    previous, _tracer = _tracer, tracer
    try:
        yield
    finally:
        _tracer = previous


def span(
    name: str,
    attributes: Attributes,
    kind: Kind = Kind.INTERNAL,
    parent: Carrier | None = None,
) -> AbstractContextManager[Span]:
    """A piece of work in the trace, below `parent` or else below the current one."""
    return _NOTHING if _tracer is None else _tracer.span(name, kind, attributes, parent)


def of_work() -> dict[str, str]:
    """What is known of the work by now, in the names of span attributes."""
    return {NAMES[name]: value for name, value in context.known().items() if name in NAMES}


def carried() -> Carrier:
    """What goes along with a message, so that the trace goes on where it is read."""
    return {} if _tracer is None else _tracer.carried()


def ids() -> dict[str, str]:
    """The `trace_id` and `span_id` that a log line carries."""
    return {} if _tracer is None else _tracer.ids()
