"""The console on a copy of one world, and visitors who are signed in."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.core.database import Database
from app.core.settings import Settings
from app.federations.roles import Role
from app.main import create_app
from tests.unit.console.world import World, settings_in

SignIn = Callable[..., TestClient]


@pytest.fixture
def settings(tmp_path: Path, world: World) -> Settings:
    """A folder of its own with a copy of the world."""
    return settings_in(world.copied(tmp_path).path)


@pytest.fixture
def site(settings: Settings, database: Database) -> Callable[[], TestClient]:
    """`site()`: a browser that nobody has signed in with."""
    app = create_app(settings)
    app.state.database = database
    return lambda: TestClient(app, follow_redirects=False)


@pytest.fixture
def sign_in(site: Callable[[], TestClient], world: World) -> SignIn:
    """`sign_in(role)`: a browser with that role's session in the federation; or `key=...`."""

    def enter(role: Role = Role.VIEWER, *, key: str = "") -> TestClient:
        browser = site()
        answer = browser.post("/login", data={"key": key or world.keys[role], "after": "/"})
        assert answer.status_code == 303
        return browser

    return enter


def form_token(browser: TestClient, page: str = "/") -> str:
    """The token that the forms of this session carry."""
    found = re.search(r'name="form_token" value="([^"]+)"', browser.get(page).text)
    assert found is not None
    return found[1]
