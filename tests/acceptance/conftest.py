"""One world for all tests of the console in a browser, and the browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.acceptance import console_browser
from tests.unit.console.world import World, build, settings_in


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The console's world; to be copied."""
    return build(tmp_path_factory.mktemp("world"))


@pytest.fixture
def world(tmp_path: Path, made: World) -> World:
    """The world in a folder of its own, so that what one test decides is news to the next."""
    return made.copied(tmp_path)


@pytest.fixture
def address(world: World) -> Iterator[str]:
    """The service on that world, on a port of its own."""
    with console_browser.serving(settings_in(world.path)) as address:
        yield address


@pytest.fixture(scope="module")  # its event loop would be in the way of other modules' tests
def chromium() -> Iterator[Browser]:
    """A browser."""
    with console_browser.chromium() as browser:
        yield browser
