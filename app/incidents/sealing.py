"""Secrets at rest: encrypted under a key that follows from the service's own secret.

AES-256-GCM with a fresh 96-bit nonce before each ciphertext. What a secret belongs to is
authenticated with it, so that one row's cannot be put into another.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
PURPOSE = b"vigie webhook secrets 1"


class UnreadableSecretError(Exception):
    """A secret was sealed under another key: the service's own secret was changed since."""

    def __init__(self) -> None:
        super().__init__("This secret cannot be read: the service's own was changed. Rotate it.")


def seal(service_secret: bytes, text: str, owner: str) -> bytes:
    """The text, encrypted for its owner."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(service_secret).encrypt(nonce, text.encode(), owner.encode())


def unseal(service_secret: bytes, sealed: bytes, owner: str) -> str:
    """The text that was sealed for this owner.

    Raises:
        UnreadableSecretError: if the key, the owner or the ciphertext is another.
    """
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return _cipher(service_secret).decrypt(nonce, ciphertext, owner.encode()).decode()
    except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
        raise UnreadableSecretError from error


def _cipher(service_secret: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(service_secret))
