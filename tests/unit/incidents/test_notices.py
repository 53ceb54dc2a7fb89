"""Who is told of what: one notice for each step and channel, none while a silence holds."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from app.core import clock
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.incidents import channels, delivery, service, silences
from app.incidents.alertmanager import AlertsRefusedError, post_alerts
from app.incidents.carriers import ToAlertmanager
from app.incidents.delivery_schemas import ChannelIn
from app.incidents.errors import ChannelNameTakenError, InvalidChannelError
from app.incidents.messages import CAUSES, NEXT_STEPS, RUNBOOKS, told_of
from app.incidents.notices import DELIVER
from app.incidents.schemas import SilenceIn
from app.incidents.sending import Answer, Limits
from app.incidents.silences import SilenceOverError
from app.incidents.states import Event, Resolution
from app.incidents.tables import Notice
from tests.rounds import pseudonym
from tests.unit.incidents.stories import AT, MODEL, Story, at_clients, verdict

ALERTMANAGER = "http://127.0.0.1:9093"


@pytest.fixture
def with_alertmanager(settings: Settings) -> Settings:
    """An installation that has Alertmanager."""
    return settings.model_copy(update={"alertmanager_url": ALERTMANAGER})


def add_channel(story: Story, name: str = "on-call", url: str = "json://localhost") -> None:
    channels.add(story.session, story.federation, ChannelIn(name=name, url=url), "Ada", b"s" * 32)


def silence(story: Story, hours: float = 1, **matchers: Any) -> None:
    body = SilenceIn.model_validate(
        {
            "matchers": matchers or {"model": MODEL},
            "ends_at": (clock.now() + timedelta(hours=hours)).isoformat(),
            "comment": "storm",
        }
    )
    silences.silence(story.session, story.federation, body, "Ada")


def asked(story: Story) -> int:
    query = select(OutboxRow).where(OutboxRow.task == DELIVER)
    return len(story.session.exec(query).all())


def test_the_log_is_always_told(story: Story) -> None:
    story.push(1, verdict())
    assert story.notices() == [("opened", "log", "pending")]
    assert asked(story) == 1


def test_every_channel_is_told_once(story: Story, with_alertmanager: Settings) -> None:
    add_channel(story)
    add_channel(story, "mail", "mailto://user:secret@example.org")
    story.push(1, verdict())
    story.push(2, verdict())
    story.push(3, verdict(effect=0.2))
    service.resolve(
        story.session,
        story.federation,
        story.only_incident().id,
        "Ada",
        Resolution.NEW_NORMAL,
        "summer",
    )
    told = {"log", "alertmanager", "on-call", "mail"}
    events = ("opened", "escalated", "resolved")
    expected = sorted((event, channel, "pending") for event in events for channel in told)
    assert sorted(story.notices(with_alertmanager)) == expected
    assert asked(story) == len(expected)


def test_a_silence_holds_notices_back_and_not_the_incident(story: Story) -> None:
    silence(story)
    story.push(1, verdict())
    assert story.only_incident().state == "open"
    assert story.notices() == [("opened", "log", "silenced")]
    assert asked(story) == 0


@pytest.mark.parametrize(
    "matchers",
    [
        {"model": "eta"},
        {"family": "data"},
        {"model": MODEL, "severity": "critical"},
        {"scope_key": "hub=EWR"},
    ],
)
def test_a_silence_is_for_what_it_names(story: Story, matchers: dict[str, Any]) -> None:
    silence(story, **matchers)
    story.push(1, verdict())
    assert story.notices() == [("opened", "log", "pending")]


def test_a_silence_ends_by_itself(story: Story) -> None:
    with clock.using(lambda: AT):
        silence(story, hours=1)
    with clock.using(lambda: AT + timedelta(hours=1)):
        story.push(1, verdict())
    assert story.notices() == [("opened", "log", "pending")]


def test_a_silence_is_ended_early(story: Story) -> None:
    with clock.using(lambda: AT):
        silence(story, hours=9)
    (made,) = silences.silences_of(story.session, story.federation)
    later = AT + timedelta(hours=1)
    with clock.using(lambda: later):
        silences.end_silence(story.session, story.federation, made.id, "Ada")
        story.push(1, verdict())
    assert made.ends_at == later
    assert story.notices() == [("opened", "log", "pending")]


def test_a_silence_that_is_over_is_refused(story: Story) -> None:
    with pytest.raises(SilenceOverError, match="future"):
        silence(story, hours=-1)


def test_what_is_silenced_is_not_repeated(story: Story, settings: Settings) -> None:
    story.push(1, verdict(), verdict("cohort", "hub=EWR", subject="score", family="data"))
    assert len(delivery.unresolved_alerts(story.session, settings)) == 2
    silence(story, family="data")
    (alert,) = delivery.unresolved_alerts(story.session, settings)
    assert alert["labels"]["family"] == "concept"


def test_a_message_says_what_where_since_when_how_sure_why_and_what_next(
    story: Story, settings: Settings
) -> None:
    settings = settings.model_copy(
        update={"public_url": "https://v.example/", "dashboard_url": "https://g.example/d/vigie"}
    )
    with clock.using(lambda: AT):
        story.push(23, verdict(minimum_detectable_effect=0.02), *at_clients(2, 3))
    incident = story.only_incident()
    telling = told_of(incident, Event.OPENED, "flights", settings)
    assert telling.title == f"[warning] {incident.title}"
    assert telling.text().splitlines() == [
        "What: label:late by +0.08 probability (0.05 matters)",
        "Where: the whole federation, 2 of 3 clients moved the same way;"
        " model late-arrival, version 1",
        "Since: step 23, known since 2013-06-10 12:00 UTC; the newest evidence is of step 23",
        "How sure: label:late q 0.004 by median-shift, could have seen 0.02",
        f"Likely cause: {CAUSES['concept']}",
        f"Next: {NEXT_STEPS['concept']}",
        f"Incident: https://v.example/f/flights/incidents/{incident.id}",
        f"Report: https://v.example/f/flights/incidents/{incident.id}/report",
        "Dashboard: https://g.example/d/vigie?var-federation=flights",
        f"Runbook: {settings.runbook_url}/concept.md",
    ]


def test_a_message_names_no_client(story: Story, settings: Settings) -> None:
    story.policy(incidents={"scopes": ["client"]})
    story.push(1, verdict("client", pseudonym(1)))
    telling = told_of(story.only_incident(), Event.OPENED, "flights", settings)
    assert pseudonym(1) not in telling.title + telling.text()
    assert "Where: one client;" in telling.text()


def test_every_kind_has_a_runbook_that_exists() -> None:
    folder = Path(__file__).parents[3] / "docs" / "runbooks"
    assert {page.stem for page in folder.glob("*.md")} == RUNBOOKS | {"README"}


def test_a_removed_channel_is_told_nothing_more(story: Story, settings: Settings) -> None:
    add_channel(story)
    story.push(1, verdict())
    story.spread()
    channels.remove(story.session, story.federation, "on-call", "Ada")
    story.session.flush()
    query = select(Notice).where(Notice.channel == "on-call")
    notice = story.session.exec(query).one()
    carrier = delivery.prepare(story.session, notice.id, settings)
    assert carrier is not None
    delivery.record(story.session, notice.id, delivery.perform(carrier, settings))
    assert (notice.state, notice.attempts) == ("dropped", 0)
    assert delivery.prepare(story.session, notice.id, settings) is None


@pytest.mark.parametrize("name", ["on-call", "log", "alertmanager"])
def test_a_channels_name_is_its_own(story: Story, name: str) -> None:
    add_channel(story)
    with pytest.raises(ChannelNameTakenError, match=name):
        add_channel(story, name)


def test_an_address_that_is_none_is_refused_and_not_repeated(story: Story) -> None:
    with pytest.raises(InvalidChannelError) as refused:
        add_channel(story, url="nonsense://hush-hush")
    assert "hush-hush" not in str(refused.value)


def test_a_refusal_by_alertmanager_does_not_tell_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.incidents.alertmanager.post", lambda *_args: Answer(401))
    with pytest.raises(AlertsRefusedError, match="401") as caught:
        post_alerts("http://vigie:hush@127.0.0.1:9093", [{}], Limits(1))
    assert "hush" not in str(caught.value)


def test_a_more_severe_incident_ends_its_milder_alert(
    story: Story, with_alertmanager: Settings
) -> None:
    story.push(1, verdict())
    story.spread(with_alertmanager)
    story.push(2, verdict(effect=0.3))
    story.spread(with_alertmanager)
    query = select(Notice).where(Notice.channel == "alertmanager", Notice.event == "escalated")
    notice = story.session.exec(query).one()
    carrier = delivery.prepare(story.session, notice.id, with_alertmanager)
    assert isinstance(carrier, ToAlertmanager)
    ended, firing = carrier.alerts
    assert (ended["labels"]["severity"], firing["labels"]["severity"]) == ("warning", "critical")
    assert datetime.fromisoformat(ended["endsAt"]) == notice.at
    assert "endsAt" not in firing
