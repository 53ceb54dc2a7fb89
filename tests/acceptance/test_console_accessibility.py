"""Every page by axe-core, in both colour schemes, at a phone's width, under its own policy."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect

from app.core.database import Database
from app.federations import service as federations
from app.federations.policy import Policy
from app.federations.roles import Role
from app.incidents import trying
from app.people import service as people
from app.reports import building
from app.reports.service import BUILD
from tests.acceptance.console_browser import PHONE, sign_in
from tests.acceptance.console_looks import LOOKS, NO_PAGES, PROMOTION, ROUND, routes_without_a_look
from tests.unit.console.world import FEDERATION, World, settings_in
from tests.working import EFFECTS_HERE, work
from workers.effects import External

STANDARD = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SLOWLY = 30_000  # ms
# Evidently and what it imports use deprecated things of their own dependencies.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")
PLAYED = {
    "rounds": 13,
    "counts": {"opened": 1, "spared": 0, "same": 2},
    "opened": [
        {"severity": "warning", "title": "Drift in score", "opened_step": 3, "resolution": None}
    ],
    "spared": [],
}


@dataclass
class Place:
    """The console in a browser."""

    browser: Browser
    address: str
    world: World
    database: Database
    made: dict[str, str]  # what the world had not
    complaints: list[str]  # what axe and the browser had to say

    def enter(self, role: Role | None) -> Page:
        """A phone's window in which that person has signed in."""
        context = self.browser.new_context(base_url=self.address, viewport=PHONE)
        context.route(re.compile("/card$"), _with_scripts)
        page = context.new_page()
        page.on("console", self._said)
        page.on("request", lambda request: self._asked(request.url))
        if role is not None:
            page.goto("/login")
            sign_in(page, self.world.keys[role])
        return page

    def judge(self, page: Page) -> None:
        """Note what is wrong with the page that is open."""
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], page.url
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            self.complaints.extend(f"{scheme} {text}" for text in _violations(page))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type != "verbose" and "responded with a status of 404" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"asked for {url}")


def _with_scripts(route: Route) -> None:
    """Let axe run in a page whose sandbox lets nothing run: without timers it would wait for ever.

    The page's own scripts stay forbidden by the rest of its policy.
    """
    answer = route.fetch()
    headers = answer.headers
    policy = headers["content-security-policy"]
    assert policy.endswith("; sandbox")
    route.fulfill(
        response=answer, headers=headers | {"content-security-policy": f"{policy} allow-scripts"}
    )


def _violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA."""
    options = {"resultTypes": ["violations"], "runOnly": STANDARD}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{page.url}: {one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.fixture
def place(chromium: Browser, address: str, world: World) -> Iterator[Place]:
    settings = settings_in(world.path)
    database = Database(settings.database)
    with database.session_scope() as session:
        people.add(session, "nia", "Nia", "test")
        link = people.make_link(session, "nia", "test", settings.secret_key)
        here = federations.named(session, FEDERATION)
        trial = trying.ask(session, here, Policy(), "{}", "Ada")
        made = {"password": link.token, "trial": str(trial.id)}
    yield Place(chromium, address, world, database, made, [])
    for context in chromium.contexts:
        context.close()
    database.dispose()


def test_every_page_is_looked_at() -> None:
    assert routes_without_a_look() == NO_PAGES


def test_no_page_breaks_wcag_is_wider_than_a_phone_or_breaks_its_own_policy(place: Place) -> None:
    for role, looks in LOOKS.items():
        page = place.enter(role)
        for look in looks:
            answer = page.goto(look.at(place.world, **place.made))
            assert answer is not None
            assert answer.status == look.status, look
            place.judge(page)
    assert place.complaints == []


def test_an_answer_that_was_waited_for_shows_itself_and_breaks_nothing_either(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = settings_in(place.world.path).reports_dir
    build = External[Any, Any](
        building.prepare, lambda asked: building.perform(asked, reports), building.record
    )
    monkeypatch.setitem(EFFECTS_HERE, BUILD, build)
    play = replace(EFFECTS_HERE[trying.TRY], perform=lambda _trial: PLAYED)  # type: ignore[type-var]
    monkeypatch.setitem(EFFECTS_HERE, trying.TRY, play)
    ada, grace = place.enter(Role.OWNER), place.enter(Role.VALIDATOR)
    tried = ada.context.new_page()
    for page, address in (
        (ada, ROUND + "/report"),
        (grace, PROMOTION + "/report"),
        (tried, "/f/flights/policy/trials/{trial}"),
    ):
        page.goto(address.format(world=place.world, **place.made))
    work(place.database, BUILD, trying.TRY)
    expect(ada).to_have_title(re.compile("round 1[1-3]"), timeout=SLOWLY)
    expect(grace).to_have_title(re.compile("version 2 beside"), timeout=SLOWLY)
    expect(tried.get_by_text("13 stored rounds, judged once more")).to_be_visible(timeout=SLOWLY)
    expect(ada.get_by_role("region", name=re.compile("verdicts"))).to_be_visible()
    for page in (ada, grace, tried):
        place.judge(page)
    assert place.complaints == []
