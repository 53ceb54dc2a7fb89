from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from vigie_client import WebhookRefused, WebhookVerifier

NOW = int(time.time())
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
BODY = json.dumps(
    {
        "type": "retraining.requested",
        "timestamp": "2026-01-01T00:00:00+00:00",
        "data": {
            "federation": "flights",
            "request": {
                "id": "r1",
                "model": "late-arrival",
                "base_version": "3",
                "incident_id": None,
                "state": "requested",
                "reason": "drift",
                "plan": {"rounds": 5},
                "claimed_by": None,
                "lease_until": None,
                "progress": None,
                "result_version": None,
                "created_at": "2026-01-01T00:00:00Z",
            },
        },
    }
).encode()


@pytest.fixture(autouse=True)
def _stood_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are signed when the tests are collected, however late they run."""
    monkeypatch.setattr(time, "time", lambda: float(NOW))


def signed(body: bytes = BODY, *, secret: str = SECRET, **changes: Any) -> dict[str, str]:
    told = {"id": "msg_1", "at": str(NOW)} | changes
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b".".join((told["id"].encode(), told["at"].encode(), body))
    digest = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {
        "Webhook-Id": told["id"],
        "Webhook-Timestamp": told["at"],
        "Webhook-Signature": f"v1a,AAAA v1,{digest}",
    }


def test_a_message_of_vigies_is_read() -> None:
    message = WebhookVerifier(SECRET).verify(signed(), BODY)
    assert (message.type, message.repeated) == ("retraining.requested", False)
    assert message.request is not None
    assert (message.request.id, message.request.rounds) == ("r1", 5)


def test_a_retry_is_known_as_one() -> None:
    verifier = WebhookVerifier(SECRET)
    first, again, other = (verifier.verify(signed(id=one), BODY) for one in ("a", "a", "b"))
    assert (first.repeated, again.repeated, other.repeated) == (False, True, False)


def test_both_secrets_are_good_while_one_is_rotated() -> None:
    verifier = WebhookVerifier(OTHER, SECRET)
    assert verifier.verify(signed(), BODY).id == "msg_1"
    assert verifier.verify(signed(secret=OTHER, id="msg_2"), BODY).id == "msg_2"


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        (signed(secret=OTHER), BODY, "No signature fits"),
        (signed(), BODY + b" ", "No signature fits"),
        (signed() | {"Webhook-Id": "msg_2"}, BODY, "No signature fits"),
        (signed() | {"Webhook-Signature": "\u00e9"}, BODY, "No signature fits"),
        ({}, BODY, "webhook-id"),
        (signed(at=str(NOW - 600)), BODY, "s off"),
        (signed(at=str(NOW + 600)), BODY, "s off"),
        (signed(at="soon"), BODY, "no number of seconds"),
        (signed(at="9" * 40), BODY, "no number of seconds"),
        (signed(b"[]"), b"[]", "no message of Vigie's"),
        (signed(b"\xff"), b"\xff", "no message of Vigie's"),
    ],
)
def test_what_is_not_is_refused(headers: dict[str, str], body: bytes, why: str) -> None:
    with pytest.raises(WebhookRefused, match=why):
        WebhookVerifier(SECRET).verify(headers, body)


@pytest.mark.parametrize("secret", ["whsec_\u00e9", "whsec_not base64!"])
def test_a_secret_that_is_none_is_not_quoted(secret: str) -> None:
    with pytest.raises(ValueError, match="copy it anew") as refused:
        WebhookVerifier(secret)
    assert secret not in str(refused.value)
    with pytest.raises(ValueError, match="needs the webhook's secret"):
        WebhookVerifier()


def test_nothing_is_remembered_for_ever() -> None:
    verifier = WebhookVerifier(SECRET, tolerance_seconds=0.0)
    for number in range(5):
        verifier._was_seen(f"msg_{number}")
        time.sleep(0.001)
    assert len(verifier._seen) <= 2


def test_it_hides_its_secrets() -> None:
    assert SECRET not in repr(WebhookVerifier(SECRET))
