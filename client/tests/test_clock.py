"""The service's time from the Date of its answers."""

import logging

import httpx
import pytest

from vigie_client import ServerClock, VigieApi

TEN = "Sat, 21 Nov 2026 10:00:00 GMT"
AT_TEN = 1795255200.0


def test_nothing_is_known_or_corrected_at_first() -> None:
    clock = ServerClock(local=lambda: AT_TEN)
    assert (clock.measured, clock.offset) == (False, 0.0)
    assert clock.now().isoformat() == "2026-11-21T10:00:00+00:00"


@pytest.mark.parametrize("date", [None, "", "now", "Sat, 99 Nov 2026 10:00:00 GMT"])
def test_an_answer_without_a_date_tells_nothing(date: str | None) -> None:
    clock = ServerClock()
    clock.observe(date, AT_TEN, AT_TEN)
    assert not clock.measured


def test_a_clock_that_may_be_right_is_left_alone() -> None:
    clock = ServerClock(local=lambda: AT_TEN)
    clock.observe(TEN, AT_TEN + 0.9, AT_TEN + 1.2)
    assert (clock.measured, clock.offset) == (True, 0.0)


@pytest.mark.parametrize("offset", [-7200.0, -30.0, 30.0, 7200.0])
def test_the_offset_is_found_to_the_second(offset: float) -> None:
    clock = ServerClock(tolerance=1e9)
    local = AT_TEN - offset
    for fraction in (0.3, 0.7, 1.4):  # the same Date, seen while it lasts
        clock.observe(TEN, local + fraction, local + fraction + 0.05)
    assert clock.offset == pytest.approx(offset, abs=1.0)
    assert clock.moment(local).timestamp() == pytest.approx(AT_TEN, abs=1.0)


def test_a_slow_answer_says_little_and_spoils_nothing() -> None:
    clock = ServerClock(tolerance=1e9)
    clock.observe(TEN, AT_TEN + 100, AT_TEN + 100.1)
    sharp = clock.offset
    clock.observe(TEN, AT_TEN + 60, AT_TEN + 130)
    assert clock.offset == sharp


def test_a_clock_that_was_set_is_measured_anew() -> None:
    clock = ServerClock(tolerance=1e9)
    clock.observe(TEN, AT_TEN + 100, AT_TEN + 100)
    clock.observe(TEN, AT_TEN + 1, AT_TEN + 1)
    assert clock.offset == 0.0


def test_a_wrong_clock_is_told_once_until_it_is_right_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ServerClock(tolerance=60.0)
    with caplog.at_level(logging.WARNING, "vigie_client"):
        for late in (30, 200, 201, 1, 200):
            clock.observe(TEN, AT_TEN + late, AT_TEN + late)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "clock is 199 s ahead of Vigie's" in told[0]


def test_every_answer_tells_even_a_refusal(key: str) -> None:
    refusing = httpx.MockTransport(lambda _: httpx.Response(404, headers={"Date": TEN}))
    api = VigieApi("https://vigie.test", key, "stroke", transport=refusing)
    with pytest.raises(Exception, match="404"):
        api.rounds()
    assert api.clock.measured
