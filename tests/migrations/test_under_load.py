"""A migration beside a service in use: it waits in short steps, and nobody waits long for it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.core import migrations
from app.core.database import Database
from tests.servers import running_postgres

BEFORE = "0013"  # the next one changes `evaluations`, which every judging writes to
SHORT_SECONDS = 6.0  # a lock's timeout, and some room

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(100)]


def test_a_migration_steps_aside_for_writers_and_then_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepped_aside = threading.Event()
    monkeypatch.setattr(migrations.log, "warning", lambda *_, **__: stepped_aside.set())
    with running_postgres(tmp_path) as url, ThreadPoolExecutor(1) as pool:
        database = Database(url)
        command.upgrade(migrations.config(database), BEFORE)
        with database.engine.connect() as long_reader:
            long_reader.execute(text("SELECT count(*) FROM evaluations"))
            upgrading = pool.submit(migrations.upgrade, database)
            waited = 0.0
            while not stepped_aside.wait(0.05) and not upgrading.done():
                waited = max(waited, _seconds_to_write(database))
            assert not upgrading.done()
        upgrading.result()
        assert waited < SHORT_SECONDS
        migrations.check(database)
        database.dispose()


def test_a_lock_that_is_never_given_back_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "RETRY_SECONDS", 0.0)
    with running_postgres(tmp_path) as url:
        database = Database(url)
        command.upgrade(migrations.config(database), BEFORE)
        with database.engine.connect() as long_reader:
            long_reader.execute(text("SELECT count(*) FROM evaluations"))
            with pytest.raises(OperationalError, match="lock timeout"):
                migrations.upgrade(database)
        database.dispose()


def _seconds_to_write(database: Database) -> float:
    started = time.monotonic()
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE evaluations SET state = state"))
    return time.monotonic() - started
