"""The console in a real browser: whole journeys without scripts."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from app.core.database import Database
from app.federations.roles import Role
from app.incidents.tables import Incident
from app.registry.tables import Promotion
from tests.acceptance.console_browser import sign_in
from tests.unit.console.world import World, settings_in

Visit = Callable[[Role], Page]


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
