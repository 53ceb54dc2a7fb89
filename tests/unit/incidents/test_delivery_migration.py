"""The migration of notices: what was sent before is kept, up and down again."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command

from app.core import migrations
from app.core.database import Database
from tests.servers import running_postgres

AT = datetime(2026, 11, 1, tzinfo=UTC)
BEFORE, AFTER = "0005", "0006"


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_notices_and_silences_survive_up_and_down(kind: str, tmp_path: Path) -> None:
    if kind == "sqlite":
        _play(Database(f"sqlite:///{tmp_path / 'vigie.db'}"))
        return
    with running_postgres(tmp_path) as url:
        _play(Database(url))


def _play(database: Database) -> None:
    config = migrations.config(database)
    command.upgrade(config, BEFORE)
    _fill(database)
    command.upgrade(config, AFTER)
    announced = _rows(database, "SELECT event, severity, step FROM announcements ORDER BY event")
    assert announced == [("opened", "warning", 0), ("resolved", "warning", 0)]
    told = "SELECT n.channel, a.event FROM notices n JOIN announcements a ON a.id ="
    assert _rows(database, f"{told} n.announcement_id ORDER BY n.channel, a.event") == [
        ("log", "opened"),
        ("log", "resolved"),
        ("mail", "opened"),
    ]
    assert _rows(database, "SELECT kind FROM silences") == [("silence",)]
    command.downgrade(config, BEFORE)
    left = _rows(database, "SELECT channel, event, state FROM notices ORDER BY channel, event")
    assert left == [
        ("log", "opened", "sent"),
        ("log", "resolved", "pending"),
        ("mail", "opened", "silenced"),
    ]
    command.upgrade(config, AFTER)
    database.dispose()


def _fill(database: Database) -> None:
    """A federation with an incident, three notices of it, and a silence, as they were before."""
    metadata = sa.MetaData()
    metadata.reflect(database.engine)
    federation, round_, incident = uuid4(), uuid4(), uuid4()
    known = {
        "id": federation,
        "federation_id": federation,
        "opened_round": round_,
        "incident_id": incident,
        "severity": "warning",
        "matchers": {"model": "late"},
    }
    with database.engine.begin() as connection:
        for table, fixed in (
            ("federations", {"id": federation}),
            ("rounds", {"id": round_, "state": "received", "phase": "evaluate"}),
            ("incidents", {"id": incident, "state": "open"}),
            ("silences", {"id": uuid4(), "starts_at": AT, "ends_at": AT.replace(year=2027)}),
            ("notices", {"id": uuid4(), "event": "opened", "channel": "log", "state": "sent"}),
            ("notices", {"id": uuid4(), "event": "resolved", "channel": "log", "state": "pending"}),
            ("notices", {"id": uuid4(), "event": "opened", "channel": "mail", "state": "silenced"}),
        ):
            columns = metadata.tables[table].columns
            row = {column.name: _value(column) for column in columns if not column.nullable}
            named = {name: value for name, value in known.items() if name in columns}
            values = {name: _stored(columns[name], v) for name, v in (row | named | fixed).items()}
            connection.execute(sa.insert(metadata.tables[table]).values(values))


def _value(column: sa.Column[object]) -> object:
    """Something that a column takes."""
    kind = column.type
    if isinstance(kind, sa.DateTime):
        return AT
    if isinstance(kind, sa.Boolean):
        return False
    if isinstance(kind, sa.Integer | sa.Float | sa.Numeric):
        return 1
    if isinstance(kind, sa.JSON):
        return {}
    if isinstance(kind, sa.LargeBinary):
        return b""
    return "x"


def _stored(column: sa.Column[object], value: object) -> object:
    """SQLite's reflected columns of identifiers are plain text."""
    is_text = isinstance(column.type, sa.String) and not isinstance(value, str)
    return value.hex if is_text and hasattr(value, "hex") else value


def _rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.engine.begin() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]
