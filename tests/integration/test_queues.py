"""Evaluation goes before reports, in a real Redis."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from celery import Celery
from kombu import Message

from app.core.settings import Settings
from tests.servers import running_redis
from workers.app import ask_for_sweep, create_celery
from workers.lanes import InLanes
from workers.outages import Behind
from workers.queues import BELL, ELSEWHERE, IN_ORDER, OF_WORK, REPORTS, ROUTES, served
from workers.schedule import SWEEP
from workers.tasks import EFFECTS

REPORT, ROUND, EACH = "reports.build", "incidents.on_round", 5


@pytest.fixture
def on_redis(tmp_path: Path) -> Iterator[Celery]:
    """The application on a Redis of its own."""
    with running_redis(tmp_path) as address:
        made = create_celery(Settings(data_dir=tmp_path, broker_url=address, secret="s" * 32))
        yield made
        made.close()


@pytest.fixture
def on_files(settings: Settings) -> Iterator[Celery]:
    """The application on a folder."""
    made = create_celery(settings)
    yield made
    made.close()


def heard(celery: Celery, number: int) -> list[str]:
    """So many tasks as a worker takes them that was started just now; then there is no more."""
    taken: list[str] = []

    def take(_body: object, message: Message) -> None:
        taken.append(str(message.headers["task"]))
        message.ack()

    with celery.connection_for_read() as connection, connection.channel() as channel:
        channel.basic_qos(0, 1, False)
        queues = [celery.amqp.queues[name] for name in served(OF_WORK)]
        with celery.amqp.Consumer(
            channel, queues=queues, callbacks=[take], accept=["json"], no_ack=False
        ):
            while len(taken) < number:
                connection.drain_events(timeout=5)
            with pytest.raises(TimeoutError):
                connection.drain_events(timeout=0.1)
    return taken


@pytest.mark.redis
def test_rounds_that_came_after_reports_are_taken_before_them(on_redis: Celery) -> None:
    for task in [REPORT] * EACH + [ROUND] * EACH:
        on_redis.send_task(task, args=[str(uuid4())])
    assert heard(on_redis, 2 * EACH) == [ROUND] * EACH + [REPORT] * EACH


@pytest.mark.redis
@pytest.mark.parametrize("broker", ["on_redis", "on_files"])
def test_a_bell_that_nobody_hears_rings_once(broker: str, request: pytest.FixtureRequest) -> None:
    celery: Celery = request.getfixturevalue(broker)
    for _ in range(2):  # each time a worker took what there was, the next ring gets through
        for _ring in range(EACH):
            ask_for_sweep(celery)
        assert heard(celery, 1) == [SWEEP]


def test_who_serves_reports_alone_hears_no_bell() -> None:
    assert served([REPORTS]) == [REPORTS]
    assert served(OF_WORK) == list(IN_ORDER)
    assert IN_ORDER[0] == BELL


def test_what_has_a_queue_of_its_own_is_a_task() -> None:
    assert set(ROUTES) <= set(EFFECTS)
    assert {route["queue"] for route in ROUTES.values()} == {REPORTS}


def test_what_waits_in_a_lane_has_room_of_its_own() -> None:
    in_lanes = {name for name, effect in EFFECTS.items() if isinstance(effect, InLanes | Behind)}
    assert set(ELSEWHERE) == in_lanes
