"""What every test may use: a migrated database, the API on it, and callers with their keys."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from fastapi.testclient import TestClient
from xdist.scheduler import LoadScopeScheduling

from app.core import migrations
from app.core.database import Database
from app.core.garbage import collected_seldom, uncollected
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.federations.tables import Federation
from app.main import create_app

FEDERATION = "flights"

# The same examples on every run, so that a red run can be replayed; to look for new ones:
# `make test TEST_ARGS="--hypothesis-profile=explore"`.
hypothesis.settings.register_profile("replay", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", derandomize=False, deadline=None, print_blob=True)
# For state machines against the whole service: 10,000 steps.
hypothesis.settings.register_profile("endurance", derandomize=False, deadline=None, print_blob=True)
hypothesis.settings.load_profile("replay")


# Their tests start many processes, and each wants the machine to itself.
BUSY = ("tests/acceptance/", "tests/frameworks/", "tests/integration/")
# Begun right after those, so that no process is left alone with one of them at the end.
LONG = ("tests/unit/openapi/", "tests/unit/rounds/test_order_of_arrival.py")

BROKEN: list[str] = []  # why processes that run tests went down


class Lanes(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A file's tests stay in one process, and the busy ones are one process's, one by one."""

    def _split_scope(self, nodeid: str) -> str:
        return "busy" if nodeid.startswith(BUSY) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Lanes:
    """Of `-n`: in place of xdist's own groups, which pytest 9.2 does not understand."""
    return Lanes(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """To read all tests is to make a million objects that stay."""
    with uncollected():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first; the rest stays in order."""
    items.sort(
        key=lambda item: (not item.nodeid.startswith(BUSY), not item.nodeid.startswith(LONG))
    )


def pytest_testnodedown(node: object, error: object) -> None:
    """A process that broke down may have been about to run tests of which nobody hears."""
    if error:
        BROKEN.append(str(error))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where VIGIE_NO_SKIPS is set, as in CI, a skipped test is a failed run."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    if skipped and os.environ.get("VIGIE_NO_SKIPS"):
        terminalreporter.write_line(f"{skipped} tests skipped, and none may here.", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Make such failures count."""
    if BROKEN:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and reporter.stats.get("skipped") and os.environ.get("VIGIE_NO_SKIPS"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def _collected_seldom() -> Iterator[None]:
    """As in the process that serves: what pytest has read and rewritten stays for good."""
    with collected_seldom():
        yield


@pytest.fixture(scope="session")
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file with nothing in it, to be copied."""
    path = tmp_path_factory.mktemp("blank") / "vigie.db"
    database = Database(f"sqlite:///{path}")
    migrations.upgrade(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return path


@pytest.fixture
def settings(tmp_path: Path, blank_database: Path) -> Settings:
    """The embedded profile in a folder of its own, with a migrated database."""
    (tmp_path / "vigie.db").write_bytes(blank_database.read_bytes())
    return Settings(data_dir=tmp_path, secret="s" * 32)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The migrated database of `settings`."""
    database = Database(settings.database)
    yield database
    database.dispose()


@pytest.fixture
def api(settings: Settings, database: Database) -> Iterator[TestClient]:
    """The API on that database, called in-process."""
    app = create_app(settings)
    app.state.database = database
    with TestClient(app) as client:
        yield client


@pytest.fixture
def federation(database: Database) -> Federation:
    """A federation named `flights`, whose clients may carry the tag `hub`."""
    body = FederationIn(
        name=FEDERATION, title="Flights", cohort_tags={"hub": ["EWR", "JFK", "LGA"]}
    )
    with database.session_scope() as session:
        return federations.create(session, body, "test")


@pytest.fixture
def key_of(
    database: Database, settings: Settings, federation: Federation
) -> Callable[..., dict[str, str]]:
    """`key_of(role, holder=...)`: the headers of a caller with that role in the federation."""

    def issue(role: Role, holder: str = "") -> dict[str, str]:
        body = KeyIn(holder=holder or role.value, role=role)
        with database.session_scope() as session:
            _, text = federations.issue_key(session, federation, body, "test", settings.secret_key)
        return {"Authorization": f"Bearer {text}"}

    return issue
