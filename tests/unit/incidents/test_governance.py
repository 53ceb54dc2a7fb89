"""A deviation of MLflow's registry reaches those whom an incident would reach."""

import json

from sqlmodel import Session, select

from app.core.database import Database
from app.core.settings import Settings
from app.federations.tables import Federation
from app.incidents import governance, notices
from app.incidents.carriers import Carrier, ToAlertmanager, ToLog, ToWebhook
from app.incidents.delivery_schemas import WebhookIn
from app.incidents.loading import carrier_of
from app.incidents.states import WebhookEvent
from app.incidents.tables import Announcement, Notice
from app.incidents.webhooks import add
from tests.unit.registry.mlflow_told import deviating


def messages(session: Session, settings: Settings) -> dict[type[Carrier], Carrier]:
    notices.spread(session, session.exec(select(Announcement)).one().id, settings)
    found = [carrier_of(session, one, settings) for one in session.exec(select(Notice))]
    return {type(one): one for one in found}


def test_log_alertmanager_and_those_webhooks_that_ask_for_it_are_told(
    database: Database, federation: Federation, settings: Settings
) -> None:
    settings = settings.model_copy(update={"alertmanager_url": "http://alerts:9093"})
    deviation = deviating(database, federation)
    with database.session_scope() as session:
        for name, event in (("ours", "registry.deviated"), ("theirs", "incident.opened")):
            events = [WebhookEvent(event)]
            body = WebhookIn(name=name, url="https://example.org/", events=events)
            add(session, federation, body, "Ada", settings)
        governance.announce_deviation(session, deviation.id)
        told = messages(session, settings)
    log, alert, hook = told[ToLog], told[ToAlertmanager], told[ToWebhook]
    assert isinstance(log, ToLog)
    assert log.title == (
        "[critical] MLflow was changed behind Vigie's back, late-arrival: the alias champion was"
        " moved"
    )
    assert "vigie registry reconcile late-arrival" in log.text
    assert "runbooks/registry.md" in log.text
    assert isinstance(alert, ToAlertmanager)
    labels = alert.alerts[0]["labels"]
    assert (labels["alertname"], labels["severity"]) == ("VigieGovernance", "critical")
    assert isinstance(hook, ToWebhook)
    assert json.loads(hook.body)["type"] == "registry.deviated"
    assert len(told) == 3


def test_a_webhook_that_did_not_ask_for_it_hears_nothing(
    database: Database, federation: Federation, settings: Settings
) -> None:
    deviation = deviating(database, federation)
    with database.session_scope() as session:
        governance.announce_deviation(session, deviation.id)
        assert set(messages(session, settings)) == {ToLog}
