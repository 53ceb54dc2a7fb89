import math

import httpx
import pytest

from vigie_client import Backoff, VigieError, VigieUnreachable
from vigie_client.problems import retry_after

LOST = VigieUnreachable("no answer")


def test_ceiling_doubles_up_to_the_most() -> None:
    highest = Backoff(first=0.5, most=4.0, uniform=lambda: 1.0)
    delays = [highest.delay(failures, LOST) for failures in (1, 2, 3, 4, 5, 10_000)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_jitter_is_full() -> None:
    assert Backoff(uniform=lambda: 0.0).delay(5, LOST) == 0.0
    assert 0.0 <= Backoff(first=1.0).delay(3, LOST) <= 4.0


def test_nothing_is_sent_before_retry_after() -> None:
    busy = VigieError(429, "busy", "", retry_after=7.0)
    assert Backoff(first=1.0, uniform=lambda: 0.0).delay(1, busy) == 7.0
    assert Backoff(first=1.0, uniform=lambda: 0.5).delay(1, busy) == 7.5


def test_an_absurd_retry_after_is_bounded() -> None:
    never = VigieError(503, "never", "", retry_after=1e9)
    assert Backoff(uniform=lambda: 0.0).delay(1, never) == 900.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT"}, None),
        (
            {
                "Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT",
                "Date": "Sat, 21 Nov 2026 10:00:00 GMT",
            },
            30.0,
        ),
        (
            {
                "Retry-After": "Sat, 21 Nov 2026 09:00:00 GMT",
                "Date": "Sat, 21 Nov 2026 10:00:00 GMT",
            },
            0.0,
        ),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(httpx.Headers(headers)) == seconds


def test_too_many_digits_are_infinite_and_bounded() -> None:
    asked = retry_after(httpx.Headers({"Retry-After": "9" * 400}))
    assert asked == math.inf
    endless = VigieError(429, "busy", "", retry_after=asked)
    assert Backoff(uniform=lambda: 0.0).delay(1, endless) == 900.0
