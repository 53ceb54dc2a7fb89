"""`vigie db`: the database's schema, its backups, and what they hold."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from app.commands.connection import fail
from app.core.database import Database
from app.core.errors import DomainError
from app.core.settings import settings

if TYPE_CHECKING:
    from app.core import backup as backups

cli = typer.Typer(help="The database: its schema and its backups.", no_args_is_help=True)


@cli.command()
def upgrade() -> None:
    """Bring the database to the newest schema. Safe to run again, and beside a service in use."""
    from app.core import migrations  # noqa: PLC0415 - Alembic, only for this

    with _database() as database:
        migrations.upgrade(database)
    typer.echo("The database has the newest schema.")


@cli.command()
def check() -> None:
    """Fail if the code's tables and the migrated schema differ."""
    from app import tables  # noqa: F401, PLC0415 - fills the metadata
    from app.core import migrations  # noqa: PLC0415 - Alembic, only for this

    with _database() as database:
        migrations.check(database)


@cli.command()
def current() -> None:
    """Say which revision the schema has; exit with 1 where it is not the newest."""
    from app.core import backup as backups  # noqa: PLC0415 - Alembic, only for this

    with _database() as database:
        now = backups.standing(database)
    typer.echo(_standing(now))
    if not now.is_newest:
        raise typer.Exit(1)


@cli.command()
def history() -> None:
    """List the schema's revisions, oldest first; * marks the one that the database has."""
    from app.core import backup as backups  # noqa: PLC0415 - Alembic, only for this

    with _database() as database:
        now, revisions = backups.standing(database), backups.history(database)
    for revision, what in revisions:
        mark = "*" if revision == now.revision else " "
        typer.echo(f"{mark} {revision}  {what.splitlines()[0]}")


@cli.command()
def backup(file: Annotated[Path, typer.Argument(help="Where to write it.")]) -> None:
    """Write the whole database, as it is at one moment, into a file; the service may run on.

    It holds what the database holds: keep it as safe. The secret is not in it.
    """
    from app.core import backup as backups  # noqa: PLC0415 - Alembic, only for this

    with _database() as database, _bar("Backing up") as progress:
        backups.backup(database, file, progress)
    megabytes = file.stat().st_size / 1e6
    typer.echo(f"Backup of {megabytes:.1f} MB in {file}. Put it back with: vigie db restore {file}")


@cli.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `vigie db backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Lose what the database holds now.")
    ] = False,
) -> None:
    """Put a backup into an empty database, and verify its audit chain; stop the service before."""
    from app.core import backup as backups  # noqa: PLC0415 - Alembic, only for this

    with _database() as database:
        with _bar("Restoring") as progress:
            now = backups.restore(database, file, progress, replace=replace)
        typer.echo(f"Restored from {file}.")
        if not now.is_newest:
            typer.echo(f"{_standing(now)} Next: vigie db upgrade")
            return
        typer.echo(f"The audit chain of {_audited(database)} entries is unbroken.")


def _standing(now: "backups.Standing") -> str:
    if now.revision is None:
        return f"The database is empty; the newest revision is {now.newest}."
    if now.is_newest:
        return f"Revision {now.revision}, the newest."
    return f"Revision {now.revision}; the newest is {now.newest}."


def _audited(database: Database) -> int:
    from app.audit import service as audit  # noqa: PLC0415 - only after a restore

    with database.read_scope() as session:
        return audit.verify(session).seq


@contextmanager
def _database() -> Iterator[Database]:
    database = Database(settings().database)
    try:
        yield database
    except DomainError as error:
        fail(error.message)
    finally:
        database.dispose()


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
