"""The end of a worker: one bound for all, whatever never ends."""

import time
from collections.abc import Iterator
from threading import Event
from uuid import uuid4

import pytest

from workers.ending import Ending
from workers.lanes import Lanes

LONG, SECONDS, SOON = 60.0, 1.0, 10.0


@pytest.fixture
def endless() -> Iterator[list[Lanes]]:
    """Lanes with work under way that does not end before the test does."""
    over, every = Event(), [Lanes(), Lanes(), Lanes()]
    for lanes in every:
        began = Event()
        lanes.submit("one", uuid4(), lambda began=began: began.set() or (over.wait(LONG) and None))
        assert began.wait(SOON)
    yield every
    over.set()


def test_all_lanes_are_closed_within_one_bound(endless: list[Lanes]) -> None:
    ending, left = Ending(), Event()
    began = time.monotonic()
    ending.begin(SECONDS, left.set, spare=LONG)
    ending.close(*endless)
    assert SECONDS <= time.monotonic() - began < 2 * SECONDS
    assert not left.is_set()
    assert not any(lanes.submit("one", uuid4(), bool) for lanes in endless)


def test_nothing_is_waited_for_where_nothing_is_under_way() -> None:
    ending = Ending()
    began = time.monotonic()
    ending.begin(LONG, bool, spare=LONG)
    ending.close(Lanes(), Lanes())
    assert time.monotonic() - began < SOON


def test_what_holds_on_is_left_and_a_second_signal_gives_no_more_time() -> None:
    ending, left = Ending(), Event()
    ending.begin(0.0, left.set, spare=0.0)
    ending.begin(LONG, bool, spare=LONG)
    assert left.wait(SOON)
