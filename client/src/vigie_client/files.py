"""Files that are there wholly or not at all, even after a crash, and a lock between processes."""

import os
from pathlib import Path

from vigie_client.errors import SpoolLocked

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` so that a crash leaves the whole file or none, and survive a power cut.

    Only the owner may read the file. A temporary file may be left behind, ending in ``.tmp``.
    """
    move(_written(path, data, durable=True), path)


def write_quickly(path: Path, data: bytes) -> None:
    """Write as ``write_atomically`` does, but do not wait for the disk: a power cut may undo it.

    The end of the process, ``kill -9`` included, does not.
    """
    _written(path, data, durable=False).replace(path)


def _written(path: Path, data: bytes, *, durable: bool) -> Path:
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    return temporary


def move(source: Path, target: Path) -> None:
    """Rename, replacing ``target``, and make the rename itself last through a power cut."""
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class FolderLock:
    """An exclusive hold on a folder; the system drops it when the process ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock; ``SpoolLocked`` when another has it or the platform has no such locks."""
        if fcntl is None:
            raise SpoolLocked(
                "A spool needs fcntl locks, which this platform lacks; use Linux or macOS."
            )
        self._file = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise SpoolLocked(
                f"The spool {path.parent} belongs to another reporter (process {holder}). "
                "Close that one, or give this one a folder of its own."
            ) from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let go; harmless when done before."""
        self._file.close()
