from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from vigie_client import Backoff, Receipt, RoundReporter, SpoolFull, SpoolLocked

if TYPE_CHECKING:
    from conftest import LoopbackService, ScriptedService

SOON = Backoff(first=0.0)
NEVER = Backoff(first=3600.0, most=3600.0, uniform=lambda: 1.0)
Report = Callable[..., RoundReporter]


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


def test_what_is_pushed_is_delivered_in_order(report: Report, service: ScriptedService) -> None:
    receipts: list[Receipt] = []
    service.script.extend([httpx.ConnectError("down"), httpx.Response(503)])
    reporter = report(on_receipt=receipts.append)
    for number in range(1, 11):
        reporter.push("run-1", number, "evaluate", {"attempt": 1})
    assert reporter.flush(5)
    assert [receipt.round for receipt in receipts] == list(range(1, 11))
    assert (reporter.pending, reporter.delivered, reporter.refused) == (0, 10, 0)


def test_flush_says_when_time_runs_out(report: Report, service: ScriptedService) -> None:
    service.script.append(httpx.Response(503))
    reporter = report(backoff=NEVER)
    assert reporter.flush(5)
    reporter.push("run-1", 1, "fit", {})
    assert not reporter.flush(0.05)
    assert reporter.pending == 1


def test_a_push_waits_for_no_network(report: Report) -> None:
    release = threading.Event()

    def hang(request: httpx.Request) -> httpx.Response:
        release.wait(10)
        return httpx.Response(503)

    body = {"clients": [{"client": "c_" + "0" * 32, "num_examples": 9}] * 16}
    reporter = report(transport=httpx.MockTransport(hang), backoff=NEVER)
    seconds = []
    for number in range(30):
        start = time.perf_counter()
        reporter.push("run-1", number, "fit", body)
        seconds.append(time.perf_counter() - start)
    release.set()
    assert reporter.pending == 30
    assert sorted(seconds)[len(seconds) // 2] < 0.05  # generous: a shared disk may be slow


def test_a_new_push_does_not_shorten_a_backoff(report: Report, service: ScriptedService) -> None:
    asked = threading.Event()

    def refuse(request: httpx.Request) -> httpx.Response:
        service.requests.append(request)
        asked.set()
        return httpx.Response(503)

    reporter = report(transport=httpx.MockTransport(refuse), backoff=NEVER)
    reporter.push("run-1", 1, "fit", {})
    assert asked.wait(5)
    reporter.push("run-1", 2, "fit", {})
    assert not reporter.flush(0.05)
    assert len(service.requests) == 1


def test_the_next_reporter_sends_what_is_left_first(
    report: Report, service: ScriptedService
) -> None:
    service.script.append(httpx.Response(503))
    with report(backoff=NEVER) as first:
        first.push("run-1", 1, "fit", {})
        first.push("run-1", 2, "fit", {})
        first.close(timeout=0.05)
    service.requests.clear()
    second = report()
    second.push("run-2", 1, "fit", {})
    assert second.flush(5)
    assert [request.url.path.split("/")[5:] for request in service.requests] == [
        ["run-1", "rounds", "1", "fit"],
        ["run-1", "rounds", "2", "fit"],
        ["run-2", "rounds", "1", "fit"],
    ]


def test_closing_sends_what_it_can(report: Report, service: ScriptedService) -> None:
    with report() as reporter:
        reporter.push("run-1", 1, "fit", {})
    assert service.paths == ["1/fit"]
    assert report().flush(5)


def test_refused_pushes_are_counted_and_can_be_replayed(
    report: Report, service: ScriptedService
) -> None:
    service.script.append(service.problem(401, "unknown_key"))
    reporter = report()
    reporter.push("run-1", 1, "fit", {})
    assert reporter.flush(5)
    assert (reporter.delivered, reporter.refused) == (0, 1)
    assert reporter.replay_refused() == 1
    assert reporter.flush(5)
    assert (reporter.delivered, reporter.refused) == (1, 0)


def test_a_full_spool_is_an_error_for_the_newest(report: Report, service: ScriptedService) -> None:
    service.script.append(httpx.Response(503))
    reporter = report(max_files=1, backoff=NEVER)
    reporter.push("run-1", 1, "fit", {})
    with pytest.raises(SpoolFull):
        reporter.push("run-1", 2, "fit", {})
    assert reporter.pending == 1


@pytest.mark.parametrize(
    ("address", "body", "message"),
    [
        (("run-1", 1, "fit"), {"clients": [{"x": math.nan}]}, r"clients\.0\.x is nan"),
        (("run-1", 1, "train"), {}, "expected one of fit, evaluate, canary, serve"),
        (("run-1", -1, "fit"), {}, "expected 0 or more"),
        (("", 1, "fit"), {}, "run has 0 characters"),
        (("r" * 256, 1, "fit"), {}, "run has 256 characters; expected 1 to 255"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(
    report: Report, address: tuple[Any, Any, Any], body: dict[str, Any], message: str
) -> None:
    reporter = report()
    with pytest.raises(ValueError, match=message):
        reporter.push(*address, body)
    assert reporter.pending == 0


def test_the_body_may_change_after_the_push(report: Report, service: ScriptedService) -> None:
    body = {"attempt": 1}
    reporter = report()
    reporter.push("run-1", 1, "fit", body)
    body["attempt"] = 99
    assert reporter.flush(5)
    assert service.requests[0].content == b'{"attempt":1}'


def test_a_disk_that_fails_is_survived(
    report: Report, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("vigie_client.reporter._SECONDS_AFTER_TROUBLE", 0.0)
    reporter = report()
    failures = iter([OSError("no space left")])

    def fail_once(number: int, receipt: bytes) -> None:
        for failure in failures:
            raise failure
        mark_delivered(number, receipt)

    mark_delivered = reporter._spool.mark_delivered
    monkeypatch.setattr(reporter._spool, "mark_delivered", fail_once)
    reporter.push("run-1", 1, "fit", {})
    assert reporter.flush(5)
    assert reporter.delivered == 1
    assert "no space left" in caplog.text


def test_a_closed_reporter_takes_nothing(report: Report) -> None:
    reporter = report()
    reporter.close()
    reporter.close()
    with pytest.raises(RuntimeError, match="closed"):
        reporter.push("run-1", 1, "fit", {})
    with pytest.raises(RuntimeError, match="closed"):
        reporter.replay_refused()


def test_two_reporters_never_share_a_spool(report: Report) -> None:
    report()
    with pytest.raises(SpoolLocked):
        report()


def test_another_process_may_not_use_it(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = report()
    with monkeypatch.context() as child:
        child.setattr("os.getpid", lambda: -1)
        with pytest.raises(RuntimeError, match="parent process"):
            reporter.push("run-1", 1, "fit", {})


def test_the_key_is_in_no_log_repr_or_file(
    loopback: LoopbackService, key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        RoundReporter(loopback.url, key, "stroke", tmp_path, backoff=SOON) as reporter,
    ):
        reporter.push("run-1", 1, "fit", {"attempt": 1})
        assert reporter.flush(5)
        loopback.stored["/v1/federations/stroke/runs/run-1/rounds/2/fit"] = b"another"
        reporter.push("run-1", 2, "fit", {"attempt": 1})
        assert reporter.flush(5)
        assert (reporter.delivered, reporter.refused, loopback.conflicts) == (1, 1, 1)
        shown = repr(reporter) + repr(reporter._api._http.headers) + caplog.text
    assert "POST" in caplog.text
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert all(key not in text for text in [shown, *files])
