"""Migrations: from nothing to the newest schema and back, and no difference to the code."""

from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from app.core import migrations
from app.core.database import Database
from app.tables import metadata
from tests.servers import running_postgres


def urls() -> list[object]:
    return ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.mark.parametrize("kind", urls())
def test_up_check_down_and_up_again(kind: str, tmp_path: Path) -> None:
    if kind == "sqlite":
        _play(Database(f"sqlite:///{tmp_path / 'vigie.db'}"))
        return
    with running_postgres(tmp_path) as url:
        _play(Database(url))


def _play(database: Database) -> None:
    migrations.upgrade(database)
    migrations.check(database)
    tables = set(inspect(database.engine).get_table_names())
    assert set(metadata.tables) <= tables
    command.downgrade(migrations.config(database), "base")
    assert not set(metadata.tables) & set(inspect(database.engine).get_table_names())
    migrations.upgrade(database)
    migrations.check(database)
    database.dispose()


def test_there_is_one_line_of_revisions(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'vigie.db'}")
    scripts = ScriptDirectory.from_config(migrations.config(database))
    assert len(scripts.get_heads()) == 1
    assert all(script.doc for script in scripts.walk_revisions())
