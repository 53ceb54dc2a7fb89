"""The key that signs checkpoints: Ed25519, made on first use, its public half handed out.

A checkpoint that is signed and kept elsewhere shows a later truncation or a chain that was computed
anew, whoever wrote to the database; who reads the key file can sign another.
"""

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.audit.errors import ForgedCheckpointError, UnusableKeyError
from app.audit.schemas import Checkpoint, SignedCheckpoint
from app.core import clock
from app.core.secret import make_once

_FORM = b"vigie audit checkpoint 1"


def load_or_make_key(path: Path) -> Ed25519PrivateKey:
    """The private key in `path` (PEM); made there, readable by its owner alone, if missing.

    Raises:
        UnusableKeyError: if the file holds something else.
    """
    make_once(path, _new_key)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise UnusableKeyError(path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableKeyError(path)
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """The public half (PEM), for whoever verifies."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The public key in `path` (PEM).

    Raises:
        UnusableKeyError: if the file holds something else.
    """
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except ValueError as error:
        raise UnusableKeyError(path) from error
    if not isinstance(key, Ed25519PublicKey):
        raise UnusableKeyError(path)
    return key


def sign(end: Checkpoint, key: Ed25519PrivateKey) -> SignedCheckpoint:
    """The end of the chain, signed, with the time of signing."""
    at = clock.now()
    unsigned = SignedCheckpoint(seq=end.seq, hash=end.hash, at=at, signature="")
    return unsigned.model_copy(update={"signature": key.sign(_message(unsigned)).hex()})


def check(checkpoint: SignedCheckpoint, key: Ed25519PublicKey) -> None:
    """Refuse a checkpoint that this key did not sign.

    Raises:
        ForgedCheckpointError: if it was changed, or signed by another key.
    """
    try:
        key.verify(bytes.fromhex(checkpoint.signature), _message(checkpoint))
    except (InvalidSignature, ValueError) as error:
        raise ForgedCheckpointError(checkpoint.seq) from error


def _message(checkpoint: SignedCheckpoint) -> bytes:
    at = checkpoint.at.isoformat(timespec="microseconds")
    return b"\n".join([_FORM, f"{checkpoint.seq}\n{checkpoint.hash}\n{at}".encode()])


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
