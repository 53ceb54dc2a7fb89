"""Reports on a copy of the console's world."""

from pathlib import Path

import pytest

from app.core.settings import Settings
from tests.unit.console.world import World, settings_in


@pytest.fixture
def settings(tmp_path: Path, world: World) -> Settings:
    """A folder of its own with a copy of the world."""
    return settings_in(world.copied(tmp_path).path)
