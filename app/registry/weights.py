"""A version's weights: taken in as a stream, checked against the hash it was registered with, kept.

The hash is that of the file's bytes, or of the named arrays of a NumPy archive, as vigie-client's
`weights_sha256` works it out. Nothing is unpickled: an archive with Python objects is refused.
"""

import hashlib
import os
import shutil
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.pressure import MEBIBYTE, StorageFullError
from app.core.settings import Settings
from app.federations.tables import Federation
from app.registry import repository
from app.registry.errors import WeightsMismatchError, WeightsTooLargeError
from app.registry.tables import ModelVersion
from app.registry.twins import registered_name
from app.registry.versions import model_named, version_named

FILE = "weights"
PIECE = 2**20


@dataclass(frozen=True)
class Received:
    """A whole file, where it lies for now, with the hash and size of its bytes."""

    path: Path
    sha256: str
    size: int


class Receiving:
    """A file that is being taken in, beside the place where it will lie; `close` removes it."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Make the file.

        Raises:
            StorageFullError: if the disk is nearly full.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if shutil.disk_usage(folder).free < settings.min_free_mb * MEBIBYTE:
            raise StorageFullError
        handle, name = tempfile.mkstemp(prefix=".incoming-", dir=folder)
        self._path, self._file = Path(name), os.fdopen(handle, "wb")
        self._hash, self._size = hashlib.sha256(), 0
        self._most = settings.max_weights_mb * MEBIBYTE

    def write(self, piece: bytes) -> None:
        """Take in the next piece.

        Raises:
            WeightsTooLargeError: if it is too much.
        """
        self._size += len(piece)
        if self._size > self._most:
            raise WeightsTooLargeError(self._most // MEBIBYTE)
        self._hash.update(piece)
        self._file.write(piece)

    def whole(self) -> Received:
        """The file, once all of it is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return Received(self._path, self._hash.hexdigest(), self._size)

    def close(self) -> None:
        """Remove it, unless it was kept."""
        self._file.close()
        with suppress(FileNotFoundError):
            self._path.unlink()


def folder_of(artifacts_dir: Path, name: str, version_id: object) -> Path:
    """Where the files of a version lie, by the name of its model in MLflow."""
    return artifacts_dir / name / str(version_id)


def place_of(
    session: Session, settings: Settings, federation: Federation, model: str, version: str
) -> Path:
    """The folder of a version that weights may be sent for.

    Raises:
        NotFoundError: if there is no such model or version.
    """
    found = version_named(session, federation.id, model, version)
    name = registered_name(federation.name, model)
    return folder_of(settings.artifacts_dir, name, found.id)


def keep(
    session: Session,
    federation: Federation,
    model_name: str,
    version: str,
    received: Received,
    actor: str,
) -> ModelVersion:
    """Put received weights in their place; the same again changes nothing.

    Raises:
        WeightsMismatchError: if they are not what the version was registered with.
    """
    model = repository.locked_model(session, model_named(session, federation.id, model_name).id)
    found = version_named(session, federation.id, model_name, version)
    if not is_of(received.path, received.sha256, found.weights_sha256, received.size):
        raise WeightsMismatchError
    before = found.artifact_sha256
    kept = received.path.rename(received.path.parent / FILE)
    found.artifact_state, found.artifact_sha256 = "verified", received.sha256
    found.artifact_bytes, found.artifact_checked_at = received.size, clock.now()
    found.artifact_stamp = stamp_of(kept)
    if model.mirrored_at is not None:
        model.mirrored_at = clock.now()  # a look that began before this saw the file of before
    session.add_all([found, model])
    if before != received.sha256:
        audit.record(
            session,
            actor=actor,
            action="version.weights",
            entity=f"version:{model.name}/{found.version}",
            federation_id=model.federation_id,
            before={"artifact_sha256": before},
            after={"artifact_sha256": received.sha256, "bytes": received.size},
        )
    return found


def is_of(path: Path, sha256: str, registered: str, size: int) -> bool:
    """Whether a file of these bytes holds the weights that were registered under a hash."""
    return sha256 == registered or _arrays_sha256(path, size) == registered


def stamp_of(path: Path) -> str | None:
    """What changes when a file does: its size and the times of its content and entry; None: gone.

    The time of the entry is the system's own: nobody can set it back with a file's means.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


@lru_cache(maxsize=1024)
def sha256_at(path: Path, _stamp: str) -> str:
    """The hash of a file's bytes; worked out once for each stamp."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _arrays_sha256(path: Path, size: int) -> str | None:
    """The hash of an archive's named arrays; None for what is none, or unpacks to far more."""
    from vigie_client.weights import weights_sha256  # noqa: PLC0415 - with httpx, seldom needed

    try:
        with zipfile.ZipFile(path) as archive:
            if sum(one.file_size for one in archive.infolist()) > max(4 * size, PIECE):
                return None
        with np.load(path, allow_pickle=False) as arrays:
            return weights_sha256(arrays)
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError):
        return None
