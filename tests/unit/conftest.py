"""What is played once for the tests of several domains."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.database import Database
from tests.servers import migrated_postgres
from tests.unit.console.world import World, build


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The console's world: rounds, an incident, a canary and a promotion. To be copied."""
    return build(tmp_path_factory.mktemp("world"))


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Database]:
    """A migrated PostgreSQL of the test's own."""
    with migrated_postgres(tmp_path) as address:
        database = Database(address)
        yield database
        database.dispose()
