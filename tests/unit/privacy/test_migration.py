"""A federation from before gets a salt of its own when the database is brought up to date."""

from pathlib import Path
from uuid import uuid4

from alembic import command
from sqlmodel import select

from app.core import migrations
from app.core.database import Database
from app.federations.tables import Federation

INSERT = (
    "INSERT INTO federations (id, name, title, min_cohort_size, cohort_tags, policy,"
    " policy_version, created_at) VALUES (?, ?, 'F', 3, '{}', '{}', 1, '2026-01-01 00:00:00')"
)


def test_federations_of_before_are_salted_each_its_own_way(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'vigie.db'}")
    command.upgrade(migrations.config(database), "0002")
    with database.engine.connect() as connection:
        for name in ("flights", "trains"):
            connection.exec_driver_sql(INSERT, (uuid4().hex, name))
        connection.commit()
    migrations.upgrade(database)
    with database.read_scope() as session:
        salts = {row.salt for row in session.exec(select(Federation))}
    database.dispose()
    assert len(salts) == 2
    assert all(len(bytes.fromhex(salt)) == 32 for salt in salts)
