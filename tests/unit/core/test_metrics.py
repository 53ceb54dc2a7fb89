"""What Prometheus reads: HTTP by route template, the database when it answers, nothing by name."""

import gzip
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlmodel import Session

from app.core import clock, metrics, outbox
from app.core.body_limit import BodyLimit
from app.core.database import Database
from app.core.metrics import Sample, Source, by_label

PUSH = "/v1/federations/flights/runs/run-1/rounds/1/evaluate"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def _app(database: Database, sources: Iterable[Source] = ()) -> FastAPI:
    app = FastAPI()
    app.state.database = database
    things = APIRouter(prefix="/v1/things/{thing}")

    @things.get("/parts/{part}")
    def read_part(thing: str, part: str) -> str:
        if part == "broken":
            raise RuntimeError(part)
        return part

    app.include_router(things)
    app.include_router(metrics.router)
    app.add_middleware(BodyLimit, limit=10)
    metrics.install(app, sources)
    return app


def _scrape(client: TestClient, **headers: str) -> Samples:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def _value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


@pytest.fixture
def client(database: Database) -> TestClient:
    return TestClient(_app(database), raise_server_exceptions=False)


PART = "/v1/things/{thing}/parts/{part}"


def test_requests_are_counted_by_route_template(client: TestClient) -> None:
    for name in ("a", "b", "c"):
        client.get(f"/v1/things/secret-{name}/parts/{name}")
    samples = _scrape(client)
    counted = _value(samples, "vigie_http_requests_total", route=PART, method="GET", status="200")
    assert counted == 3
    assert _value(samples, "vigie_http_request_seconds_count", route=PART, method="GET") == 3
    assert not any("secret" in value for _, labels in samples for _, value in labels)


@pytest.mark.parametrize(
    ("method", "path", "route", "label", "status"),
    [
        ("GET", "/no/such/path", "unmatched", "GET", "404"),
        ("DELETE", "/v1/things/a/parts/b", PART, "DELETE", "405"),
        ("BREW", "/v1/things/a/parts/b", PART, "other", "405"),
        ("GET", "/v1/things/a/parts/broken", PART, "GET", "500"),
    ],
)
def test_odd_requests_keep_labels_few(
    client: TestClient, method: str, path: str, route: str, label: str, status: str
) -> None:
    client.request(method, path)
    samples = _scrape(client)
    counted = _value(samples, "vigie_http_requests_total", route=route, method=label, status=status)
    assert counted == 1


def test_an_answer_of_another_middleware_is_counted(client: TestClient) -> None:
    client.post("/v1/things/a/parts/b", content=b"x" * 11)
    counted = _value(
        _scrape(client),
        "vigie_http_requests_total",
        route="unmatched",
        method="POST",
        status="413",
    )
    assert counted == 1


def test_the_outbox_is_read_when_scraped(client: TestClient, database: Database) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert _value(_scrape(client), "vigie_outbox_oldest_pending_seconds") == 0
    with clock.using(lambda: at), database.session_scope() as session:
        outbox.enqueue(session, "a.task", uuid4())
    with clock.using(lambda: at + timedelta(seconds=90)):
        samples = _scrape(client)
    assert _value(samples, "vigie_database_up") == 1
    assert _value(samples, "vigie_outbox_rows", state="pending") == 1
    assert _value(samples, "vigie_outbox_rows", state="failed") == 0
    assert _value(samples, "vigie_outbox_oldest_pending_seconds") == 90


def test_sources_of_domains_are_read_beside_the_outbox(database: Database) -> None:
    def rounds(session: Session) -> list[Sample]:
        return [Sample(7)]

    def refusals(session: Session) -> list[Sample]:
        return by_label({"too_many": 2, "negative_count": 1})

    sources = (
        Source("vigie_rounds_total", "Rounds accepted.", rounds),
        Source("vigie_refusals_total", "Refusals by code.", refusals, ("code",)),
    )
    client = TestClient(_app(database, sources))
    samples = _scrape(client)
    assert _value(samples, "vigie_rounds_total") == 7
    assert _value(samples, "vigie_refusals_total", code="negative_count") == 1
    assert "# TYPE vigie_rounds_total counter" in client.get("/metrics").text


def test_without_a_database_http_is_still_measured(database: Database) -> None:
    missing = Database("sqlite:////nonexistent/folder/vigie.db")
    client = TestClient(_app(missing))
    client.get("/v1/things/a/parts/b")
    samples = _scrape(client)
    assert _value(samples, "vigie_database_up") == 0
    assert _value(samples, "vigie_outbox_rows", state="pending") is None
    assert _value(samples, "vigie_http_requests_total", route=PART, method="GET", status="200")


def test_every_app_counts_for_itself(database: Database) -> None:
    one, other = TestClient(_app(database)), TestClient(_app(database))
    one.get("/v1/things/a/parts/b")
    counted = _value(
        _scrape(other), "vigie_http_requests_total", route=PART, method="GET", status="200"
    )
    assert counted is None


def test_openmetrics_is_served_to_who_asks_for_it(client: TestClient) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    answer = client.get("/metrics", headers={"accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_a_packed_push_counts_with_the_others(api: TestClient) -> None:
    packed = {"Content-Encoding": "gzip"}
    api.post(PUSH, content=gzip.compress(b"{}"), headers=packed)
    api.post(PUSH, content=b"{}")
    route = "/v1/federations/{federation}/runs/{run}/rounds/{number}/{phase}"
    told = {"route": route, "method": "POST", "status": "401"}
    assert _value(_scrape(api), "vigie_http_requests_total", **told) == 2
