"""Random tokens of sessions and links, of which only a digest is stored.

A token has 256 random bits, so a fast keyed hash is enough: see `app.federations.keys`.
"""

import hashlib
import hmac
import secrets

TOKEN_BYTES = 32


def new() -> str:
    """A fresh token: 43 characters that are safe in a cookie and an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(text: str, secret_key: bytes, purpose: str) -> str:
    """Hex HMAC-SHA256 under a key that is the service's secret for this purpose alone."""
    derived = hmac.digest(secret_key, purpose.encode(), "sha256")
    return hmac.new(derived, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two texts are the same, in constant time."""
    return one.isascii() and hmac.compare_digest(one, other)
