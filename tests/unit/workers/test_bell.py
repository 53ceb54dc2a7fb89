"""The bell: rung once work that was asked for is committed, and by nothing else."""

from collections.abc import Iterator
from queue import Empty, SimpleQueue

import pytest

from app.core import outbox
from app.core.database import Database
from app.core.ids import new_id
from workers.bell import Bell

SOON, NEVER = 5.0, 0.3  # seconds


class Asked:
    """What the bell calls; the first call finds the broker out."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[int] = SimpleQueue()
        self.number = 0

    def __call__(self) -> None:
        self.number += 1
        self.calls.put(self.number)
        if self.number == 1:
            raise ConnectionRefusedError


@pytest.fixture
def asked(database: Database) -> Iterator[Asked]:
    """A bell that listens to the database."""
    asked = Asked()
    bell = Bell(asked)
    bell.listen(database)
    yield asked
    bell.close()


def ask(database: Database) -> None:
    with database.session_scope() as session:
        outbox.enqueue(session, "test.task", new_id())


def test_committed_work_rings_and_a_broker_that_is_out_does_not_end_it(
    database: Database, asked: Asked
) -> None:
    ask(database)
    assert asked.calls.get(timeout=SOON) == 1
    ask(database)
    assert asked.calls.get(timeout=SOON) == 2


def test_many_pieces_of_work_at_once_are_few_rings(database: Database, asked: Asked) -> None:
    pieces = 50
    for _ in range(pieces):
        ask(database)
    asked.calls.get(timeout=SOON)
    assert asked.number < pieces


def test_what_asks_for_nothing_or_is_rolled_back_does_not_ring(
    database: Database, asked: Asked
) -> None:
    with database.session_scope():
        pass
    with pytest.raises(RuntimeError), database.session_scope() as session:
        outbox.enqueue(session, "test.task", new_id())
        raise RuntimeError
    with pytest.raises(Empty):
        asked.calls.get(timeout=NEVER)
