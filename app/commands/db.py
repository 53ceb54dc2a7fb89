"""`vigie db`: the database's schema."""

import typer

from app.core.database import Database
from app.core.settings import settings

cli = typer.Typer(help="The database's schema.", no_args_is_help=True)


@cli.command()
def upgrade() -> None:
    """Bring the database to the newest schema. Safe to run again."""
    from app.core import migrations  # noqa: PLC0415 - Alembic, only for this

    database = Database(settings().database)
    migrations.upgrade(database)
    database.dispose()
    typer.echo("The database has the newest schema.")


@cli.command()
def check() -> None:
    """Fail if the code's tables and the migrated schema differ."""
    from app import tables  # noqa: F401, PLC0415 - fills the metadata
    from app.core import migrations  # noqa: PLC0415 - Alembic, only for this

    database = Database(settings().database)
    migrations.check(database)
    database.dispose()
