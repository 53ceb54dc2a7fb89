"""Prometheus: what HTTP did, counted as it happens, and what the database says, read when scraped.

Labels are few and bounded: route templates, never paths; no federation and no client, since
`/metrics` is readable without a key. Core knows no domain: `main` hands `install` the sources.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import clock, outbox
from app.core.database import Database, size_of

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED, OTHER_METHOD = "unmatched", "other"
UNANSWERED = 500

log = structlog.get_logger(__name__)
router = APIRouter(tags=["health"])


@dataclass(frozen=True)
class Sample:
    """One value of a metric, with one label value for each of its source's label names."""

    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A metric that a query answers; a name that ends in `_total` is a counter, another a gauge."""

    name: str
    help: str
    query: Callable[[Session], Iterable[Sample]]
    labels: tuple[str, ...] = ()

    def read(self, session: Session) -> Metric:
        """The metric as it stands in the database."""
        kind = CounterMetricFamily if self.name.endswith("_total") else GaugeMetricFamily
        family = kind(self.name, self.help, labels=self.labels)
        for sample in self.query(session):
            family.add_metric(sample.labels, sample.value)
        return family


def by_label(values: Mapping[str, float]) -> list[Sample]:
    """Samples of a source with one label, from a mapping of that label's values."""
    return [Sample(value, (label,)) for label, value in sorted(values.items())]


class DatabaseCollector(Collector):
    """Reads every source in one transaction; `vigie_database_up` is 0 when that fails."""

    def __init__(self, database: Callable[[], Database], sources: tuple[Source, ...]) -> None:
        self._database, self._sources = database, sources

    def collect(self) -> Iterator[Metric]:
        """The sources' metrics, or none when the database does not answer."""
        started = time.perf_counter()
        found, up = self._read()
        took = time.perf_counter() - started
        yield GaugeMetricFamily("vigie_database_up", "1 if the database answers.", up)
        told = "Seconds that reading all that one scrape tells took."
        yield GaugeMetricFamily("vigie_database_read_seconds", told, took)
        yield from found

    def _read(self) -> tuple[list[Metric], int]:
        try:
            with self._database().read_scope() as session:
                return [source.read(session) for source in self._sources], 1
        except SQLAlchemyError as error:
            log.warning("metrics.database_unavailable", error=type(error).__name__)
            return [], 0


class HttpMetrics:
    """ASGI middleware: counts and times every answer by route template, method and status."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self.app = app
        self.requests = Counter(
            "vigie_http_requests_total",
            "Answered requests.",
            ("route", "method", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "vigie_http_request_seconds",
            "Seconds from a request's arrival to the end of its answer.",
            ("route", "method"),
            buckets=SECONDS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note what became of it; one without an answer counts as 500."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = UNANSWERED

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        try:
            await self.app(scope, receive, note)
        finally:
            self._observe(scope, status, time.perf_counter() - started)

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        # The router leaves the route that it chose in the scope.
        route = getattr(scope.get("route"), "path", UNMATCHED)
        method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
        self.requests.labels(route, method, str(status)).inc()
        self.seconds.labels(route, method).observe(seconds)


def install(app: FastAPI, sources: Iterable[Source] = ()) -> None:
    """Measure `app`, in a registry of its own; `sources` are read beside those of the core.

    Call it after any other middleware was added, so that it sees their answers too.
    """
    registry = CollectorRegistry()
    collector = DatabaseCollector(lambda: app.state.database, (*CORE_SOURCES, *sources))
    registry.register(collector)
    app.state.metrics = registry
    app.add_middleware(HttpMetrics, registry=registry)


@router.get("/metrics", response_class=Response, include_in_schema=False)
def scrape(request: Request) -> Response:
    """Every metric, in the format that Prometheus asks for."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(request.app.state.metrics), headers={"content-type": media_type})


def _outbox_rows(session: Session) -> list[Sample]:
    return by_label(outbox.depth(session))


def _unfinished(session: Session) -> list[Sample]:
    return [Sample(count, (task, state)) for task, state, count in outbox.unfinished(session)]


def _oldest_pending(session: Session) -> list[Sample]:
    oldest = outbox.oldest_pending(session)
    return [Sample(0.0 if oldest is None else (clock.now() - oldest).total_seconds())]


def _size(session: Session) -> list[Sample]:
    return [Sample(size_of(session))]


CORE_SOURCES = (
    Source("vigie_database_size_bytes", "Bytes that the database takes on its disk.", _size),
    Source("vigie_outbox_rows", "Outbox rows by state.", _outbox_rows, ("state",)),
    Source(
        "vigie_outbox_unfinished_rows",
        "Outbox rows that wait or were given up, by task.",
        _unfinished,
        ("task", "state"),
    ),
    Source(
        "vigie_outbox_oldest_pending_seconds",
        "Age of the oldest outbox row that waits; 0 if none does.",
        _oldest_pending,
    ),
)
