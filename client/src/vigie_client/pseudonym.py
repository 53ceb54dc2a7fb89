"""Pseudonyms: the names that clients have outside of their federation."""

import hashlib
import hmac
import secrets

KEY_BYTES = 32


def generate_key() -> bytes:
    """Make a federation's pseudonym key: 32 random bytes.

    Keep it with the federation's other secrets. It never goes to Vigie, and whoever loses it can no
    longer tell which client a pseudonym stands for: a new key gives every client a new pseudonym.
    """
    return secrets.token_bytes(KEY_BYTES)


class Pseudonyms:
    """Client identities to pseudonyms: ``"c_"`` and the first 32 hex digits of HMAC-SHA256.

    The same key and identity always give the same pseudonym, so a client keeps its history
    through restarts. Use an identity that lasts (a hospital's name, a device's serial number),
    not a node id that the framework draws anew.

    >>> Pseudonyms(bytes(32))("hospital-7")
    'c_da49473cf267ae5f94324bd1840ad35a'
    """

    def __init__(self, key: bytes) -> None:
        """Take the federation's key.

        Raises ``ValueError`` for a key under 32 bytes: identities are few and guessable, so a short
        key would let anyone search for them.
        """
        if len(key) < KEY_BYTES:
            raise ValueError(
                f"The pseudonym key has {len(key)} bytes; at least {KEY_BYTES} are needed. "
                "Make one with vigie_client.generate_key() and keep it."
            )
        self._key = key

    def __call__(self, identity: str) -> str:
        """Return the pseudonym of ``identity``; ``ValueError`` when that is empty."""
        if not identity:
            raise ValueError("The identity is empty; give what tells this client from the others.")
        digest = hmac.new(self._key, identity.encode(), hashlib.sha256).hexdigest()
        return f"c_{digest[:32]}"

    def __repr__(self) -> str:
        return "Pseudonyms(key=<hidden>)"
