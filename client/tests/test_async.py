"""The async face: the same calls, the same promises, on an event loop."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from vigie_client import (
    AsyncRoundReporter,
    AsyncVigieApi,
    Backoff,
    Bins,
    RoundReporter,
    VigieApi,
    VigieError,
    VigieUnreachable,
)

if TYPE_CHECKING:
    from conftest import ScriptedService


def calls_of(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(method)
        for name, method in vars(kind).items()
        if callable(method) and not name.startswith("_")
    }


EVENTS = b"""event: progress
data: {"text": "evaluating 7/16", "ended": false}

: a sign of life

event: progress
data: {"text": "evaluated", "ended": true}

"""


def test_both_apis_follow_a_round(service: ScriptedService, key: str) -> None:
    service.script.extend(
        [httpx.Response(200, content=EVENTS), httpx.Response(200, content=EVENTS)]
    )
    url, transport = "https://vigie.test", service.transport
    with VigieApi(url, key, "stroke", transport=transport) as api:
        told = [step["text"] for step in api.follow("r1")]
    assert told == ["evaluating 7/16", "evaluated"]
    assert service.requests[0].url.path.endswith("/rounds/r1/progress/events")

    async def follow() -> list[str]:
        async with AsyncVigieApi(url, key, "stroke", transport=transport) as awaited:
            return [step["text"] async for step in awaited.follow("r1")]

    assert asyncio.run(follow()) == told


def test_a_round_of_nobody_cannot_be_followed(service: ScriptedService, key: str) -> None:
    service.script.append(service.problem(404, "not_found"))
    api = VigieApi("https://vigie.test", key, "stroke", transport=service.transport)
    with pytest.raises(VigieError, match="404 not_found"):
        next(api.follow("r1"))


def test_both_apis_have_the_same_calls() -> None:
    awaited, called = calls_of(AsyncVigieApi), calls_of(VigieApi)
    follow = awaited["follow"]  # which yields, and so cannot return the same
    told = str(follow.return_annotation).replace("AsyncIterator", "Iterator")
    assert told == str(called["follow"].return_annotation)
    awaited["follow"] = follow.replace(return_annotation=called["follow"].return_annotation)
    assert awaited == called
    docs = {name: getattr(VigieApi, name).__doc__ for name in calls_of(VigieApi)}
    assert docs == {name: getattr(AsyncVigieApi, name).__doc__ for name in docs}


def test_a_call_an_answer_and_two_errors(service: ScriptedService, key: str) -> None:
    service.script.extend([httpx.Response(409), httpx.ConnectError("down")])

    async def talk() -> None:
        transport = service.transport
        async with AsyncVigieApi("https://v.test", key, "stroke", transport=transport) as api:
            with pytest.raises(VigieError, match="409"):
                await api.push_round("r", 1, "fit", b"{}")
            with pytest.raises(VigieUnreachable, match="down"):
                await api.rounds()
            receipt = await api.push_round("r", 1, "fit", b"{}")
            assert (receipt.round, receipt.phase) == (1, "fit")
            assert key not in repr(api)

    asyncio.run(talk())
    assert service.requests[0].headers["Authorization"] == f"Bearer {key}"


def test_bins_are_fetched_on_the_loop(service: ScriptedService, key: str, tmp_path: Path) -> None:
    spec = {"id": "bs_" + "0" * 16, "labels": ["no", "yes"], "score": {"edges": [0, 1]}}
    service.script.append(httpx.Response(200, json={**spec, "features": {}}))

    async def fetch() -> Bins:
        transport = service.transport
        async with AsyncVigieApi("https://v.test", key, "stroke", transport=transport) as api:
            await api.ask_time()
            return await Bins.fetch_async(api, "bs_" + "0" * 16, tmp_path)

    service.script.appendleft(httpx.ConnectError("down"))
    assert asyncio.run(fetch()).labels == ("no", "yes")


def test_the_loop_runs_on_while_rounds_are_pushed_and_flushed(
    service: ScriptedService, key: str, tmp_path: Path
) -> None:
    service.script.append(httpx.Response(503))

    async def train() -> int:
        soon = Backoff(first=0.0)
        reporter = AsyncRoundReporter(
            RoundReporter(
                "https://v.test", key, "stroke", tmp_path, backoff=soon, transport=service.transport
            )
        )
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        turning = asyncio.create_task(turn())
        async with reporter:
            await reporter.push("run-1", 1, "fit", {"attempt": 1})
            await reporter.report(
                "run-1", 2, "fit", [], model="m", version="1", global_step=2, seconds=1.0
            )
            assert await reporter.flush(5)
            assert reporter.reporter.delivered == 2
        turning.cancel()
        return turns

    assert asyncio.run(train()) > 3
    pushed = [path for path in service.paths if path.endswith("/fit")]
    assert pushed in (["1/fit", "1/fit", "2/fit"], ["1/fit", "2/fit"])


def test_weights_go_as_a_file_beside_the_event_loop(key: str, tmp_path: Path) -> None:
    file = tmp_path / "weights.npz"
    file.write_bytes(b"weights" * 300_000)
    got: list[bytes] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        got.append(await request.aread())
        return httpx.Response(200, json={"artifact_state": "verified"})

    async def send() -> dict[str, object]:
        transport = httpx.MockTransport(answer)
        async with AsyncVigieApi("https://v.test", key, "stroke", transport=transport) as api:
            return await api.upload_weights("late", "2", file)

    assert asyncio.run(send()) == {"artifact_state": "verified"}
    assert got == [file.read_bytes()]
