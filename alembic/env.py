"""How migrations reach the database: through the service's own settings and engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection
from sqlmodel import AutoString

from app.core.database import Database, Json, Utc
from app.core.settings import settings
from app.tables import metadata

LOCK_TIMEOUT = "2s"  # so long do writers queue behind a migration; see migrations.upgrade


def rendered(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Write column types in a new migration as this project names them."""
    if kind != "type":
        return False
    if isinstance(item, Utc):
        return "Utc()"
    if isinstance(item, AutoString):
        return "sa.String()"
    return "Json" if item is Json else False


@contextmanager
def tables_made_anew(connection: Connection) -> Iterator[None]:
    """One transaction in which SQLite may drop tables that others' rows refer to.

    Which is how it changes one. References are not looked after meanwhile; all of them are checked
    before the transaction is committed.
    """
    if connection.dialect.name != "sqlite":
        with context.begin_transaction():
            yield
        return
    driver = connection.connection.driver_connection
    assert driver is not None  # it is open
    driver.execute("PRAGMA foreign_keys=OFF")  # which a transaction would ignore
    try:
        with context.begin_transaction():
            yield
            if broken := driver.execute("PRAGMA foreign_key_check").fetchone():
                raise RuntimeError(f"After the migration a row of {broken[0]} refers to none.")
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def run() -> None:
    """Run the migrations in one transaction, on a connection of our own or one that was given."""
    if context.is_offline_mode():
        context.configure(url=settings().database, target_metadata=metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    given = context.config.attributes.get("database")
    database = given or Database(settings().database)
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            compare_server_default=True,
            render_item=rendered,
        )
        with tables_made_anew(connection):
            context.run_migrations()
    if given is None:
        database.dispose()


run()
