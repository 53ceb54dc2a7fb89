"""A federation that tests push to and read."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.main import create_app
from tests.unit.privacy.place import Place


@pytest.fixture
def place(api: TestClient, database: Database, key_of: Callable[..., dict[str, str]]) -> Place:
    """The federation, empty."""
    return Place(api, database, key_of)


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory, blank_database: Path) -> Iterator[Place]:
    """A federation like it, in an installation of its own."""
    folder = tmp_path_factory.mktemp("other")
    (folder / "vigie.db").write_bytes(blank_database.read_bytes())
    settings = Settings(data_dir=folder, secret="s" * 32)
    database = Database(settings.database)
    body = FederationIn(name="flights", title="Flights", cohort_tags={"hub": ["EWR", "JFK", "LGA"]})
    with database.session_scope() as session:
        federation = federations.create(session, body, "test")

    def key_of(role: Role) -> dict[str, str]:
        key = KeyIn(holder=role.value, role=role)
        with database.session_scope() as session:
            _, text = federations.issue_key(session, federation, key, "test", settings.secret_key)
        return {"Authorization": f"Bearer {text}"}

    app = create_app(settings)
    app.state.database = database
    with TestClient(app) as client:
        yield Place(client, database, key_of)
    database.dispose()
