"""Who made, asked for and approved what was there before identities, up and down again."""

from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from app.core import clock, migrations
from app.core.database import Database
from tests.migrations.test_migrations import urls
from tests.migrations.test_promotions_migrated import (
    _column,
    _insert,
    _insert_home,
    _promotion,
    _table,
)
from tests.servers import running_postgres

REVISION = "0017"


@pytest.mark.parametrize("kind", urls())
def test_of_what_was_there_the_names_are_kept_apart(kind: str, tmp_path: Path) -> None:
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
    one = {**_promotion(federation, model), "state": "applied", "required": []}
    old = _insert(database, "promotions", one | {"submitted_by": " Ada ", "decided_by": "Grace"})
    approval = {"promotion_id": old, "federation_id": federation, "role": "validator"}
    approval |= {"reason": "agreed", "evidence_sha256": "0" * 64, "at": clock.now()}
    _insert(database, "promotion_approvals", approval | {"actor": "Grace"})
    command.upgrade(config, REVISION)
    assert _column(database, "submitted_by_id") == {old: "name:ada"}
    assert _column(database, "decided_by_id") == {old: "name:grace"}
    ids = {"submitted_by_id": "login:grace", "decided_by_id": "login:grace2"}
    new = _insert(
        database, "promotions", one | {"submitted_by": "Grace", "decided_by": "Grace"} | ids
    )
    for login in ("grace2", "grace3"):  # two people of one name
        row = approval | {"promotion_id": new, "actor": "Grace", "actor_id": f"login:{login}"}
        _insert(database, "promotion_approvals", row)
    with pytest.raises(sa.exc.IntegrityError):
        ids = {"submitted_by_id": "login:ada", "decided_by_id": "login:ada"}
        _insert(database, "promotions", one | {"submitted_by": "A", "decided_by": "B"} | ids)
    command.downgrade(config, before)
    assert _column(database, "decided_by") == {old: "Grace", new: "Grace (login:grace2)"}
    with database.engine.connect() as connection:
        rows = connection.execute(sa.select(_table("promotion_approvals", ["actor"]))).all()
    assert len(rows) == 2
    database.dispose()
