"""The migration of retraining and channels, with data: up, down, and up again."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command

from app.core import migrations, settings
from app.core.database import Database
from app.core.settings import Settings
from app.incidents.sealing import unseal
from tests.servers import running_postgres

AT = datetime(2026, 11, 1, tzinfo=UTC)
SECRET, URL = "s" * 32, "mailtos://ada:hunter2@example.org"
BEFORE, AFTER = "0006", "0010"


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_requests_and_channels_survive_up_and_down(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIE_SECRET", SECRET)
    monkeypatch.setenv("VIGIE_DATA_DIR", str(tmp_path))
    settings.settings.cache_clear()
    if kind == "sqlite":
        _play(Database(f"sqlite:///{tmp_path / 'vigie.db'}"))
    else:
        with running_postgres(tmp_path) as url:
            _play(Database(url))
    settings.settings.cache_clear()


def _play(database: Database) -> None:
    config = migrations.config(database)
    command.upgrade(config, BEFORE)
    _fill(database)
    command.upgrade(config, AFTER)
    ((identity, kind, sealed),) = _rows(database, "SELECT id, kind, address FROM channels")
    assert kind == "mailtos"
    assert b"hunter2" not in bytes(sealed)  # type: ignore[arg-type]
    owner = str(identity) if "-" in str(identity) else _dashed(str(identity))
    key = Settings(secret=SECRET).secret_key
    assert unseal(key, bytes(sealed), owner) == URL  # type: ignore[arg-type]
    assert _rows(database, "SELECT state, approved_by FROM retrain_requests") == [
        ("requested", None)
    ]
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE retrain_requests SET state = 'proposed'"))
    command.downgrade(config, BEFORE)
    assert _rows(database, "SELECT url FROM channels") == [(URL,)]
    assert _rows(database, "SELECT state FROM retrain_requests") == [("cancelled",)]
    command.upgrade(config, AFTER)
    database.dispose()


def _dashed(text: str) -> str:
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _fill(database: Database) -> None:
    """A federation with a channel and a request, as they were before."""
    metadata = sa.MetaData()
    metadata.reflect(database.engine)
    federation = uuid4()
    known = {"federation_id": federation, "created_at": AT, "expires_at": AT}
    rows = {
        "federations": {"id": federation},
        "channels": {"name": "on-call", "url": URL},
        "retrain_requests": {"state": "requested", "base_version": "1"},
    }
    with database.engine.begin() as connection:
        for name, row in rows.items():
            table = metadata.tables[name]
            values = {
                column.name: (known | row).get(column.name, _some(column))
                for column in table.columns
                if not column.nullable
            }
            connection.execute(sa.insert(table).values(_stored(database, values)))


def _some(column: "sa.Column[object]") -> object:
    kind = str(column.type).upper()
    if "INT" in kind:
        return 1
    if "JSON" in kind:
        return {}
    if "CHAR(32)" in kind or "UUID" in kind or column.name == "id":
        return uuid4()
    if "DATE" in kind or "TIME" in kind:
        return AT
    return "x"


def _stored(database: Database, values: dict[str, object]) -> dict[str, object]:
    """SQLite's reflected columns know no UUID."""
    if database.engine.dialect.name == "postgresql":
        return values
    return {
        name: getattr(value, "hex", value) if not isinstance(value, int | str | bytes) else value
        for name, value in values.items()
    }


def _rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]
