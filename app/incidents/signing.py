"""Signatures of webhooks, as in the Standard Webhooks specification 1.0.

A message is signed as `<id>.<timestamp>.<body>` by HMAC-SHA256. A receiver that checks the
timestamp and remembers the ids of the last minutes refuses replays.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """A fresh secret of 256 bits, as receivers are given it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(
    secrets_: Sequence[str], message_id: str, at: datetime, body: bytes
) -> dict[str, str]:
    """The three headers of a message; one signature for each secret that is valid now.

    `message_id` is the same for every attempt, `at` is the attempt's time.
    """
    timestamp = str(int(at.timestamp()))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets_),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
