"""One round is followed through the log, and through one trace, from its push to the notice."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from tests.rounds import pseudonym
from tests.unit.dashboards.played import CLIENTS
from tests.unit.docs.pages import page, table_rows
from tests.unit.observing.story import DRIFTING, STABLE, Observed, observed

OPENED = {"event": "incidents.announced", "of": "opened"}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, blank_database: Path) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("observed")
    (folder / "vigie.db").write_bytes(blank_database.read_bytes())
    with observed(folder) as told:
        yield told


def one_that_opened(story: Observed) -> dict[str, Any]:
    return next(line for line in story.lines if OPENED.items() <= line.items())


def test_every_line_of_a_worker_about_a_round_names_the_request_that_brought_it(
    story: Observed,
) -> None:
    pushes = [
        line
        for line in story.lines
        if line["event"] == "request.answered" and line.get("status") == 202 and "round_id" in line
    ]
    brought = {line["round_id"]: line["request_id"] for line in pushes}
    assert len(brought) == STABLE + DRIFTING + 1  # whose other chunk never came
    assert set(brought.values()) <= {f"fl-server:{step}" for step in range(1, 40)}
    about = [line for line in story.lines if "task" in line and "round_id" in line]
    assert {line["task"] for line in about} >= {
        "incidents.on_round",
        "incidents.announce",
        "incidents.deliver_notice",
    }
    assert [line for line in about if line["request_id"] != brought[line["round_id"]]] == []
    judged = [line for line in story.lines if line.get("task") == "incidents.on_round"]
    assert [line for line in judged if "round_id" not in line or "federation" not in line] == []


def test_an_incident_is_followed_from_its_round_to_its_notices(story: Observed) -> None:
    opened = one_that_opened(story)
    about = [line for line in story.lines if line.get("incident_id") == opened["incident_id"]]
    events = [line["event"] for line in about]
    assert {"incidents.announced", "delivery.sent", "delivery.failed", "incident"} <= set(events)
    assert {line["federation"] for line in about} == {"flights"}
    first = [line for line in about if line["timestamp"] <= opened["timestamp"]]
    assert {line["round_id"] for line in first} == {opened["round_id"]}


def test_no_line_holds_a_secret_a_pseudonym_or_anything_that_was_sent(story: Observed) -> None:
    clients = [pseudonym(f"carrier-{number}") for number in range(CLIENTS)]
    sent = {number for body in story.play.sent for number in re.findall(r"\d+\.\d{3,}", body)}
    assert len(sent) > 30
    for hidden in (*clients, *story.play.secrets, "s" * 32):
        assert hidden not in story.text
    told = set(re.findall(r"\d+\.\d{3,}", story.text))
    assert told & sent == set()
    assert all("client" not in name for line in story.lines for name in line)


def test_every_field_of_every_line_is_documented(story: Observed) -> None:
    rows = table_rows(page("docs/reference/logs.md"))
    documented = {name for row in rows for name in re.findall("`([^`]+)`", row[0])}
    ours = [line for line in story.lines if "HTTP Request" not in line["event"]]
    assert {name for line in ours for name in line} - documented == set()
    assert {line["event"] for line in ours} - documented == set()


def test_one_trace_leads_from_the_push_to_the_delivery(story: Observed) -> None:
    spans = {span.context.span_id: span for span in story.spans if span.context}
    opened = next(span for span in story.spans if span.name == "open incident")
    about = opened.attributes["vigie.incident.id"]
    delivered = next(
        span
        for span in story.spans
        if span.name == "deliver notice" and span.attributes["vigie.incident.id"] == about
    )
    way = [(span.kind, span.name) for span in ancestry(delivered, spans)][::-1]
    push = "POST /v1/federations/{federation}/runs/{run}/rounds/{number}/{phase}"
    assert way == [
        (SpanKind.SERVER, push),
        (SpanKind.PRODUCER, "send incidents.on_round"),
        (SpanKind.CONSUMER, "process incidents.on_round"),
        (SpanKind.INTERNAL, "open incident"),
        (SpanKind.PRODUCER, "send incidents.announce"),
        (SpanKind.CONSUMER, "process incidents.announce"),
        (SpanKind.PRODUCER, "send incidents.deliver_notice"),
        (SpanKind.CONSUMER, "process incidents.deliver_notice"),
        (SpanKind.CLIENT, "deliver notice"),
    ]


def ancestry(span: ReadableSpan, spans: dict[int, ReadableSpan]) -> Iterator[ReadableSpan]:
    yield span
    while span.parent is not None:
        assert span.parent.trace_id == span.context.trace_id
        span = spans[span.parent.span_id]
        yield span


def test_spans_tell_ids_of_rounds_and_incidents_and_never_of_clients(story: Observed) -> None:
    for span in story.spans:
        assert set(span.attributes) <= {
            "http.request.method",
            "http.route",
            "http.response.status_code",
            "messaging.system",
            "messaging.operation.type",
            "messaging.operation.name",
            "messaging.destination.name",
            "messaging.message.id",
            "error.type",
            "vigie.carrier",
            "vigie.request.id",
            "vigie.federation",
            "vigie.round.id",
            "vigie.incident.id",
        }
        assert span.events == ()
    judged = [span for span in story.spans if span.name == "process incidents.on_round"]
    assert all("vigie.round.id" in span.attributes for span in judged)


def test_a_line_names_the_trace_that_it_was_written_in(story: Observed) -> None:
    opened = one_that_opened(story)
    span = next(span for span in story.spans if f"{span.context.span_id:016x}" == opened["span_id"])
    assert f"{span.context.trace_id:032x}" == opened["trace_id"]
    assert span.name == "process incidents.announce"
