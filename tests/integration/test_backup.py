"""Backup and restore by `vigie db`, of a played federation, on both databases."""

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from app.cli import cli
from app.commands import audit, backtest, db
from app.core import backup as backups
from app.core import migrations
from app.core.backup import restore
from app.core.database import Database
from app.core.errors import BackupError
from app.core.settings import Settings
from app.federations.roles import Role
from tests.rounds import BIN_SPEC, body, record
from tests.servers import program_or_skip, running_postgres
from tests.working import judge

HOME = "/v1/federations/flights"
ROUNDS = 13
POSTGRES = pytest.param("postgresql", marks=pytest.mark.postgres)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL with nothing in it."""
    program_or_skip("pg_dump", "postgresql-client")
    with running_postgres(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(params=["sqlite", POSTGRES])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """`fresh(name)`: the address of an empty database."""
    if request.param == "sqlite":
        return lambda name: f"sqlite:///{tmp_path / name}.db"
    server: str = request.getfixturevalue("server")
    prefix = f"t{abs(hash(str(tmp_path)))}"

    def made(name: str) -> str:
        admin = create_engine(server, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {prefix}_{name}")
        admin.dispose()
        return f"{server.rpartition('/')[0]}/{prefix}_{name}"

    return made


@pytest.fixture
def settings(settings: Settings, fresh: Callable[[str], str]) -> Settings:
    """The service on a fresh, migrated database."""
    told = settings.model_copy(update={"database_url": fresh("first")})
    database = Database(told.database)
    migrations.upgrade(database)
    database.dispose()
    return told


@pytest.fixture
def vigie(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`vigie(address, *arguments)`: what the command prints on the database there."""

    def run(address: str, *arguments: str, code: int = 0) -> str:
        told = settings.model_copy(update={"database_url": address})
        for command in (db, audit, backtest):
            monkeypatch.setattr(command, "settings", lambda: told)
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == code, done.output
        return done.output

    return run


@pytest.fixture
def played(api: TestClient, database: Database, key_of: Callable[..., dict[str, str]]) -> None:
    """Ten calm rounds, and three with many more late flights."""
    headers = key_of(Role.INGEST)
    spec = api.post(f"{HOME}/bin-specs", json=BIN_SPEC, headers=headers).json()["id"]
    for step in range(1, ROUNDS + 1):
        late = 45 if step > 10 else 20 + step % 3
        told = body(*(record(name, 100, late) for name in range(6)), step=step, spec=spec)
        api.post(f"{HOME}/runs/serve/rounds/{step}/evaluate", json=told, headers=headers)
        judge(database)


def test_a_backup_restored_elsewhere_has_the_same_chain_and_the_same_verdicts(
    played: None,
    settings: Settings,
    fresh: Callable[[str], str],
    vigie: Callable[..., str],
    tmp_path: Path,
) -> None:
    file, first, second = tmp_path / "vigie.backup", settings.database, fresh("second")
    before = vigie(first, "audit", "verify")
    assert "vigie db restore" in vigie(first, "db", "backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = vigie(second, "db", "restore", str(file))
    assert "is unbroken" in told
    assert vigie(second, "audit", "verify") == before
    replayed = json.loads(vigie(second, "replay", "-f", "flights", "--json"))
    assert (replayed["rounds"], replayed["mismatches"]) == (ROUNDS, [])
    assert replayed["verdicts"] > 0
    assert _verdicts(second) == _verdicts(first)
    assert "the newest" in vigie(second, "db", "current")
    vigie(second, "db", "check")


def test_what_is_there_is_lost_only_when_asked_for(
    settings: Settings, fresh: Callable[[str], str], vigie: Callable[..., str], tmp_path: Path
) -> None:
    file, second = tmp_path / "vigie.backup", fresh("second")
    vigie(settings.database, "db", "backup", str(file))
    assert "exists already" in vigie(settings.database, "db", "backup", str(file), code=1)
    assert "is empty" in vigie(second, "db", "backup", str(tmp_path / "none"), code=1)
    _run(second, "CREATE TABLE left_over (id int)")
    assert "--replace" in vigie(second, "db", "restore", str(file), code=1)
    vigie(second, "db", "restore", str(file), "--replace")
    vigie(second, "db", "check")  # which finds a table too many


def test_a_backup_of_a_newer_schema_or_of_something_else_is_refused(
    settings: Settings, fresh: Callable[[str], str], vigie: Callable[..., str], tmp_path: Path
) -> None:
    file, second = tmp_path / "vigie.backup", fresh("second")
    _run(settings.database, "UPDATE alembic_version SET version_num = '9999'")
    vigie(settings.database, "db", "backup", str(file))
    assert "9999" in vigie(second, "db", "restore", str(file), code=1)
    (tmp_path / "letter").write_text("Dear all")
    assert "no backup" in vigie(second, "db", "restore", str(tmp_path / "letter"), code=1)
    assert "not there" in vigie(second, "db", "restore", str(tmp_path / "lost"), code=1)


def test_a_damaged_backup_leaves_the_database_as_it_was(
    settings: Settings, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    file, second = tmp_path / "vigie.backup", Database(fresh("second"))
    database = Database(settings.database)
    backups.backup(database, file, _unseen)
    database.dispose()
    migrations.upgrade(second)
    file.write_bytes(file.read_bytes()[: -file.stat().st_size // 3])
    with pytest.raises(BackupError):
        restore(second, file, _unseen, replace=True)
    assert backups.standing(second).is_newest
    migrations.check(second)
    second.dispose()


def test_where_a_schema_stands_is_told(
    fresh: Callable[[str], str], vigie: Callable[..., str]
) -> None:
    address = fresh("second")
    assert "is empty" in vigie(address, "db", "current", code=1)
    vigie(address, "db", "upgrade")
    lines = vigie(address, "db", "history").splitlines()
    assert lines[0].split()[0] == "0001"
    assert [line[0] for line in lines] == [" "] * (len(lines) - 1) + ["*"]


def _verdicts(address: str) -> list[tuple[object, ...]]:
    query = "SELECT * FROM verdicts ORDER BY id"
    return [tuple(map(str, row)) for row in _run(address, query)]


def _run(address: str, statement: str) -> list[tuple[object, ...]]:
    engine = create_engine(address)
    with engine.begin() as connection:
        done = connection.execute(text(statement))
        found = [tuple(row) for row in done] if done.returns_rows else []
    engine.dispose()
    return found


def _unseen(_done: int, _total: int) -> None:
    """Nobody looks at the progress."""
