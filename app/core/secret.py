"""The secret that the embedded profile makes for itself on first start."""

import os
import secrets
from pathlib import Path

SECRET_BYTES = 32


def load_or_make_secret(path: Path) -> bytes:
    """The secret in `path`; made there, readable by its owner alone, if the file is missing.

    Raises:
        ValueError: if the file holds fewer than 32 characters, which no start of Vigie writes.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _make_once(path)
    secret = path.read_bytes().strip()
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"{path} holds {len(secret)} bytes; a secret has at least {SECRET_BYTES}.")
    return secret


def _make_once(path: Path) -> None:
    """Write a new secret beside `path` and link it there, so that no reader sees half of one."""
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(SECRET_BYTES))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was first; its secret is the secret
    finally:
        draft.unlink()
