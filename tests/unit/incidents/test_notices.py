"""Who is told of what: one notice for each step and channel, none while a silence holds."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import select

from app.core import clock
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.incidents import channels, delivery, notices, service, silences
from app.incidents.alertmanager import AlertsRefusedError, post_alerts
from app.incidents.errors import ChannelNameTakenError, InvalidChannelError
from app.incidents.notices import DELIVER, describe
from app.incidents.schemas import ChannelIn, SilenceIn
from app.incidents.silences import SilenceOverError
from app.incidents.states import Event, Resolution
from app.incidents.tables import Notice
from tests.unit.incidents.stories import AT, MODEL, Story, verdict

# Apprise imports what Python is about to drop, where it is still there.

ALERTMANAGER = "http://127.0.0.1:9093"
LINK = "http://127.0.0.1:8000/f/flights/incidents/1"


@pytest.fixture
def with_alertmanager(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation that has Alertmanager."""
    changed = settings.model_copy(update={"alertmanager_url": ALERTMANAGER})
    monkeypatch.setattr(notices, "settings", lambda: changed)
    return changed


def add_channel(story: Story, name: str = "on-call", url: str = "json://localhost") -> None:
    channels.add(story.session, story.federation, ChannelIn(name=name, url=url), "Ada")


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
    assert sorted(story.notices()) == expected
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


def test_a_message_says_what_where_since_when_how_sure_and_what_next(story: Story) -> None:
    story.push(23, verdict())
    title, text = describe(story.only_incident(), Event.OPENED, LINK)
    assert title == "[warning] Drift in label:late since step 23"
    assert text.splitlines() == [
        "Model late-arrival, version 1.",
        "- label:late (median-shift): +0.08 probability, q 0.004; practical from 0.05",
        "Next: look at the evidence, then acknowledge, silence or resolve it.",
        LINK,
    ]


def test_a_removed_channel_is_told_nothing_more(story: Story, settings: Settings) -> None:
    add_channel(story)
    story.push(1, verdict())
    channels.remove(story.session, story.federation, "on-call", "Ada")
    story.session.flush()
    query = select(Notice).where(Notice.channel == "on-call")
    notice = story.session.exec(query).one()
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
    monkeypatch.setattr(httpx, "post", lambda *_args, **_more: httpx.Response(401))
    with pytest.raises(AlertsRefusedError, match="401") as caught:
        post_alerts("http://vigie:hush@127.0.0.1:9093", [{}])
    assert "hush" not in str(caught.value)
