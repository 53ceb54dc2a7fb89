"""The steps of a delivery, one by one and without a thread or a clock."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from vigie_client import Backoff, Receipt, VigieApi
from vigie_client.bodies import Body
from vigie_client.delivery import Delivery
from vigie_client.push import Address, Push, to_bytes
from vigie_client.spool import Spool

if TYPE_CHECKING:
    from conftest import ScriptedService

# The longest delay of every draw, so that waits are known numbers.
HIGHEST = Backoff(first=1.0, most=60.0, uniform=lambda: 1.0)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path, max_files=100, max_bytes=10**6, receipts_kept=10)
    yield spool
    spool.close()


Deliver = Callable[..., Delivery]


@pytest.fixture
def deliver(spool: Spool, service: ScriptedService, key: str) -> Deliver:
    def make(on_receipt: Callable[[Receipt], None] | None = None) -> Delivery:
        api = VigieApi("https://vigie.test", key, "stroke", transport=service.transport)
        return Delivery(spool, api, HIGHEST, on_receipt)

    return make


def put(spool: Spool, push: bytes) -> None:
    """A push as the thread behind ``RoundReporter.push`` leaves it."""
    spool.add(b"")
    newcomer = spool.newcomer()
    assert newcomer is not None
    spool.settle(newcomer[0], push)


def add(spool: Spool, *rounds: int, federation: str = "stroke") -> None:
    for number in rounds:
        address = Address(federation, "run-1", number, "fit")
        put(spool, to_bytes([Push(address, Body(b"{}"))]))


def test_pushes_leave_in_order(spool: Spool, service: ScriptedService, deliver: Deliver) -> None:
    add(spool, 3, 1, 2)
    delivery = deliver()
    assert [delivery.step() for _ in range(4)] == [0.0, 0.0, 0.0, None]
    assert service.paths == ["3/fit", "1/fit", "2/fit"]
    assert (spool.delivered, spool.pending) == (3, 0)


def test_a_body_keeps_its_media_type_through_the_spool(
    spool: Spool, service: ScriptedService, deliver: Deliver
) -> None:
    address = Address("stroke", "run-1", 1, "fit")
    put(spool, to_bytes([Push(address, Body(b"{}", "application/x-bulk"))]))
    deliver().step()
    assert service.requests[0].headers["Content-Type"] == "application/x-bulk"


def test_a_push_of_an_earlier_version_is_json(
    spool: Spool, service: ScriptedService, deliver: Deliver
) -> None:
    put(spool, b'{"federation":"stroke","phase":"fit","round":1,"run":"run-1"}\n{"attempt":1}')
    deliver().step()
    assert service.requests[0].headers["Content-Type"] == "application/json"
    assert service.requests[0].content == b'{"attempt":1}'


def test_the_receipt_is_on_disk_when_the_push_is_gone(
    spool: Spool, deliver: Deliver, tmp_path: Path
) -> None:
    add(spool, 7)
    deliver().step()
    receipt = json.loads((tmp_path / "receipts/000000000001.json").read_bytes())
    assert (receipt["run"], receipt["round"], receipt["phase"]) == ("run-1", 7, "fit")
    assert receipt["received_at"] == "2026-11-21T10:00:00.123456+00:00"


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("too slow"),
        httpx.RemoteProtocolError("cut off"),
        httpx.Response(200, text="a hotel's welcome page"),
        *(httpx.Response(status) for status in (408, 425, 429, 500, 502, 503, 504, 507)),
    ],
)
def test_trouble_is_waited_out_and_the_order_kept(
    spool: Spool, service: ScriptedService, deliver: Deliver, trouble: httpx.Response | Exception
) -> None:
    add(spool, 1, 2)
    service.script.extend([trouble, trouble, trouble])
    delivery = deliver()
    assert [delivery.step() for _ in range(6)] == [1.0, 2.0, 4.0, 0.0, 0.0, None]
    assert service.paths == ["1/fit"] * 4 + ["2/fit"]


def test_a_success_forgets_earlier_failures(
    spool: Spool, service: ScriptedService, deliver: Deliver
) -> None:
    add(spool, 1, 2)
    delivery = deliver()
    service.script.extend([httpx.Response(503), httpx.Response(503)])
    assert [delivery.step() for _ in range(3)] == [1.0, 2.0, 0.0]
    service.script.append(httpx.Response(503))
    assert delivery.step() == 1.0


def test_retry_after_is_heeded(spool: Spool, service: ScriptedService, deliver: Deliver) -> None:
    add(spool, 1)
    service.script.append(service.problem(429, "too_many", Retry_After="7"))
    assert deliver().step() == 8.0


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 413, 422])
def test_a_final_refusal_is_set_aside_with_its_answer(
    spool: Spool, service: ScriptedService, deliver: Deliver, tmp_path: Path, status: int
) -> None:
    add(spool, 1, 2)
    service.script.append(service.problem(status, "no", **{"X-Request-ID": "r-7"}))
    delivery = deliver()
    assert [delivery.step() for _ in range(3)] == [0.0, 0.0, None]
    assert (spool.delivered, spool.refused) == (1, 1)
    problem = json.loads((tmp_path / "refused/000000000001.problem.json").read_bytes())
    assert (problem["status"], problem["type"]) == (status, "urn:vigie:problem:no")
    assert problem["request_id"] == "r-7"
    assert problem["errors"] == [{"code": "no", "field": "clients.0", "message": "so it is"}]
    assert (tmp_path / "refused/000000000001.push").read_bytes().endswith(b"\n{}")


def test_what_another_wrote_into_the_spool_is_set_aside_unsent(
    spool: Spool, service: ScriptedService, deliver: Deliver, tmp_path: Path
) -> None:
    for foreign in (b"", b"not json\n{}", b"[]\n{}", b'{"run": "r"}\n{}'):
        put(spool, foreign)
    add(spool, 1, federation="other")
    delivery = deliver()
    assert [delivery.step() for _ in range(6)] == [0.0] * 5 + [None]
    assert service.requests == []
    kinds = [
        json.loads(path.read_bytes())["type"] for path in sorted(tmp_path.glob("*/*.problem.json"))
    ]
    assert kinds == ["urn:vigie:problem:unreadable_push"] * 4 + [
        "urn:vigie:problem:other_federation"
    ]


def test_quarantine_is_logged_and_told(
    spool: Spool,
    service: ScriptedService,
    deliver: Deliver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    add(spool, 4)
    refusal = {
        "index": 3,
        "field": "clients.3.label_counts.1",
        "code": "negative_count",
        "message": "below 0",
    }
    path = "/v1/federations/stroke/runs/run-1/rounds/4/fit"
    service.script.append(httpx.Response(202, json=service.receipt_for(path, b"{}", [refusal])))
    told: list[Receipt] = []
    with caplog.at_level(logging.WARNING, "vigie_client"):
        deliver(told.append).step()
    assert (
        "Quarantined in fit round 4 of run run-1: clients.3.label_counts.1: below 0" in caplog.text
    )
    assert [item.code for item in told[0].refusals] == ["negative_count"]


def test_a_callback_that_fails_stops_nothing(spool: Spool, deliver: Deliver) -> None:
    def fail(receipt: Receipt) -> None:
        raise RuntimeError("not my day")

    add(spool, 1, 2)
    delivery = deliver(fail)
    assert [delivery.step() for _ in range(3)] == [0.0, 0.0, None]
    assert spool.delivered == 2
