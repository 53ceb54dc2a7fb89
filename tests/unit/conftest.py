"""What is played once for the tests of several domains."""

import pytest

from tests.unit.console.world import World, build


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The console's world: rounds, an incident, a canary and a promotion. To be copied."""
    return build(tmp_path_factory.mktemp("world"))
