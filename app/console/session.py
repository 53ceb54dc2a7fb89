"""Signed sessions: a cookie says which key signed in and until when; nothing is kept here.

The cookie is `<payload>.<signature>`, both in URL-safe base64, signed with a key derived from the
service's secret. The holder's key is looked up anew at every request, so revoking it ends the
session. A form's token is an HMAC of the cookie, so that no other site can make one.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

COOKIE = "vigie_session"
LIFETIME = timedelta(hours=12)


@dataclass(frozen=True)
class SignedIn:
    """A valid session: which key, and the token that its forms carry."""

    key_id: UUID
    form_token: str


def issue(key_id: UUID, secret_key: bytes, at: datetime) -> str:
    """The cookie of a session that starts now."""
    payload = {"key": str(key_id), "until": (at + LIFETIME).timestamp()}
    body = _encode(json.dumps(payload).encode())
    return f"{body}.{_sign(body, secret_key, b'console session')}"


def read(cookie: str, secret_key: bytes, at: datetime) -> SignedIn | None:
    """The session in a cookie; None if it is not ours, was changed, or is over."""
    body, _, signature = cookie.partition(".")
    if not cookie.isascii() or not hmac.compare_digest(
        signature, _sign(body, secret_key, b"console session")
    ):
        return None
    payload = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if at.timestamp() >= payload["until"]:
        return None
    return SignedIn(UUID(payload["key"]), _sign(cookie, secret_key, b"console form"))


def form_token_is(signed_in: SignedIn, token: str) -> bool:
    """Whether a form's token belongs to the session, in constant time."""
    return token.isascii() and hmac.compare_digest(signed_in.form_token, token)


def _sign(text: str, secret_key: bytes, purpose: bytes) -> str:
    derived = hmac.new(secret_key, purpose, hashlib.sha256).digest()
    return _encode(hmac.new(derived, text.encode(), hashlib.sha256).digest())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
