"""The secret that the embedded profile makes for itself on first start."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

SECRET_BYTES = 32


def load_or_make_secret(path: Path) -> bytes:
    """The secret in `path`; made there, readable by its owner alone, if the file is missing.

    Raises:
        ValueError: if the file holds fewer than 32 characters, which no start of Vigie writes.
    """
    make_once(path, lambda: secrets.token_urlsafe(SECRET_BYTES).encode())
    secret = path.read_bytes().strip()
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"{path} holds {len(secret)} bytes; a secret has at least {SECRET_BYTES}.")
    return secret


def make_once(path: Path, make: Callable[[], bytes]) -> None:
    """Write a secret beside `path` and link it there, so that no reader sees half of one.

    Nothing is done where there is one; the file is readable by its owner alone.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(make())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was first; its secret is the secret
    finally:
        draft.unlink()
