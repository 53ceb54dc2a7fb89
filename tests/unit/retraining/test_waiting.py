"""Long polling: who waits is answered at once, holds nothing meanwhile, and never for too long."""

import asyncio
import time
from collections.abc import Callable
from threading import Thread
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.core.database import Database
from app.core.settings import Settings
from app.federations.roles import Role
from app.federations.tables import Federation
from app.main import create_app
from app.retraining import service
from app.retraining.waiting import LOOK_SECONDS
from tests.unit.retraining.requests import MODEL, ask, champion

PLACE = "/v1/federations/flights/retrain-requests/claim"
MANY = 200


@pytest.fixture
def app(settings: Settings, database: Database) -> FastAPI:
    app = create_app(settings)
    app.state.database = database
    return app


def make_request(database: Database, federation: Federation) -> None:
    with database.session_scope() as session:
        service.consider(session, federation, ask())


def body(claimer: str, wait: float) -> dict[str, Any]:
    return {"model": MODEL, "claimer": claimer, "lease_seconds": 60, "wait": wait}


async def ready(app: FastAPI, count: int) -> None:
    """Until so many wait."""
    async with asyncio.timeout(60):
        while len(app.state.waiters) < count:
            await asyncio.sleep(0.01)


def test_many_wait_on_no_connection_and_one_gets_it(
    app: FastAPI,
    database: Database,
    federation: Federation,
    key_of: Callable[..., dict[str, str]],
) -> None:
    with database.session_scope() as session:
        champion(session, federation)
    headers = key_of(Role.INGEST)

    async def play() -> tuple[list[httpx.Response], int, int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
            calls = {
                asyncio.create_task(
                    http.post(PLACE, json=body(f"fl-{number}", 50.0), headers=headers)
                )
                for number in range(MANY)
            }
            await ready(app, MANY)
            await asyncio.sleep(0.05)
            held = database.engine.pool.checkedout()  # type: ignore[attr-defined]
            looks = app.state.waiters.looks
            start = time.monotonic()
            await asyncio.to_thread(make_request, database, federation)
            done, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(2 * LOOK_SECONDS)
            looks = app.state.waiters.looks - looks
            most = (time.monotonic() - start) / LOOK_SECONDS + 1
            assert looks <= most  # for all of them together
            for call in waiting:
                call.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            return [call.result() for call in done], held, len(waiting)

    answered, held, waited = asyncio.run(play())
    assert [answer.status_code for answer in answered] == [200]
    assert waited == MANY - 1
    assert held <= 1  # the one that looks for all of them
    assert len(app.state.waiters) == 0


def test_a_request_that_comes_is_answered_before_the_time_is_up(
    app: FastAPI,
    database: Database,
    federation: Federation,
    key_of: Callable[..., dict[str, str]],
) -> None:
    with database.session_scope() as session:
        champion(session, federation)
    headers = key_of(Role.INGEST)

    async def play() -> tuple[httpx.Response, float]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
            call = asyncio.create_task(http.post(PLACE, json=body("fl-1", 40.0), headers=headers))
            await ready(app, 1)
            start = time.monotonic()
            maker = Thread(target=make_request, args=(database, federation))
            maker.start()
            answer = await call
            maker.join()
            return answer, time.monotonic() - start

    answer, seconds = asyncio.run(play())
    assert (answer.status_code, answer.json()["claimed_by"]) == (200, "fl-1")
    assert seconds < 10


@pytest.mark.parametrize("wait", [-1, 51, 1e9])
def test_nobody_waits_longer_than_is_allowed(
    api: Any, key_of: Callable[..., dict[str, str]], wait: float
) -> None:
    answer = api.post(PLACE, json=body("fl-1", wait), headers=key_of(Role.INGEST))
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["wait"]
