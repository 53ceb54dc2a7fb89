"""Spans by OpenTelemetry; imported only where traces are on.

The provider is the service's own, not the process's: libraries that trace by themselves (MLflow
does) send nothing through it. Sampling, batches and headers follow OpenTelemetry's own variables,
such as `OTEL_TRACES_SAMPLER` and `OTEL_EXPORTER_OTLP_HEADERS`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.core.tracing import Attributes, Carrier, Kind, Span

EXPORT_SECONDS = 3  # for one batch, tries included: so long may a process take longer to end
_KINDS = {kind: SpanKind[kind.name] for kind in Kind}
_WIRE = TraceContextTextMapPropagator()


class OtelSpan:
    """A span of OpenTelemetry's SDK."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def tell(self, name: str, attributes: Attributes) -> None:
        """What it is called, and more of what is known of it by now."""
        self._span.update_name(name)
        self._span.set_attributes(dict(attributes))

    def fail(self, kind: str) -> None:
        """It failed, for this kind of reason."""
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))


class OtelTracer:
    """Makes spans, and hands those that ended to a processor."""

    def __init__(self, processor: SpanProcessor, service: str) -> None:
        told = {
            "service.name": service,
            "service.version": version("vigie"),
            "service.instance.id": str(uuid4()),
        }
        self._provider = TracerProvider(resource=Resource.create(told), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("vigie", version("vigie"))

    @contextmanager
    def span(
        self, name: str, kind: Kind, attributes: Attributes, parent: Carrier | None
    ) -> Iterator[Span]:
        """A span, current until the block ends; an error's type is kept of it, not its words."""
        above = None if parent is None else _WIRE.extract(parent)
        with self._tracer.start_as_current_span(
            name,
            above,
            _KINDS[kind],
            dict(attributes),
            record_exception=False,  # the words of an error may hold what must not leave
            set_status_on_exception=False,
        ) as made:
            span = OtelSpan(made)
            try:
                yield span
            except Exception as error:
                span.fail(type(error).__qualname__)
                raise

    def carried(self) -> Carrier:
        """The current span, as W3C Trace Context."""
        carrier: dict[str, str] = {}
        _WIRE.inject(carrier)
        return carrier

    def ids(self) -> dict[str, str]:
        """The ids of the current span, in hexadecimal."""
        here = trace.get_current_span().get_span_context()
        if not here.is_valid:
            return {}
        return {
            "trace_id": trace.format_trace_id(here.trace_id),
            "span_id": trace.format_span_id(here.span_id),
        }

    def close(self) -> None:
        """Send what was not sent yet."""
        self._provider.shutdown()


def exporting(endpoint: str, service: str) -> OtelTracer:
    """Spans that go to a collector by OTLP over HTTP, in batches, from a thread of its own.

    Raises:
        ModuleNotFoundError: where the exporter is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
            OTLPSpanExporter,
        )
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "VIGIE_OTLP_ENDPOINT is set, and the exporter is not installed: install `vigie[otel]`,"
            " or unset the variable."
        ) from error
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    return OtelTracer(BatchSpanProcessor(exporter), service)
