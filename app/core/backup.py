"""The whole database in one file, and back.

SQLite by its online backup, PostgreSQL by its own `pg_dump`: both see one moment of a database that
is in use. A restore happens whole or not at all, and never over what is there unless it is told to.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from app.core import migrations
from app.core.backup_postgresql import PostgresqlCopies
from app.core.backup_sqlite import SqliteCopies
from app.core.database import Database
from app.core.errors import BackupError

Progress = Callable[[int, int], None]
"""Told of pages that are copied, and of all; PostgreSQL says nothing of them."""


class Copies(Protocol):
    """What a database system does for a backup."""

    def write(self, file: Path, progress: Progress) -> None:
        """Copy the database as it is at this moment into a file that is not there yet."""

    def revision(self, file: Path) -> str | None:
        """The schema's revision in a file; None where it holds no database of Vigie."""

    def read(self, file: Path, progress: Progress) -> None:
        """Put the file's content in the place of all that the database has."""


@dataclass(frozen=True)
class Standing:
    """Where a schema is: its revision (None: nothing yet), and the newest that the code knows."""

    revision: str | None
    newest: str

    @property
    def is_newest(self) -> bool:
        """Whether there is nothing to upgrade."""
        return self.revision == self.newest


def backup(database: Database, file: Path, progress: Progress) -> None:
    """Write the database into a file that only its owner may read; the file appears whole.

    Raises:
        BackupError: if the file exists, the database is empty, or the database's tools fail.
    """
    if file.exists():
        raise BackupError(f"{file} exists already. Name another file, or remove it.")
    if standing(database).revision is None:
        raise BackupError("The database is empty: there is nothing to back up.")
    draft = file.with_name(f"{file.name}.part")
    draft.unlink(missing_ok=True)
    try:
        draft.touch(mode=0o600)
        _copies(database).write(draft, progress)
        draft.rename(file)
    except OSError as error:
        raise BackupError(f"{file} could not be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def restore(database: Database, file: Path, progress: Progress, *, replace: bool) -> Standing:
    """Put a backup into the database; where its schema stands then.

    Raises:
        BackupError: if the file is no backup or one of a newer Vigie, if the database is not empty
            (unless `replace`), or if the database's tools fail; it is as it was before.
    """
    copies = _copies(database)
    if not file.is_file():
        raise BackupError(f"{file} is not there.")
    revision = copies.revision(file)
    if revision is None:
        raise BackupError(f"{file} is no backup of Vigie's database for this database system.")
    if revision not in {one for one, _ in history(database)}:
        raise BackupError(
            f"{file} is of revision {revision}, which this version of Vigie does not know."
            " Restore it with the version that wrote it, or a newer one."
        )
    if not replace and inspect(database.engine).get_table_names():
        raise BackupError(
            "The database is not empty. Name an empty one in VIGIE_DATABASE_URL, or say --replace"
            " to lose what it holds."
        )
    database.dispose()
    copies.read(file, progress)
    return standing(database)


def standing(database: Database) -> Standing:
    """Where the database's schema is."""
    newest = _scripts(database).get_current_head()
    assert newest is not None  # a test holds the revisions in one line
    if not inspect(database.engine).has_table("alembic_version"):
        return Standing(None, newest)
    with database.engine.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return Standing(found, newest)


def history(database: Database) -> list[tuple[str, str]]:
    """Every revision of the schema with what it is about, oldest first."""
    scripts = list(_scripts(database).walk_revisions())
    return [(script.revision, script.doc) for script in reversed(scripts)]


def _scripts(database: Database) -> ScriptDirectory:
    return ScriptDirectory.from_config(migrations.config(database))


def _copies(database: Database) -> Copies:
    if database.engine.dialect.name == "sqlite":
        return SqliteCopies(Path(str(database.engine.url.database)))
    return PostgresqlCopies(database.engine.url)
