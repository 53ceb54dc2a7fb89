"""The file broker: a message is there whole or not at all, and one reader gets it."""

from concurrent.futures import ThreadPoolExecutor
from queue import Empty

import pytest
from celery import Celery

from app.core.settings import Settings
from workers.app import create_celery
from workers.file_broker import DRAFT, Channel
from workers.queues import EVALUATION

MESSAGES, READERS = 200, 4


@pytest.fixture
def celery(settings: Settings) -> Celery:
    return create_celery(settings)


def channel_of(celery: Celery) -> Channel:
    """A channel as another process would have it."""
    channel: Channel = celery.connection_for_read().channel()
    return channel


def publish(celery: Celery, number: int) -> None:
    celery.send_task("test.task", args=[number], task_id=str(number))


def take(channel: Channel) -> str | None:
    """The id of the next message's task; None when there is none."""
    try:
        return str(channel._get(EVALUATION)["headers"]["id"])
    except Empty:
        return None


def test_messages_come_out_in_order_and_once(celery: Celery) -> None:
    for number in range(5):
        publish(celery, number)
    assert [take(channel_of(celery)) for _ in range(6)] == ["0", "1", "2", "3", "4", None]


def test_a_message_that_is_still_being_written_is_not_read(
    celery: Celery, settings: Settings
) -> None:
    publish(celery, 1)
    (message,) = (settings.broker_dir / "messages").iterdir()
    message.with_name(f"0_unfinished.{EVALUATION}.msg{DRAFT}").write_text("{")
    assert [take(channel_of(celery)), take(channel_of(celery))] == ["1", None]


def test_readers_at_once_never_meet_half_a_message_nor_the_same_one(celery: Celery) -> None:
    taken: list[str] = []

    def read(_reader: int) -> None:
        channel = channel_of(celery)
        while len(taken) < MESSAGES:
            found = take(channel)
            if found is not None:
                taken.append(found)

    with ThreadPoolExecutor(READERS) as pool:
        reading = pool.map(read, range(READERS))
        for number in range(MESSAGES):
            publish(celery, number)
        list(reading)
    assert sorted(taken, key=int) == [str(number) for number in range(MESSAGES)]
