"""The console in a real browser: whole journeys without scripts, and every page by axe-core."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
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
# Every page, seen by somebody who may do most on it.
PATHS = {
    Role.OWNER: (
        "/",
        "/account",
        "federation",
        "model",
        "cohorts",
        "inventory",
        "policy",
        "round",
        "incident",
    ),
    Role.VALIDATOR: ("promotion", "/f/flights/audit?verify=true", "/f/flights/proposals"),
    Role.ADMIN: ("/f/flights/members",),
}
PHONE = ViewportSize(width=390, height=800)

Visit = Callable[[Role], Page]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(tmp_path_factory.mktemp("world"))


@pytest.fixture
def world(tmp_path: Path, made: World) -> World:
    """The world in a folder of its own, so that what one test decides is news to the next."""
    return made.copied(tmp_path)


@pytest.fixture
def address(world: World) -> Iterator[str]:
    """The service on that world, on a port of its own."""
    port = free_port()
    settings = settings_in(world.path)
    database = Database(settings.database)
    app = create_app(settings)
    app.state.database = database
    with serving(app, port):
        yield f"http://127.0.0.1:{port}"
    database.dispose()


class Announced(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@contextmanager
def serving(app: FastAPI, port: int) -> Iterator[None]:
    """The application, listening."""
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
        sign_in(page, world.keys[role])
        page.wait_for_url(f"{address}{world.pages['federation']}")
        return page

    yield enter
    for context in contexts:
        context.close()


def sign_in(page: Page, key: str) -> None:
    """Sign in with a key on the page that asks for it."""
    page.get_by_text("With an API key").click()
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").last.click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


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
    expect(grace.get_by_text("Better at both hubs <b>").first).to_be_visible()
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


def test_a_data_scientist_finds_why_proposes_and_a_validator_rejects(
    visit: Visit, world: World
) -> None:
    ana = visit(Role.ANALYST)
    ana.get_by_role("link", name="late-arrival", exact=True).first.click()
    expect(ana.get_by_role("img", name=re.compile("The gravest verdict"))).to_be_visible()
    ana.get_by_role("link", name=re.compile("^Drift in .* at 6 of 6 clients")).first.click()
    expect(ana.get_by_role("heading", name="Why")).to_be_visible()
    ana.get_by_role("link", name=re.compile("round at step")).click()
    ana.get_by_text("Verdicts on single clients").click()
    expect(ana.get_by_role("region", name="Clients")).to_be_visible()
    ana.goto(world.pages["promotion"])
    ana.get_by_label("Your comment").fill("JFK is the worse of the two.")
    ana.get_by_role("button", name="Comment").click()
    expect(ana.get_by_text("JFK is the worse of the two.")).to_be_visible()
    ana.get_by_role("link", name="of version 2").click()
    expect(ana.get_by_role("heading", name=re.compile("late-arrival"))).to_be_visible()

    grace = visit(Role.VALIDATOR)
    grace.goto(world.pages["promotion"])
    expect(grace.get_by_text("JFK is the worse of the two.")).to_be_visible()
    expect(grace.get_by_role("heading", name="Guardrails")).to_be_visible()
    grace.get_by_label("Reason").fill("Not before JFK is looked at.")
    grace.get_by_role("button", name="Reject").click()
    expect(grace.get_by_text("decided by Grace")).to_be_visible()

    dev = visit(Role.DEVELOPER)
    dev.goto(world.pages["model"])
    dev.get_by_text("Propose version 2").click()
    dev.get_by_label("Why").last.fill("Looked at.")
    dev.get_by_role("button", name="Draft the promotion").click()
    dev.get_by_role("button", name="Submit it for review").click()
    expect(dev.get_by_text("somebody else decides")).to_be_visible()
    grace.goto("/")
    expect(grace.get_by_role("link", name="may version 2 replace 1?")).to_be_visible()


def test_the_on_call_silences_resolves_and_asks_for_retraining(visit: Visit, world: World) -> None:
    olu = visit(Role.ON_CALL)
    olu.goto("/")
    expect(olu.get_by_role("heading", name="For you")).to_be_visible()
    olu.goto(world.pages["incident"])
    olu.get_by_text("Silence", exact=True).first.click()
    olu.get_by_label("Why").first.fill("known")
    olu.get_by_role("button", name="Silence").click()
    expect(olu.get_by_text(re.compile("silenced until"))).to_be_visible()
    olu.get_by_text("Resolve", exact=True).first.click()
    resolve = olu.locator("form[action$='/resolve']")
    resolve.get_by_label("As").select_option("data_fault")
    resolve.get_by_label("Why").fill("A clock was wrong.")
    resolve.get_by_role("button").click()
    expect(olu.get_by_text("data fault").first).to_be_visible()
    expect(olu.get_by_role("button", name="Acknowledge")).to_have_count(0)


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
def test_no_page_breaks_wcag_is_wider_than_a_phone_or_breaks_its_own_policy(
    chromium: Browser, address: str, world: World, scheme: Literal["light", "dark"]
) -> None:
    complaints: list[str] = []
    for role, paths in PATHS.items():
        context = chromium.new_context(base_url=address, viewport=PHONE, color_scheme=scheme)
        page = context.new_page()
        _listen(page, address, complaints)
        page.goto("/login")
        complaints += _violations(page, "/login")
        sign_in(page, world.keys[role])
        for path in (world.pages.get(path, path) for path in paths):
            page.goto(path)
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], path
            complaints += _violations(page, path)
        context.close()
    assert [text for text in complaints if not text.startswith("verbose")] == []


def _listen(page: Page, address: str, complaints: list[str]) -> None:
    """Note what the browser complains of, and what it asks for elsewhere."""
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("request", lambda request: complaints.extend(_foreign(request.url, address)))


def _violations(page: Page, path: str) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA."""
    tags = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    options = {"resultTypes": ["violations"], "runOnly": tags}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{path}: {one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


def test_times_are_of_the_viewers_zone_with_utc_on_hover(
    chromium: Browser, address: str, world: World
) -> None:
    context = chromium.new_context(base_url=address, timezone_id="Asia/Tokyo", locale="en-GB")
    page = context.new_page()
    page.goto("/login")
    sign_in(page, world.keys[Role.VIEWER])
    page.goto(world.pages["federation"])
    time = page.locator("time").first
    expect(time).to_have_text(re.compile("GMT\\+9|JST"))
    expect(time).to_have_attribute("title", re.compile("UTC$"))
    context.close()


def _foreign(url: str, address: str) -> list[str]:
    return [] if url.startswith(address) else [f"asked for {url}"]
