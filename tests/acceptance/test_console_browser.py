"""The console in a real browser: one person takes an incident on, another decides a promotion."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from app.core.database import Database
from app.federations.roles import Role
from app.incidents.tables import Incident
from app.main import create_app
from app.registry.tables import Promotion
from tests.servers import free_port, program_or_skip
from tests.unit.console.world import World, build, settings_in

# Nothing that the browser does by itself leaves this machine.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
START_SECONDS = 30.0
PHONE = ViewportSize(width=390, height=800)

Visit = Callable[[Role], Page]


@pytest.fixture
def world(tmp_path: Path, blank_database: Path) -> World:
    (tmp_path / "vigie.db").write_bytes(blank_database.read_bytes())
    return build(tmp_path)


@pytest.fixture
def address(world: World) -> Iterator[str]:
    """The service on that world, on a port of its own."""
    port = free_port()
    app = create_app(settings_in(world.path))
    app.state.database = Database(app.state.settings.database)
    with _serving(app, port):
        yield f"http://127.0.0.1:{port}"
    app.state.database.dispose()


class Announced(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@contextmanager
def _serving(app: FastAPI, port: int) -> Iterator[None]:
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off")
    server = Announced(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.listens.wait(START_SECONDS), "the service did not start"
        yield
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = program_or_skip("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, address: str, world: World) -> Iterator[Visit]:
    """`visit(role)`: a window in which that person has signed in; no script may run in it."""
    contexts = []

    def enter(role: Role) -> Page:
        context = chromium.new_context(base_url=address, java_script_enabled=False)
        contexts.append(context)
        page = context.new_page()
        page.goto(world.pages["federation"])
        page.get_by_label("API key").fill(world.keys[role])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{address}{world.pages['federation']}")
        return page

    yield enter
    for context in contexts:
        context.close()


def test_one_person_takes_an_incident_on_and_another_decides(visit: Visit, world: World) -> None:
    olu = visit(Role.ON_CALL)
    drift = olu.get_by_role("link", name=re.compile("^Drift in .* at 6 of 6 clients"))
    drift.and_(olu.locator(f"[href$='{world.incident_id}']")).first.click()
    olu.get_by_role("button", name="Acknowledge").click()
    expect(olu.get_by_text("Acknowledged by Olu.")).to_be_visible()
    expect(olu.get_by_role("button", name="Acknowledge")).to_have_count(0)

    ada = visit(Role.OWNER)
    ada.goto(world.pages["promotion"])
    expect(ada.get_by_text("somebody else decides")).to_be_visible()
    expect(ada.get_by_role("button", name="Approve")).to_have_count(0)

    grace = visit(Role.VALIDATOR)
    grace.goto("/")
    grace.get_by_role("link", name="may version 2 replace 1?").click()
    grace.get_by_label("Reason").fill("Better at both hubs <b>")
    grace.get_by_role("button", name="Approve version 2").click()
    expect(grace.get_by_text("decided by Grace")).to_be_visible()
    expect(grace.get_by_text("Better at both hubs <b>")).to_be_visible()
    grace.get_by_role("button", name="Sign out").click()
    grace.goto(world.pages["promotion"])
    expect(grace.get_by_role("heading", name="Sign in")).to_be_visible()

    with Database(settings_in(world.path).database).read_scope() as session:
        incident = session.get(Incident, world.incident_id)
        promotion = session.get(Promotion, world.promotion_id)
    assert incident is not None
    assert promotion is not None
    assert (incident.state, incident.acknowledged_by) == ("acknowledged", "Olu")
    assert (promotion.state, promotion.decided_by) == ("approved", "Grace")


def test_the_browser_insists_on_a_reason(visit: Visit, world: World) -> None:
    grace = visit(Role.VALIDATOR)
    grace.goto(world.pages["promotion"])
    grace.get_by_role("button", name="Approve version 2").click()
    expect(grace.get_by_role("heading", name="Your decision")).to_be_visible()
    expect(grace.locator("#reason:invalid")).to_have_count(1)


def test_the_keyboard_skips_to_the_content(visit: Visit, world: World) -> None:
    page = visit(Role.VIEWER)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"#main$"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_phone_or_breaks_its_own_policy(
    chromium: Browser, address: str, world: World, scheme: Literal["light", "dark"]
) -> None:
    context = chromium.new_context(base_url=address, viewport=PHONE, color_scheme=scheme)
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("request", lambda request: complaints.extend(_foreign(request.url, address)))
    page.goto("/login")
    page.get_by_label("API key").fill(world.keys[Role.OWNER])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}/")
    for path in ("/", *world.pages.values()):
        page.goto(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], path
    context.close()
    assert [text for text in complaints if not text.startswith("verbose")] == []


def _foreign(url: str, address: str) -> list[str]:
    return [] if url.startswith(address) else [f"asked for {url}"]
