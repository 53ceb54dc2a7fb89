"""Evaluation goes before reports, in a real Redis."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from celery import Celery
from kombu import Message

from app.core.settings import Settings
from tests.servers import running_redis
from workers.app import create_celery
from workers.lanes import InLanes
from workers.outages import Behind
from workers.queues import ELSEWHERE, EVALUATION, IN_ORDER, REPORTS, ROUTES
from workers.tasks import EFFECTS

REPORT, ROUND, EACH = "reports.build", "incidents.on_round", 5


@pytest.fixture
def celery(tmp_path: Path) -> Iterator[Celery]:
    """The application on a Redis of its own."""
    with running_redis(tmp_path) as address:
        made = create_celery(Settings(data_dir=tmp_path, broker_url=address, secret="s" * 32))
        yield made
        made.close()


@pytest.mark.redis
def test_rounds_that_came_after_reports_are_taken_before_them(celery: Celery) -> None:
    for task in [REPORT] * EACH + [ROUND] * EACH:
        celery.send_task(task, args=[str(uuid4())])
    taken: list[str] = []

    def take(_body: object, message: Message) -> None:
        taken.append(str(message.headers["task"]))
        message.ack()

    with celery.connection_for_read() as connection, connection.channel() as channel:
        channel.basic_qos(0, 1, False)
        queues = [celery.amqp.queues[name] for name in IN_ORDER]
        with celery.amqp.Consumer(
            channel, queues=queues, callbacks=[take], accept=["json"], no_ack=False
        ):
            while len(taken) < 2 * EACH:
                connection.drain_events(timeout=5)
    assert taken == [ROUND] * EACH + [REPORT] * EACH


def test_what_has_a_queue_of_its_own_is_a_task() -> None:
    assert set(ROUTES) <= set(EFFECTS)
    assert {route["queue"] for route in ROUTES.values()} == {REPORTS}
    assert IN_ORDER == (EVALUATION, REPORTS)


def test_what_waits_in_a_lane_has_room_of_its_own() -> None:
    in_lanes = {name for name, effect in EFFECTS.items() if isinstance(effect, InLanes | Behind)}
    assert set(ELSEWHERE) == in_lanes
