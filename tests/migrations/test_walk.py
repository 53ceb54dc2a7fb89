"""From every past revision with data to the next: what was stored is there afterwards."""

from pathlib import Path

import pytest
from alembic import command

from app.core import backup, migrations, settings
from app.core.database import Database
from tests.migrations.filled import fill
from tests.servers import running_postgres


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_filled_database_walks_up_revision_by_revision(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIE_SECRET", "s" * 32)
    settings.settings.cache_clear()
    if kind == "sqlite":
        _walk(Database(f"sqlite:///{tmp_path / 'vigie.db'}"))
    else:
        with running_postgres(tmp_path) as url:
            _walk(Database(url))
    settings.settings.cache_clear()


def _walk(database: Database) -> None:
    before: dict[str, int] = {}
    revisions = [revision for revision, _ in backup.history(database)]
    assert len(revisions) > 10
    for revision in revisions:
        command.upgrade(migrations.config(database), revision)
        after = fill(database.engine)
        lost = {name for name in set(before) & set(after) if after[name] < before[name]}
        assert not lost, f"revision {revision}"
        before = after
    assert set(before.values()) == {1}
    migrations.check(database)
    database.dispose()
