"""Promotions that were there before approvals and cohorts, on the way up and down again."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from app.core import clock, migrations
from app.core.database import Database, Json, Utc
from tests.migrations.test_migrations import urls
from tests.servers import running_postgres

REVISION = "0012"
TYPES = {
    **dict.fromkeys(("id", "federation_id", "model_id", "promotion_id"), sa.Uuid()),
    **dict.fromkeys(("created_at", "at"), Utc()),
}


@pytest.mark.parametrize("kind", urls())
def test_what_awaited_review_still_needs_one_validator(kind: str, tmp_path: Path) -> None:
    if kind == "sqlite":
        _play(Database(f"sqlite:///{tmp_path / 'vigie.db'}"))
        return
    with running_postgres(tmp_path) as url:
        _play(Database(url))


def _play(database: Database) -> None:
    config = migrations.config(database)
    before = ScriptDirectory.from_config(config).get_revision(REVISION).down_revision
    assert isinstance(before, str)
    command.upgrade(config, before)
    federation, model = uuid4(), uuid4()
    _insert_home(database, federation, model)
    waiting, draft = (
        _insert(database, "promotions", {**_promotion(federation, model), "state": state})
        for state in ("rejected", "draft")
    )
    command.upgrade(config, REVISION)
    assert _column(database, "required") == {waiting: ["validator"], draft: []}
    assert set(_column(database, "kind").values()) == {"promotion"}
    split = {**_promotion(federation, model), "state": "applied", "cohort": "hub=EWR"}
    _insert(database, "promotions", {**split, "kind": "split", "required": ["validator"]})
    command.downgrade(config, before)
    with database.engine.connect() as connection:
        rows = connection.execute(sa.select(_table("promotions", ["id", "state"]))).all()
    assert {row.state for row in rows} == {"rejected", "draft"}
    database.dispose()


def _promotion(federation: UUID, model: UUID) -> dict[str, object]:
    who = {"federation_id": federation, "model_id": model, "created_at": clock.now()}
    return {**who, "candidate": "2", "champion": "1", "evidence": {}, "submitted_by": "Ada"}


def _insert_home(database: Database, federation: UUID, model: UUID) -> None:
    now = clock.now()
    home = {"name": "flights", "title": "Flights", "min_cohort_size": 3, "cohort_tags": {}}
    _insert(
        database,
        "federations",
        {**home, "policy": {}, "policy_version": 1, "created_at": now},
        federation,
    )
    made = {"federation_id": federation, "name": "eta", "created_at": now}
    _insert(database, "models", made, model)


def _table(name: str, columns: list[str]) -> sa.TableClause:
    return sa.table(name, *(sa.column(one, _type(one)) for one in columns))


def _type(name: str) -> sa.types.TypeEngine[object] | None:
    if name in {"evidence", "required", "policy", "cohort_tags"}:
        return Json
    return TYPES.get(name)


def _insert(
    database: Database, table: str, values: dict[str, object], which: UUID | None = None
) -> UUID:
    row = {"id": which or uuid4(), **values}
    with database.engine.begin() as connection:
        connection.execute(sa.insert(_table(table, list(row))).values(row))
    return row["id"]  # type: ignore[return-value]


def _column(database: Database, name: str) -> dict[UUID, object]:
    with database.engine.connect() as connection:
        rows = connection.execute(sa.select(_table("promotions", ["id", name]))).all()
    return {row[0]: row[1] for row in rows}
