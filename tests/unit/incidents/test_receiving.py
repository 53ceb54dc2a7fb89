"""The receiver that the documentation shows takes what we sign, once, and nothing else."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.incidents.signing import new_secret, signed_headers

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "alerts.md"
BODY = b'{"type":"incident.opened"}'

IsGenuine = Callable[[str, Mapping[str, str], bytes, set[str]], bool]


@pytest.fixture(scope="module")
def is_genuine() -> IsGenuine:
    block = PAGE.read_text().partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(compile(block, str(PAGE), "exec"), names)
    found: IsGenuine = names["is_genuine"]
    return found


def now() -> datetime:
    return datetime.now(UTC)


def test_a_message_is_taken_once(is_genuine: IsGenuine) -> None:
    secret, seen = new_secret(), set[str]()
    headers = signed_headers([secret], "msg_1", now(), BODY)
    assert is_genuine(secret, headers, BODY, seen)
    assert not is_genuine(secret, headers, BODY, seen)


def test_during_a_rotation_either_secret_will_do(is_genuine: IsGenuine) -> None:
    old, new = new_secret(), new_secret()
    headers = signed_headers([new, old], "msg_1", now(), BODY)
    assert is_genuine(old, headers, BODY, set())
    assert is_genuine(new, headers, BODY, set())
    assert not is_genuine(new_secret(), headers, BODY, set())


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_or_early_message_is_refused(is_genuine: IsGenuine, seconds: int) -> None:
    secret = new_secret()
    at = datetime.fromtimestamp(time.time(), UTC) + timedelta(seconds=seconds)
    headers = signed_headers([secret], "msg_1", at, BODY)
    assert not is_genuine(secret, headers, BODY, set())


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "a second later"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "nonsense"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,\xff"},
    ],
)
def test_what_was_changed_on_the_way_is_refused(
    is_genuine: IsGenuine, change: dict[str, str]
) -> None:
    secret = new_secret()
    signed = signed_headers([secret], "msg_1", now(), BODY)
    later = str(int(signed["webhook-timestamp"]) + 1)
    headers = signed | {
        name: later if value == "a second later" else value for name, value in change.items()
    }
    assert not is_genuine(secret, headers, BODY, set())
    assert not is_genuine(secret, {}, BODY, set())


def test_a_changed_body_is_refused(is_genuine: IsGenuine) -> None:
    secret = new_secret()
    headers = signed_headers([secret], "msg_1", now(), BODY)
    assert not is_genuine(secret, headers, BODY + b" ", set())
