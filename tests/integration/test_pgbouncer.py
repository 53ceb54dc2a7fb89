"""The service behind pgbouncer in transaction mode: what breaks, and the setting that mends it."""

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlmodel import select, text

from app.audit import service as audit
from app.core.database import Database, Pool
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.federations.roles import Role
from tests.rounds import BIN_SPEC, body, record
from tests.servers import migrated_postgres, running_pgbouncer
from tests.working import EFFECTS_HERE
from workers import tasks

HOME = "/v1/federations/flights"
ROUNDS = 12  # psycopg prepares what it sends for the sixth time

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated database behind a pgbouncer; migrations went to PostgreSQL itself."""
    folder = tmp_path_factory.mktemp("pooled")
    with migrated_postgres(folder) as direct, running_pgbouncer(folder, direct) as address:
        yield address


@pytest.fixture
def settings(settings: Settings, pooled: str) -> Settings:
    return settings.model_copy(update={"database_url": pooled, "database_prepared": False})


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """As API and worker open it."""
    database = Database(settings.database, settings.pool)
    yield database
    database.dispose()


def test_rounds_come_in_and_are_judged_behind_a_pooler(
    api: TestClient,
    key_of: Callable[..., dict[str, str]],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_database", lambda: database)
    monkeypatch.setattr(
        tasks, "publish", lambda one: EFFECTS_HERE[one.task].run(database, one.row_id)
    )
    headers = key_of(Role.INGEST)
    spec = api.post(f"{HOME}/bin-specs", json=BIN_SPEC, headers=headers).json()["id"]
    for step in range(1, ROUNDS + 1):
        told = body(*(record(name, 100, 20) for name in range(4)), step=step, spec=spec)
        path = f"{HOME}/runs/serve/rounds/{step}/evaluate"
        assert api.post(path, json=told, headers=headers).status_code == 202
        tasks.sweep()
    with database.read_scope() as session:
        audit.verify(session)
        judged = select(OutboxRow.state).where(OutboxRow.task == "incidents.on_round")
        assert session.exec(judged).all() == ["done"] * ROUNDS


@pytest.mark.parametrize("prepared", [True, False])
def test_prepared_statements_are_what_breaks(pooled: str, prepared: bool) -> None:
    """Two connections of ours are one of the server's, where both name their statements alike."""
    database = Database(pooled, Pool(prepared=prepared))
    with database.engine.connect() as one, database.engine.connect() as other:
        _work(one)
        if prepared:
            with pytest.raises(DBAPIError, match="prepared statement"):
                _work(other)
        else:
            _work(other)
    database.dispose()


def _work(connection: Connection) -> None:
    for _ in range(ROUNDS):
        connection.execute(text("SELECT count(*) FROM outbox WHERE task = :task"), {"task": "a"})
        connection.commit()
