"""Lanes: in order within one, side by side between them, bounded, and closed in good order."""

from collections.abc import Callable
from threading import Event
from uuid import uuid4

import pytest
from sqlmodel import select

from app.core import outbox
from app.core.database import Database
from app.core.outbox import OutboxRow, OutboxState
from workers.effects import External
from workers.lanes import InLanes, Lanes

SECONDS = 10.0


def submit(lanes: Lanes, lane: str, work: Callable[[], object]) -> bool:
    return lanes.submit(lane, uuid4(), lambda: work() and None)


def test_one_that_waits_holds_up_no_other() -> None:
    lanes, go_on, done = Lanes(), Event(), Event()
    submit(lanes, "slow", lambda: go_on.wait(SECONDS))
    submit(lanes, "quick", lambda: done.set() or True)
    assert done.wait(SECONDS)
    go_on.set()
    lanes.wait(SECONDS)


def test_one_receiver_is_served_in_order() -> None:
    lanes, seen, last = Lanes(), list[int](), Event()
    for number in range(50):
        submit(lanes, "one", lambda number=number: seen.append(number) or True)
    submit(lanes, "one", lambda: last.set() or True)
    assert last.wait(SECONDS)
    assert seen == list(range(50))


def test_what_waits_already_is_not_taken_twice() -> None:
    lanes, go_on, seen, last = Lanes(), Event(), list[int](), Event()
    key = uuid4()
    assert lanes.submit("one", key, lambda: go_on.wait(SECONDS) and seen.append(1))
    assert lanes.submit("one", key, lambda: seen.append(2))
    go_on.set()
    submit(lanes, "one", lambda: last.set() or True)
    assert last.wait(SECONDS)
    assert seen == [1]


def test_there_is_room_for_so_much_and_no_more() -> None:
    lanes, go_on = Lanes(most_lanes=1, most_waiting=2), Event()
    began = Event()
    submit(lanes, "one", lambda: began.set() or go_on.wait(SECONDS))
    assert began.wait(SECONDS)
    assert [submit(lanes, "one", bool) for _ in range(3)] == [True, True, False]
    assert not submit(lanes, "another", bool)
    go_on.set()
    lanes.wait(SECONDS)


def test_what_fails_ends_no_lane() -> None:
    lanes, done = Lanes(), Event()
    submit(lanes, "one", lambda: 1 / 0)
    submit(lanes, "one", lambda: done.set() or True)
    assert done.wait(SECONDS)


def test_closing_waits_for_what_is_under_way_and_forgets_the_rest() -> None:
    lanes, began, go_on, seen = Lanes(), Event(), Event(), list[str]()
    submit(lanes, "one", lambda: began.set() or (go_on.wait(SECONDS) and seen.append("first")))
    submit(lanes, "one", lambda: seen.append("second"))
    assert began.wait(SECONDS)
    lanes.close()
    assert not submit(lanes, "another", bool)
    go_on.set()
    lanes.wait(SECONDS)
    assert seen == ["first"]
    assert not submit(lanes, "one", bool)


class Delivery:
    """A delivery whose end is seen."""

    def __init__(self, lanes: Lanes, patience: float) -> None:
        self.seen, self.ended = list[str](), Event()
        attempt = External(lambda _s, _id: 1, lambda _w: 2, lambda _s, _id, _r: self.end("sent"))
        self.effect = InLanes(
            attempt,
            lane_of=lambda _session, _id: "one",
            put_off=lambda _session, _id: self.end("put off"),
            lanes=lanes,
            patience=patience,
        )

    def end(self, how: str) -> None:
        self.seen.append(how)
        self.ended.set()

    def run(self, database: Database) -> None:
        with database.session_scope() as session:
            outbox.enqueue(session, "incidents.deliver_notice", uuid4())
        with database.read_scope() as session:
            row = session.exec(select(OutboxRow)).one()
        self.effect.run(database, row.id)
        assert self.ended.wait(SECONDS)
        self.effect.lanes.wait(SECONDS)
        with database.read_scope() as session:
            assert session.get_one(OutboxRow, row.id).state == OutboxState.DONE


@pytest.mark.parametrize(("patience", "ended"), [(60.0, "sent"), (-1.0, "put off")])
def test_what_waited_too_long_is_put_off(database: Database, patience: float, ended: str) -> None:
    delivery = Delivery(Lanes(), patience)
    delivery.run(database)
    assert delivery.seen == [ended]


def test_without_room_it_is_put_off_at_once(database: Database) -> None:
    delivery = Delivery(Lanes(most_lanes=0), 60.0)
    delivery.run(database)
    assert delivery.seen == ["put off"]
