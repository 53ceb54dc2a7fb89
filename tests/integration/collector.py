"""An OpenTelemetry collector: a server on 127.0.0.1 that takes spans by OTLP over HTTP."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class Received:
    """A span, as a collector gets it."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str | int]


@dataclass
class Collector:
    """Where it listens, and what came in."""

    endpoint: str
    spans: list[Received] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        """Decode what one request holds."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            (service,) = (
                one.value.string_value
                for one in resource.resource.attributes
                if one.key == "service.name"
            )
            for scope in resource.scope_spans:
                self.spans.extend(_received(service, span) for span in scope.spans)

    def way_to(self, name: str) -> list[str]:
        """The names of the spans from the first of its trace down to one of this name."""
        by_id = {span.span_id: span for span in self.spans}
        here = next((span for span in self.spans if span.name == name), None)
        way: list[str] = []
        while here is not None:
            way.insert(0, f"{here.service}: {here.name}")
            here = by_id.get(here.parent_id)
        return way


def _received(service: str, span: object) -> Received:
    values = {
        one.key: one.value.string_value or one.value.int_value
        for one in span.attributes  # type: ignore[attr-defined]
    }
    ids = (span.trace_id, span.span_id, span.parent_span_id)  # type: ignore[attr-defined]
    return Received(service, span.name, *(one.hex() for one in ids), values)  # type: ignore[attr-defined]


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            here = self.path == "/v1/traces"
            if here:
                collector.take(gzip.decompress(body) if packed else body)
            self.send_response(200 if here else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield collector
        server.shutdown()
        thread.join()
