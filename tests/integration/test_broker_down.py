"""A broker that is down, or that hangs, costs delay and nothing else."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from celery import Celery
from fastapi.testclient import TestClient
from sqlmodel import select

from app.core import clock, outbox
from app.core.database import Database
from app.core.ids import new_id
from app.core.outbox import Delivery, OutboxRow
from app.core.settings import Settings
from app.federations.roles import Role
from demo.ports import free_port
from tests.rounds import BIN_SPEC, body
from tests.servers import running_redis
from workers.app import create_celery
from workers.relay import Publish, relay_due

RESEND_SECONDS, ROWS = 30.0, 20
SOON_SECONDS = 12.0  # two tries of a connect or an answer that time out after 2 s, and some room
TASK = "test.task"
BIN_SPECS = "/v1/federations/flights/bin-specs"
PUSH = "/v1/federations/flights/runs/run-1/rounds/1/evaluate"

pytestmark = pytest.mark.redis


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def settings(settings: Settings, port: int) -> Settings:
    """The service on a Redis that a test may or may not start."""
    return settings.model_copy(update={"broker_url": f"redis://127.0.0.1:{port}/0"})


@pytest.fixture
def publish(settings: Settings) -> Iterator[Publish]:
    """What the sweep publishes with."""
    celery: Celery = create_celery(settings)

    def send(delivery: Delivery) -> None:
        celery.send_task(delivery.task, args=[str(delivery.row_id)])

    yield send
    celery.close()


@pytest.fixture(autouse=True)
def rows(database: Database) -> None:
    """Rows that are due."""
    with database.session_scope() as session:
        for _ in range(ROWS):
            outbox.enqueue(session, TASK, new_id())


@contextmanager
def later(seconds: float) -> Iterator[None]:
    """Let the clock be ahead."""
    with clock.using(lambda: clock.system_clock() + timedelta(seconds=seconds)):
        yield


@contextmanager
def hanging(address: str) -> Iterator[None]:
    """Stop a Redis in its tracks: it takes connections, and answers nobody."""
    with redis.Redis.from_url(address) as client:
        pid = int(client.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def queued(address: str) -> int:
    with redis.Redis.from_url(address) as client:
        return int(client.llen("evaluation"))


def relay_soon(database: Database, publish: Publish) -> int:
    """Relay, which must not take long whatever the broker does."""
    start = time.monotonic()
    sent = relay_due(database, publish, RESEND_SECONDS)
    assert time.monotonic() - start < SOON_SECONDS
    return sent


def assert_all_put_off(database: Database) -> None:
    with database.read_scope() as session:
        rows = session.exec(select(OutboxRow)).all()
    assert all(row.state == "pending" and row.sends == 1 for row in rows)
    assert all(row.due_at > row.created_at + timedelta(seconds=RESEND_SECONDS) for row in rows)


def test_a_stopped_broker_puts_rows_off_and_a_later_sweep_delivers(
    database: Database, publish: Publish, port: int, tmp_path: Path
) -> None:
    assert relay_soon(database, publish) == 0
    assert_all_put_off(database)
    with running_redis(tmp_path, port) as address:
        assert relay_due(database, publish, RESEND_SECONDS) == 0
        with later(RESEND_SECONDS):
            assert relay_due(database, publish, RESEND_SECONDS) == ROWS
        assert queued(address) == ROWS


def test_a_broker_that_goes_away_between_two_sweeps_puts_rows_off(
    database: Database, publish: Publish, port: int, tmp_path: Path
) -> None:
    with running_redis(tmp_path, port):
        assert relay_due(database, publish, RESEND_SECONDS) == ROWS
    with later(RESEND_SECONDS):
        assert relay_soon(database, publish) == 0
    with running_redis(tmp_path, port) as address, later(3 * RESEND_SECONDS):
        before = queued(address)
        assert relay_due(database, publish, RESEND_SECONDS) == ROWS
        assert queued(address) == before + ROWS


def test_a_hanging_broker_puts_rows_off_and_a_later_sweep_delivers(
    database: Database, publish: Publish, port: int, tmp_path: Path
) -> None:
    with running_redis(tmp_path, port) as address:
        with hanging(address):
            assert relay_soon(database, publish) == 0
        assert_all_put_off(database)
        with later(RESEND_SECONDS):
            assert relay_due(database, publish, RESEND_SECONDS) == ROWS


def test_a_push_is_taken_in_while_the_broker_is_down(
    api: TestClient, key_of: Callable[..., dict[str, str]], database: Database
) -> None:
    headers = key_of(Role.INGEST)
    spec = api.post(BIN_SPECS, json=BIN_SPEC, headers=headers).json()["id"]
    answer = api.post(PUSH, json=body(spec=spec), headers=headers)
    assert answer.status_code == 202, answer.text
    with database.read_scope() as session:
        subjects = session.exec(select(OutboxRow.subject).where(OutboxRow.task != TASK)).all()
    assert [str(subject) for subject in subjects] == [answer.json()["round_id"]]
