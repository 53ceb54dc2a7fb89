from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

import vigie_client
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
    assert (reporter.pending, reporter.turned_away) == (1, 1)


@pytest.mark.parametrize(
    ("address", "body", "message"),
    [
        (("run-1", 1, "fit"), {"clients": [{"x": object()}]}, r"clients\.0\.x is <object"),
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


def test_a_body_with_nan_is_set_aside_and_told_and_the_next_goes_out(
    report: Report, service: ScriptedService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reporter = report()
    reporter.push("run-1", 1, "fit", {"clients": [{"loss": 1.0}, {"loss": math.nan}]})
    reporter.push("run-1", 2, "fit", {"clients": []})
    assert reporter.flush(5)
    assert service.paths == ["2/fit"]
    assert (reporter.pending, reporter.delivered, reporter.refused) == (0, 1, 1)
    assert "clients.1.loss is nan; expected a finite number" in caplog.text
    problem = json.loads((tmp_path / "refused/000000000001.problem.json").read_bytes())
    assert (problem["status"], problem["type"]) == (0, "urn:vigie:problem:unsendable_body")
    mendable = tmp_path / "refused/000000000001.push"
    mendable.write_bytes(mendable.read_bytes().replace(b"NaN", b"2.0"))
    assert reporter.replay_refused() == 1
    assert reporter.flush(5)
    assert json.loads(service.requests[-1].content)["clients"] == [{"loss": 1.0}, {"loss": 2.0}]


def test_what_was_handed_over_in_a_backoff_is_on_disk_for_good_at_once(
    report: Report, service: ScriptedService, tmp_path: Path
) -> None:
    service.script.append(httpx.Response(503))
    reporter = report(backoff=NEVER)
    for number in range(1, 4):
        reporter.push("run-1", number, "fit", {"attempt": 1})
    deadline = time.monotonic() + 5
    while reporter._spool.incoming and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(list((tmp_path / "pending").iterdir())) == 3
    assert list((tmp_path / "incoming").iterdir()) == []
    assert reporter.pending == 3


def test_report_makes_the_envelope_and_its_times(
    report: Report, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten = {"Date": "Sat, 21 Nov 2026 10:00:00 GMT"}
    service.script.append(httpx.Response(200, headers=ten))
    reporter = report()
    local = datetime(2026, 11, 21, 9, 0, tzinfo=timezone.utc).timestamp()
    monkeypatch.setattr(reporter.clock, "local", lambda: local)  # an hour behind
    record = {"client": "c_" + "0" * 32, "num_examples": np.int64(9), "label_counts": np.arange(2)}
    for number in (1, 2):
        reporter.report(
            "run-1", number, "canary", [record], model="late", version="1", canary_version="2",
            global_step=7, seconds=60.0, privacy={"mechanism": "none"}, bin_spec=None,
        )  # fmt: skip
        assert reporter.flush(5)
    asked, first, second = service.requests
    assert (asked.method, asked.url.path) == ("GET", "/healthz")
    assert json.loads(first.content) == json.loads(second.content)
    assert json.loads(second.content) == {
        "schema_version": 1,
        "attempt": 1,
        "global_step": 7,
        "model": {"name": "late", "version": "1", "canary_version": "2"},
        "privacy": {"mechanism": "none"},
        "clients": [{"client": "c_" + "0" * 32, "num_examples": 9, "label_counts": [0, 1]}],
        "started_at": "2026-11-21T09:59:01+00:00",
        "ended_at": "2026-11-21T10:00:01+00:00",
    }


def test_report_takes_this_machines_time_where_no_other_is_to_be_had(
    report: Report, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.script.append(httpx.ConnectError("down"))
    reporter = report()
    monkeypatch.setattr(reporter.clock, "local", lambda: 0.0)
    reporter.report("r", 1, "fit", [], model="m", version="1", global_step=1, seconds=0.5)
    assert reporter.flush(5)
    assert json.loads(service.requests[-1].content)["ended_at"] == "1970-01-01T00:00:00+00:00"


def test_closing_is_seen_to_at_the_end_of_the_program(
    loopback: LoopbackService, key: str, tmp_path: Path
) -> None:
    program = (
        "from vigie_client import RoundReporter\n"
        f"reporter = RoundReporter({loopback.url!r}, {key!r}, 'stroke', {str(tmp_path)!r})\n"
        "reporter.push('run-1', 1, 'fit', {'attempt': 1})\n"
    )
    source = Path(vigie_client.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False, timeout=30)
    assert done.returncode == 0
    assert loopback.first_seen == ["/v1/federations/stroke/runs/run-1/rounds/1/fit"]


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
        caplog.at_level(logging.DEBUG, logger="httpx"),
        caplog.at_level(logging.DEBUG, logger="httpcore"),
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
    files = [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert all(key not in text for text in [shown, *files])
