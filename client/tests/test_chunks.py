"""Rounds in chunks, split ones, and labels that follow: what reaches the service, and when."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from vigie_client import Backoff, Receipt, RoundReporter, SpoolFull, UnknownRound

if TYPE_CHECKING:
    from conftest import ScriptedService

SOON = Backoff(first=0.0)
NEVER = Backoff(first=3600.0, most=3600.0, uniform=lambda: 1.0)
Report = Callable[..., RoundReporter]
BODY: dict[str, Any] = {
    "attempt": 2,
    "global_step": 5,
    "clients": [{"client": f"c_{n}"} for n in range(40)],
}


@pytest.fixture
def report(tmp_path: Path, service: ScriptedService, key: str) -> Iterator[Report]:
    made: list[RoundReporter] = []

    def make(**options: Any) -> RoundReporter:
        options = {"transport": service.transport, "backoff": SOON, **options}
        made.append(RoundReporter("https://vigie.test", key, "stroke", tmp_path, **options))
        return made[-1]

    yield make
    for reporter in made:
        reporter.close(timeout=0)


def asked(service: ScriptedService) -> list[str]:
    return [request.url.raw_path.decode().split("/rounds/")[1] for request in service.requests]


def clients(service: ScriptedService) -> list[dict[str, Any]]:
    bodies = [json.loads(request.content) for request in service.requests]
    return [record for body in bodies for record in body.get("clients", [])]


def test_chunks_and_the_close_go_as_they_are_told(report: Report, service: ScriptedService) -> None:
    receipts: list[Receipt] = []
    reporter = report(on_receipt=receipts.append)
    reporter.close_round("run-1", 3, "fit", chunks=2, attempt=4)
    for chunk in (1, 0):
        reporter.push("run-1", 3, "fit", {"attempt": 4}, chunk=chunk)
    assert reporter.flush(5)
    assert asked(service) == ["3/fit/close", "3/fit?chunk=1", "3/fit?chunk=0"]
    assert json.loads(service.requests[0].content) == {"attempt": 4, "chunks": 2}
    assert [receipt.chunk for receipt in receipts] == [1, 0]
    assert reporter.delivered == 3


def test_a_chunk_may_be_reported_without_a_body(report: Report, service: ScriptedService) -> None:
    envelope: dict[str, Any] = {"model": "m", "version": "1", "global_step": 3, "seconds": 1.0}
    reporter = report()
    service.script.append(httpx.Response(200))  # what time is it?
    reporter.report("run-1", 3, "fit", [{"client": "c_1"}], chunk=7, **envelope)
    assert reporter.flush(5)
    _, request = service.requests
    assert request.url.raw_path.endswith(b"/3/fit?chunk=7")
    pushed = json.loads(request.content)
    assert pushed["ended_at"] > pushed["started_at"]
    with pytest.raises(ValueError, match="chunk is -1"):
        reporter.report("run-1", 3, "fit", [], chunk=-1, **envelope)
    with pytest.raises(ValueError, match="at most 20000 clients"):
        reporter.report("run-1", 3, "fit", [{}] * 20_001, chunk=1, **envelope)


def test_a_large_round_is_split_and_closed(
    report: Report, service: ScriptedService, tmp_path: Path
) -> None:
    reporter = report(max_body_bytes=400)
    reporter.push("run-1", 1, "fit", BODY)
    assert reporter.flush(5)
    *chunks, close = asked(service)
    assert chunks == [f"1/fit?chunk={number}" for number in range(len(chunks))]
    assert close == "1/fit/close"
    assert json.loads(service.requests[-1].content) == {"attempt": 2, "chunks": len(chunks)}
    assert clients(service) == BODY["clients"]
    assert (reporter.delivered, reporter.pending) == (1, 0)
    lines = (tmp_path / "receipts/000000000001.json").read_bytes().splitlines()
    assert [json.loads(line).get("chunk") for line in lines[:-1]] == list(range(len(chunks)))
    assert json.loads(lines[-1])["missing_count"] == 0


def test_a_split_round_goes_on_where_it_stopped(report: Report, service: ScriptedService) -> None:
    reporter = report(max_body_bytes=400)
    service.script.extend([receipt(0), httpx.Response(503), httpx.ConnectError("down")])
    reporter.push("run-1", 1, "fit", BODY)
    assert reporter.flush(5)
    assert asked(service)[:5] == ["1/fit?chunk=0", *["1/fit?chunk=1"] * 3, "1/fit?chunk=2"]


def test_after_a_crash_every_part_is_sent_with_the_same_bytes(
    report: Report, service: ScriptedService
) -> None:
    asked_for_time = httpx.Response(200)
    service.script.extend([asked_for_time, receipt(0), httpx.Response(503)])
    with report(max_body_bytes=400, backoff=NEVER) as first:
        first.report("run-1", 1, "fit", BODY["clients"], model="m", version="1",
                     global_step=5, seconds=1.0)  # fmt: skip
        first.close(timeout=0.2)
    before = [request for request in service.requests if request.method == "POST"]
    service.requests.clear()
    assert report(max_body_bytes=9999).flush(5)  # the split stays as it was made
    after = [request for request in service.requests if request.method == "POST"]
    assert len(before) == 2
    assert [one.content for one in after[:2]] == [one.content for one in before]
    assert asked(service)[-1] == "1/fit/close"
    assert clients(service) == BODY["clients"]


def test_a_part_that_is_refused_sets_the_round_aside_whole(
    report: Report, service: ScriptedService
) -> None:
    reporter = report(max_body_bytes=400)
    service.script.extend([receipt(0), service.problem(401, "unknown_key")])
    reporter.push("run-1", 1, "fit", BODY)
    assert reporter.flush(5)
    assert (reporter.delivered, reporter.refused, len(service.requests)) == (0, 1, 2)
    service.requests.clear()
    assert reporter.replay_refused() == 1
    assert reporter.flush(5)
    assert (reporter.delivered, reporter.refused) == (1, 0)
    assert clients(service) == BODY["clients"]


def test_a_chunk_of_ones_own_is_never_split(report: Report, service: ScriptedService) -> None:
    reporter = report(max_body_bytes=400)
    reporter.push("run-1", 1, "fit", BODY, chunk=3)
    assert reporter.flush(5)
    assert asked(service) == ["1/fit?chunk=3"]
    too_many = {"clients": [{"client": "c"}] * 20_001}
    with pytest.raises(ValueError, match="at most 20000 clients"):
        reporter.push("run-1", 1, "fit", too_many, chunk=4)


@pytest.mark.parametrize("chunk", [-1, 10_000, "1", 1.0])
def test_numbers_that_no_chunk_has_are_refused_at_once(report: Report, chunk: Any) -> None:
    reporter = report()
    with pytest.raises(ValueError, match="expected an int from 0 to 9999"):
        reporter.push("run-1", 1, "fit", {}, chunk=chunk)
    with pytest.raises(ValueError, match="expected an int from 1"):
        reporter.close_round("run-1", 1, "fit", chunks=0)
    with pytest.raises(ValueError, match="expected an int from 1"):
        reporter.close_round("run-1", 1, "fit", chunks=1, attempt=0)
    assert reporter.pending == 0


def test_an_attempt_that_is_none_is_set_aside(report: Report) -> None:
    reporter = report(max_body_bytes=400)
    reporter.push("run-1", 1, "fit", {**BODY, "attempt": "2"})
    assert reporter.flush(5)
    assert (reporter.delivered, reporter.refused) == (0, 1)


def test_labels_follow_with_the_rounds_own_envelope(
    report: Report, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten = {"Date": "Sat, 21 Nov 2026 10:00:00 GMT"}
    service.script.append(httpx.Response(200, headers=ten))
    late = [{"client": "c_1", "num_examples": np.int64(9), "label_counts": np.array([4, 5])}]
    with report() as reporter:
        local = datetime(2026, 11, 21, 9, 0, tzinfo=timezone.utc).timestamp()
        monkeypatch.setattr(reporter.clock, "local", lambda: local)
        reporter.report("run-1", 1, "serve", BODY["clients"], model="m", version="1",
                        global_step=5, seconds=60.0, bin_spec="bs_1")  # fmt: skip
        assert reporter.flush(5)
    later = report()
    for _ in range(2):
        later.labels("run-1", 1, "serve", iter(late), chunk=1)
    assert later.flush(5)
    assert asked_of_posts(service) == ["1/serve", "1/serve?chunk=1", "1/serve?chunk=1"]
    whole, labels, again = (json.loads(request.content) for request in service.requests[1:])
    assert labels == again == {
        **whole,
        "clients": [{"client": "c_1", "num_examples": 9, "label_counts": [4, 5]}],
    }  # fmt: skip
    assert labels["ended_at"] == "2026-11-21T10:00:01+00:00"


def asked_of_posts(service: ScriptedService) -> list[str]:
    posts = [request for request in service.requests if request.method == "POST"]
    return [request.url.raw_path.decode().split("/rounds/")[1] for request in posts]


def test_labels_are_for_the_newest_attempt(report: Report, service: ScriptedService) -> None:
    reporter = report()
    for attempt in (1, 2):
        reporter.push("run-1", 1, "serve", {"attempt": attempt, "clients": []})
    reporter.labels("run-1", 1, "serve", [], chunk=1)
    assert reporter.flush(5)
    assert json.loads(service.requests[-1].content) == {"attempt": 2, "clients": []}


def test_labels_of_a_round_that_is_forgotten_say_what_to_do(report: Report, tmp_path: Path) -> None:
    reporter = report(envelopes_kept=2)
    for number in range(1, 4):
        reporter.push("run-1", number, "serve", {"attempt": 1})
    for round_ in (("run-1", 1, "serve"), ("run-1", 3, "fit"), ("run-2", 3, "serve")):
        with pytest.raises(UnknownRound, match=r"not remembered.*push\(run, round.*global_step"):
            reporter.labels(*round_, [], chunk=1)
    reporter.labels("run-1", 2, "serve", [], chunk=1)
    assert len(list((tmp_path / "envelopes").iterdir())) == 2
    with pytest.raises(ValueError, match="chunk is 0"):
        reporter.labels("run-1", 2, "serve", [], chunk=0)
    with pytest.raises(ValueError, match="at most 20000 clients"):
        reporter.labels("run-1", 2, "serve", [{}] * 20_001, chunk=1)


def test_a_restart_forgets_the_oldest_first(report: Report, tmp_path: Path) -> None:
    with report() as first:
        for number in range(1, 4):
            first.push("run-1", number, "serve", {"attempt": 1})
    later = report(envelopes_kept=3)
    later.push("run-1", 4, "serve", {"attempt": 1})
    with pytest.raises(UnknownRound):
        later.labels("run-1", 1, "serve", [], chunk=1)
    later.labels("run-1", 2, "serve", [], chunk=1)


def test_nothing_can_be_added_to_a_round_that_was_turned_away(
    report: Report, service: ScriptedService
) -> None:
    service.script.append(httpx.Response(503))
    reporter = report(max_files=1, backoff=NEVER)
    reporter.push("run-1", 1, "serve", {"attempt": 1})
    with pytest.raises(SpoolFull):
        reporter.push("run-1", 2, "serve", {"attempt": 1})
    with pytest.raises(UnknownRound):
        reporter.labels("run-1", 2, "serve", [], chunk=1)


def test_envelopes_hold_no_records(report: Report, tmp_path: Path) -> None:
    reporter = report()
    reporter.push("run-1", 1, "serve", BODY)
    (file,) = (tmp_path / "envelopes").iterdir()
    assert b"c_1" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0


def receipt(chunk: int) -> httpx.Response:
    content = {
        "receipt_id": "r", "round_id": "r", "federation": "stroke", "run": "run-1", "round": 1,
        "phase": "fit", "attempt": 2, "chunk": chunk, "body_sha256": "", "accepted": 1,
        "received_at": "2026-01-01T00:00:00Z", "quarantined": 0, "refusals": [],
    }  # fmt: skip
    return httpx.Response(202, json=content)
