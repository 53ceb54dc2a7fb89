"""Backups of SQLite: by its online backup, which waits for no writer and is waited for by none."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from app.core.errors import BackupError

PAGES = 4096  # at a time: 16 MiB, between which progress is told
BUSY_SECONDS = 30.0


class SqliteCopies:
    """Copies of the database in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, file: Path, progress: Callable[[int, int], None]) -> None:
        """Copy the database into a file."""
        self._copy(self._path, file, progress)

    def read(self, file: Path, progress: Callable[[int, int], None]) -> None:
        """Put a file's content in the database's place, in one transaction of SQLite's own."""
        with closing(sqlite3.connect(file)) as source:
            damage = source.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise BackupError(f"{file} is damaged: {damage}.")
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._copy(file, self._path, progress)

    def revision(self, file: Path) -> str | None:
        """The revision that the file's schema has."""
        try:
            with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as source:
                row = source.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.Error:
            return None
        return None if row is None else str(row[0])

    def _copy(self, source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
        try:
            with (
                closing(sqlite3.connect(source, timeout=BUSY_SECONDS)) as from_,
                closing(sqlite3.connect(target, timeout=BUSY_SECONDS)) as to,
            ):
                from_.backup(
                    to,
                    pages=PAGES,
                    progress=lambda _, left, total: progress(total - left, total),
                )
        except sqlite3.Error as error:
            raise BackupError(f"SQLite could not copy {source} to {target}: {error}.") from error
