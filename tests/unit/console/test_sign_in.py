"""Signing in and out, and reports under the session."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session, col, select

from app.console import cookies
from app.core.database import Database
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.main import create_app
from tests.unit.console.conftest import SignIn, form_token
from tests.unit.console.world import SECRET, World


@pytest.mark.parametrize(
    ("url", "secure"),
    [("https://v", True), ("http://v", True), ("http://localhost:8000", False)],
)
def test_the_cookie_is_secure_where_people_use_https(
    settings: Settings, world: World, url: str, secure: bool
) -> None:
    served = Settings(data_dir=settings.data_dir, secret=SECRET, public_url=url)
    browser = TestClient(create_app(served), follow_redirects=False)
    answer = browser.post("/login", data={"key": world.keys[Role.VIEWER], "after": "/"})
    assert ("; Secure" in answer.headers["set-cookie"]) == secure
    assert answer.headers["set-cookie"].startswith("__Host-") == secure


def test_the_key_is_in_no_address_and_no_page(sign_in: SignIn, world: World) -> None:
    browser = sign_in(Role.VIEWER)
    key = world.keys[Role.VIEWER]
    assert key not in browser.cookies[cookies.SESSION]
    assert key not in browser.get("/").text


def test_signing_out_needs_the_form_and_then_ends_it(sign_in: SignIn) -> None:
    browser = sign_in(Role.VIEWER)
    assert browser.post("/logout").status_code == 403
    assert browser.get("/").status_code == 200
    out = browser.post("/logout", data={"form_token": form_token(browser)})
    assert out.headers["location"] == "/login"
    assert browser.get("/").status_code == 303


def test_the_admin_of_all_sees_every_federation(
    sign_in: SignIn, database: Database, settings: Settings
) -> None:
    with database.session_scope() as session:
        key = federations.bootstrap_admin(session, settings.secret_key)
    assert key is not None
    text = sign_in(key=key).get("/").text
    assert 'href="/f/flights"' in text
    assert 'href="/f/trains"' in text


def test_a_report_is_asked_for_once_and_built_by_a_worker(
    sign_in: SignIn, world: World, database: Database
) -> None:
    browser, address = sign_in(Role.VIEWER), f"{world.pages['round']}/report"
    assert not _builds(database)
    for _ in range(2):
        answer = browser.get(address)
        assert answer.status_code == 202
        assert "waiting.js" in answer.text
    assert len(_builds(database)) == 1
    assert sign_in(key=world.stranger).get(address).status_code == 404


def test_a_report_needs_a_session(site: Callable[[], TestClient], world: World) -> None:
    assert site().get(f"{world.pages['round']}/report").status_code == 303


def _builds(database: Database) -> list[OutboxRow]:
    with database.read_scope() as session:
        return _rows(session)


def _rows(session: Session) -> list[OutboxRow]:
    return list(session.exec(select(OutboxRow).where(col(OutboxRow.task) == "reports.build")))
