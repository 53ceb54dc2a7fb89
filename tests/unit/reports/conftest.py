"""A copy of the console's world: rounds, an incident, a canary and a promotion, played once."""

from pathlib import Path

import pytest

from app.core.settings import Settings
from tests.unit.console.world import World, build, settings_in


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, blank_database: Path) -> World:
    folder = tmp_path_factory.mktemp("world")
    (folder / "vigie.db").write_bytes(blank_database.read_bytes())
    return build(folder)


@pytest.fixture
def settings(tmp_path: Path, world: World) -> Settings:
    """A folder of its own with a copy of the world."""
    (tmp_path / "vigie.db").write_bytes((world.path / "vigie.db").read_bytes())
    return settings_in(tmp_path)
