"""Accounts that sign in, with a hash that costs no time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from sqlmodel import select

from app.audit.tables import AuditEntry
from app.core import clock
from app.core.database import Database
from app.core.settings import Settings
from app.federations.roles import Role
from app.federations.tables import Federation
from app.people import passwords, roles, service
from tests.calling import application
from tests.unit.console.conftest import form_token

PASSWORD = "tranquil otter sings"
OTHER = "nine purple anvils float"


@pytest.fixture(autouse=True)
def _cheap_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", cheap)
    passwords._nobodys.cache_clear()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at: datetime = clock.system_clock()

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


@pytest.fixture
def time():
    """The service's clock, standing."""
    standing = Clock()
    with clock.using(lambda: standing.at):
        yield standing


@dataclass
class Place:
    """The service with people in it."""

    app: FastAPI
    database: Database
    settings: Settings
    federation: Federation

    def browser(self) -> TestClient:
        return TestClient(self.app, follow_redirects=False)

    def person(self, login: str, role: Role | None = Role.VALIDATOR, name: str = "") -> None:
        """An account with `PASSWORD`, and a role in the federation."""
        with self.database.session_scope() as session:
            service.add(session, login, name or login.title(), "test")
            made = service.make_link(session, login, "test", self.settings.secret_key)
            if role is not None:
                roles.give(session, login, self.federation.id, role, "test")
        service.use_link(self.database, made.token, PASSWORD, self.settings.secret_key)

    def enter(self, browser: TestClient, login: str, password: str = PASSWORD) -> Response:
        body = {"login": login, "password": password, "after": "/"}
        return browser.post("/login", data=body)

    def signed_in(self, login: str) -> TestClient:
        browser = self.browser()
        assert self.enter(browser, login).status_code == 303
        return browser

    def audited(self, action: str) -> list[AuditEntry]:
        with self.database.read_scope() as session:
            return list(session.exec(select(AuditEntry).where(AuditEntry.action == action)))


@pytest.fixture
def place(settings: Settings, database: Database, federation: Federation) -> Place:
    app = application(settings, database)
    return Place(app, database, settings, federation)


@pytest.fixture
def grace(place: Place) -> TestClient:
    """The browser of Grace, a validator."""
    place.person("grace")
    return place.signed_in("grace")


Post = Callable[..., Response]


def post(browser: TestClient, path: str, **data: str) -> Response:
    """Send a form of the account page."""
    return browser.post(path, data=data | {"form_token": form_token(browser, "/account")})
