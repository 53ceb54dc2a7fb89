"""Pushes that have to wait: told for how long, stored nowhere, and let in afterwards."""

import json
from collections.abc import Callable, Iterator
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError
from sqlmodel import func, select

from app.core import pressure
from app.core.database import Database
from app.core.pressure import Pressure
from app.core.settings import Settings
from app.federations.roles import Role
from app.federations.tables import Federation
from app.main import create_app
from app.rounds import service
from app.rounds.tables import Round
from tests.rounds import body, pseudonym

URL = "/v1/federations/flights/runs/run-1/rounds/{number}/evaluate"
RECORD = {"client": pseudonym("AA"), "num_examples": 10}
Push = Callable[[int], Any]


@pytest.fixture
def pushing(
    settings: Settings, database: Database, key_of: Callable[..., dict[str, str]]
) -> Iterator[Callable[..., Push]]:
    """`pushing(push_rate="2/minute")`: a service with these settings, as `push(number)`."""
    clients = []

    def start(**changes: Any) -> Push:
        app = create_app(settings.model_copy(update=changes))
        app.state.database = database
        client = TestClient(app, raise_server_exceptions=False)
        clients.append(client)
        headers = key_of(Role.INGEST)
        return lambda number: client.post(
            URL.format(number=number),
            content=json.dumps(body(RECORD, step=number)),
            headers=headers,
        )

    yield start
    for client in clients:
        client.close()


def rounds(database: Database) -> int:
    with database.read_scope() as session:
        return session.exec(select(func.count()).select_from(Round)).one()


def test_a_key_beyond_its_rate_waits(pushing: Callable[..., Push], database: Database) -> None:
    push = pushing(push_rate="2/hour")
    assert [push(number).status_code for number in range(4)] == [202, 202, 429, 429]
    refusal = push(5)
    assert refusal.json()["type"] == "urn:vigie:problem:too_many_pushes"
    assert 1 <= int(refusal.headers["Retry-After"]) <= 3600
    assert rounds(database) == 2


def test_a_hit_starts_no_thread(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would start one to sweep, which takes a hundred times as long as the hit."""
    counts = Pressure(settings)
    counts._hit("key")
    monkeypatch.setattr(Thread, "start", lambda _thread: pytest.fail("A thread was started."))
    counts._limiter.storage.timer.join()
    counts._hit("key")


def test_a_backlog_puts_pushes_off(pushing: Callable[..., Push], database: Database) -> None:
    assert pushing()(1).status_code == 202
    refusal = pushing(max_backlog=1)(2)
    assert (refusal.status_code, refusal.json()["type"]) == (429, "urn:vigie:problem:backlog")
    assert refusal.headers["Retry-After"] == "10"
    assert rounds(database) == 1


def test_a_disk_that_is_nearly_full_takes_nothing(
    pushing: Callable[..., Push], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = pushing()
    nearly_full = SimpleNamespace(disk_usage=lambda _path: SimpleNamespace(free=10))
    monkeypatch.setattr(pressure, "shutil", nearly_full)
    refusal = push(1)
    assert (refusal.status_code, refusal.json()["type"]) == (503, "urn:vigie:problem:storage_full")
    assert refusal.headers["Retry-After"] == "60"
    assert rounds(database) == 0


def test_a_database_without_room_is_told_apart(
    pushing: Callable[..., Push], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(service, "ingest", full)
    refusal = pushing()(1)
    assert (refusal.status_code, refusal.json()["type"]) == (503, "urn:vigie:problem:storage_full")


def test_without_its_counter_a_push_is_let_in(
    pushing: Callable[..., Push], federation: Federation
) -> None:
    # Nothing listens on port 1: the rate is unknown, and the push is taken all the same.
    push = pushing(broker_url="redis://127.0.0.1:1/0")
    assert push(1).status_code == 202
