"""The service that the contract is held by."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.database import Database
from app.core.settings import Settings
from app.main import create_app
from app.retraining.waiting import Key, Waiters
from tests.calling import Caller
from tests.unit.openapi.contract import House, keys


class Impatient(Waiters):
    """Nobody waits for a retrain request, however long they ask to."""

    async def wait(self, database: Database, key: Key, seconds: float) -> bool:
        return False


@pytest.fixture(scope="module")
def house(blank_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("contract")
    (folder / "vigie.db").write_bytes(blank_database.read_bytes())
    settings = Settings(data_dir=folder, secret="s" * 32, push_rate="1000000/second")
    app = create_app(settings)
    app.state.database = database = Database(settings.database)
    app.state.waiters = Impatient()
    with Caller(app) as caller:
        yield House(caller, keys(database, settings))
    database.dispose()
