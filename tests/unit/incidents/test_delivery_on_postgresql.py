"""What delivery asks of the database, asked of PostgreSQL: SQLite forgives what it does not."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.core import clock
from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.schemas import FederationIn
from app.incidents import channels, delivery, feedback, oncall, plans, service, silences, webhooks
from app.incidents.attempts import Outcome
from app.incidents.delivery_schemas import AlertPlanIn, ChannelIn, WebhookIn
from app.incidents.figures import SOURCES
from app.incidents.schemas import SilenceIn
from app.incidents.states import Resolution, WebhookEvent
from tests.unit.incidents.stories import AT, MODEL, Story, verdict

STEP = {"contact": "Ada", "after_minutes": 15, "channels": ["second"]}


@pytest.mark.postgres
def test_a_day_on_call(tmp_path: Path, postgres: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=tmp_path, secret="s" * 32)
    with postgres.session_scope() as session:
        body = FederationIn(name="flights", title="Flights")
        here = federations.create(session, body, "test")
        _play(Story(session, here, monkeypatch), settings)


def _play(story: Story, settings: Settings) -> None:
    session, here = story.session, story.federation
    with clock.using(lambda: AT):
        _set_up(story, settings)
        story.push(1, verdict())
        assert {state for _, _, state in story.notices()} == {"silenced"}
    with clock.using(lambda: AT + timedelta(minutes=20)):
        oncall.catch_up(session)
        oncall.catch_up(session)
        assert ("unacknowledged", "second", "pending") in story.notices()
        _fail_and_try_again(story, settings)
        incident = story.only_incident()
        service.resolve(session, here, incident.id, "Ada", Resolution.FALSE_ALARM, "a holiday")
    (said,) = feedback.of_federation(session, here)
    assert (said.subject, said.false_alarms) == ("label:late", 1)
    values = {source.name: source.read(session).samples[0].value for source in SOURCES}
    assert values["vigie_incident_resolve_seconds_total"] == 20 * 60


def _set_up(story: Story, settings: Settings) -> None:
    session, here = story.session, story.federation
    hook = WebhookIn(name="fl", url="https://example.org/", events=list(WebhookEvent))
    webhooks.add(session, here, hook, "Ada", settings)
    webhooks.rotate(session, here, "fl", 24, "Ada", settings)
    for name in ("first", "second"):
        channels.add(session, here, ChannelIn(name=name, url="json://localhost"), "Ada", b"s" * 32)
    plan = {"steps": [STEP], "digest_severities": ["info"]}
    plans.set_plan(session, here, AlertPlanIn.model_validate(plan), "Ada")
    until = (AT + timedelta(minutes=5)).isoformat()
    body = {"matchers": {"model": MODEL}, "ends_at": until, "comment": "an upgrade"}
    silences.silence(session, here, SilenceIn.model_validate(body), "Ada")


def _fail_and_try_again(story: Story, settings: Settings) -> None:
    session, here = story.session, story.federation
    first, second = webhooks.deliveries(session, here, "fl", 10)
    assert delivery.prepare(session, first.id, settings) is not None
    delivery.record(session, first.id, Outcome(error="gone", gone=True))
    assert first.state == "failed"
    assert webhooks.of_federation(session, here)[0].disabled_at is not None
    delivery.put_off(session, second.id)
    with clock.using(lambda: AT + timedelta(hours=1)):
        assert delivery.send_overdue(session) == 1
