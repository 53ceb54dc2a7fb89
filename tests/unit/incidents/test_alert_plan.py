"""Who is told as time passes: contacts, the end of silences, maintenance windows, the digest."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from app.core import clock
from app.core.settings import Settings
from app.federations.roles import Role
from app.incidents import channels, delivery, oncall, plans, service, silences
from app.incidents.delivery_schemas import AlertPlanIn, ChannelIn
from app.incidents.errors import UnknownChannelError
from app.incidents.schemas import SilenceIn
from app.incidents.states import Resolution
from app.incidents.tables import Notice
from tests.unit.incidents.stories import AT, MODEL, Story, verdict

HOME = "/v1/federations/flights/alert-plan"
STEPS: list[dict[str, Any]] = [
    {"contact": "Ada", "after_minutes": 15, "channels": ["second"]},
    {"contact": "Grace", "after_minutes": 60, "channels": ["third"]},
]

KeyOf = Callable[..., dict[str, str]]


@pytest.fixture
def planned(story: Story) -> Story:
    """A federation with three lines of people on call."""
    for name in ("first", "second", "third"):
        body = ChannelIn(name=name, url="json://localhost")
        channels.add(story.session, story.federation, body, "Ada", b"s" * 32)
    set_plan(story, steps=STEPS)
    return story


def set_plan(story: Story, **parts: Any) -> None:
    body = AlertPlanIn.model_validate(parts)
    with clock.using(lambda: AT):
        plans.set_plan(story.session, story.federation, body, "Ada")


def at(story: Story, minutes: float, *, push: int | None = None, **more: Any) -> None:
    """Let it be so many minutes later; a round may come, then the clock's work is done."""
    with clock.using(lambda: AT + timedelta(minutes=minutes)):
        if push is not None:
            story.push(push, verdict(**more))
        story.spread()
        oncall.catch_up(story.session)
        story.spread()


def told(story: Story) -> set[tuple[str, str]]:
    """Event and channel of what went out, but for the log."""
    return {
        (event, channel)
        for event, channel, state in story.notices()
        if channel != "log" and state == "pending"
    }


def test_the_next_contact_is_told_when_nobody_acknowledges(planned: Story) -> None:
    at(planned, 0, push=1)
    assert told(planned) == {("opened", "first")}
    at(planned, 14.9)
    assert told(planned) == {("opened", "first")}
    at(planned, 15)
    at(planned, 16)
    assert told(planned) == {("opened", "first"), ("unacknowledged", "second")}
    at(planned, 60)
    assert ("unacknowledged", "third") in told(planned)
    assert len(told(planned)) == 3


def test_nobody_more_is_told_once_it_is_acknowledged(planned: Story) -> None:
    at(planned, 0, push=1)
    service.acknowledge(planned.session, planned.federation, planned.only_incident().id, "Ada")
    at(planned, 90)
    assert told(planned) == {("opened", "first")}


def test_who_was_woken_hears_of_the_end(planned: Story) -> None:
    at(planned, 0, push=1)
    at(planned, 15)
    incident = planned.only_incident()
    service.resolve(
        planned.session, planned.federation, incident.id, "Ada", Resolution.DATA_FAULT, "a feed"
    )
    planned.spread()
    assert {channel for event, channel in told(planned) if event == "resolved"} == {
        "first",
        "second",
    }


def test_becoming_worse_wakes_nobody_twice(planned: Story) -> None:
    at(planned, 0, push=1)
    at(planned, 15)
    at(planned, 16, push=2, effect=0.3)
    reminders = [one for one in planned.notices() if one[:2] == ("unacknowledged", "second")]
    assert reminders == [("unacknowledged", "second", "pending")]


@pytest.mark.parametrize("kind", ["silence", "maintenance"])
def test_what_was_held_back_is_told_when_the_silence_ends(planned: Story, kind: str) -> None:
    window(planned, kind, AT, AT + timedelta(minutes=30))
    at(planned, 1, push=1)
    at(planned, 29)
    assert told(planned) == set()
    at(planned, 30)
    assert ("opened", "first") in told(planned)
    assert ("unacknowledged", "second") in told(planned)
    (notice,) = planned.session.exec(select(Notice).where(Notice.channel == "first"))
    assert notice.state == "pending"


def test_what_was_resolved_meanwhile_is_not_told(planned: Story) -> None:
    window(planned, "maintenance", AT, AT + timedelta(minutes=30))
    at(planned, 1, push=1)
    incident = planned.only_incident()
    with clock.using(lambda: AT + timedelta(minutes=2)):
        service.resolve(
            planned.session, planned.federation, incident.id, "Ada", Resolution.DATA_FAULT, "it"
        )
        planned.spread()
    at(planned, 40)
    assert told(planned) == set()


def test_a_window_that_has_not_begun_holds_nothing_back(planned: Story) -> None:
    window(planned, "maintenance", AT + timedelta(minutes=5), AT + timedelta(minutes=30))
    at(planned, 1, push=1)
    assert told(planned) == {("opened", "first")}


def test_an_expression_holds_back_what_it_matches(planned: Story) -> None:
    with clock.using(lambda: AT):
        body = {"expressions": ['subject=~"label:.+"'], "ends_at": until(60), "comment": "known"}
        silence = SilenceIn.model_validate(body)
        silences.silence(planned.session, planned.federation, silence, "Ada")
    at(planned, 1, push=1)
    assert told(planned) == set()


def window(story: Story, kind: str, begins: datetime, ends: datetime) -> None:
    body = {
        "kind": kind,
        "matchers": {"model": MODEL},
        "starts_at": begins.isoformat(),
        "ends_at": ends.isoformat(),
        "comment": "an upgrade",
    }
    with clock.using(lambda: AT):
        silence = SilenceIn.model_validate(body)
        silences.silence(story.session, story.federation, silence, "Ada")


def until(minutes: float) -> str:
    return (AT + timedelta(minutes=minutes)).isoformat()


def test_low_severities_come_once_a_day_in_one_message(planned: Story, settings: Settings) -> None:
    set_plan(planned, digest_severities=["warning"], digest_hour=8)  # AT is at noon
    at(planned, 0, push=1)
    at(planned, 1, push=2, subject="score", family="data")
    at(planned, 60 * 19)
    assert told(planned) == set()
    at(planned, 60 * 20)
    at(planned, 60 * 21)
    assert told(planned) == {("digest", name) for name in ("first", "second", "third")}
    query = select(Notice).where(Notice.event == "digest", Notice.channel == "first")
    (notice,) = planned.session.exec(query)
    carrier = delivery.prepare(planned.session, notice.id, settings)
    assert carrier is not None
    assert "Digest: 2 incidents" in carrier.title  # type: ignore[attr-defined]
    at(planned, 60 * 44)
    assert len([one for one in planned.notices() if one[0] == "digest"]) == 3


def test_what_becomes_critical_does_not_wait(planned: Story) -> None:
    set_plan(planned, digest_severities=["warning"])
    at(planned, 0, push=1)
    at(planned, 1, push=2, effect=0.3)
    assert ("escalated", "first") in told(planned)


def test_a_channel_that_there_is_not_is_refused_by_name(story: Story) -> None:
    with pytest.raises(UnknownChannelError, match="second"):
        set_plan(story, steps=STEPS)


def test_a_plan_is_set_read_and_audited(api: TestClient, key_of: KeyOf) -> None:
    owner = key_of(Role.OWNER)
    assert api.get(HOME, headers=owner).status_code == 404
    body = {"digest_severities": ["info"], "digest_hour": 7}
    assert api.put(HOME, json=body, headers=owner).status_code == 200
    found = api.get(HOME, headers=owner).json()
    assert (found["steps"], found["digest_severities"], found["digest_hour"]) == ([], ["info"], 7)
    entries = api.get("/v1/federations/flights/audit", headers=key_of(Role.AUDITOR)).json()
    assert "alert_plan.set" in {entry["action"] for entry in entries}


@pytest.mark.parametrize(
    "body",
    [
        {"steps": [*STEPS[::-1]]},
        {"steps": [{**STEPS[0], "channels": []}]},
        {"steps": [{**STEPS[0], "after_minutes": 0}]},
        {"digest_severities": ["critical"]},
        {"digest_hour": 24},
        {"colour": "red"},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(
    api: TestClient, key_of: KeyOf, body: dict[str, Any]
) -> None:
    assert api.put(HOME, json=body, headers=key_of(Role.OWNER)).status_code == 422
