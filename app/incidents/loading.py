"""From a notice to the message that is sent: all that it needs is read before it goes out."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.core import clock
from app.core.settings import Settings
from app.federations import service as federations
from app.incidents import channels, delivery_repository, repository, webhooks
from app.incidents.alertmanager import alert_of, drill_alert, governance_alert
from app.incidents.carriers import (
    Carrier,
    Needless,
    ToAlertmanager,
    ToApprise,
    ToLog,
    ToWebhook,
    Unsendable,
)
from app.incidents.governance import told_of_governance
from app.incidents.messages import (
    Telling,
    told_of,
    told_of_digest,
    told_of_drill,
    told_of_no_help,
    told_of_request,
    told_of_test,
)
from app.incidents.notices import ALERTMANAGER, LOG, TYPES, WEBHOOK
from app.incidents.schemas import IncidentEvent
from app.incidents.sealing import UnreadableSecretError
from app.incidents.states import Event
from app.incidents.tables import Announcement, Notice
from app.retraining.schemas import RetrainRequestOut

OF_REQUESTS = (Event.RETRAINING_REQUESTED, Event.RETRAINING_PROPOSED)
TONES = {
    Event.RESOLVED: "success",
    Event.RETRAINING_REQUESTED: "info",
    Event.RETRAINING_PROPOSED: "info",
    Event.DIGEST: "info",
    Event.DRILL: "info",
    Event.TEST: "info",
}


def carrier_of(session: Session, notice: Notice, settings: Settings) -> Carrier:
    """The message of a notice in the form of its channel."""
    announcement = delivery_repository.announcement(session, notice.announcement_id)
    federation = federations.get(session, notice.federation_id).name
    telling = _telling(session, announcement, federation, settings)
    if notice.channel == LOG:
        return ToLog(telling.title, telling.text())
    if notice.channel == ALERTMANAGER:
        alerts = _alerts(session, announcement, federation, telling)
        url = settings.alertmanager_url
        return Needless() if url is None else ToAlertmanager(url, alerts)
    if notice.channel.startswith(WEBHOOK):
        return _to_webhook(session, notice, announcement, federation, telling, settings)
    return _to_apprise(session, notice, announcement, federation, telling, settings)


# What an announcement of these says is all in itself.
_OF_THEMSELVES: dict[Event, Callable[[Announcement, str, Settings], Telling]] = {
    Event.DRILL: told_of_drill,
    Event.REGISTRY_DEVIATED: told_of_governance,
    Event.REVIEW_OVERDUE: told_of_governance,
    Event.TEST: told_of_test,
}


def _telling(
    session: Session, announcement: Announcement, federation: str, settings: Settings
) -> Telling:
    event = Event(announcement.event)
    if (of_themselves := _OF_THEMSELVES.get(event)) is not None:
        return of_themselves(announcement, federation, settings)
    if event in OF_REQUESTS:
        request = delivery_repository.request_of_announcement(session, announcement)
        return told_of_request(request, event, federation, settings)
    if event is Event.DIGEST:
        ids = [UUID(text) for text in announcement.detail["incidents"]]
        return told_of_digest(repository.incidents_with_ids(session, ids), federation, settings)
    incident = delivery_repository.incident_of_announcement(session, announcement)
    if event is Event.RETRAINING_DID_NOT_HELP:
        return told_of_no_help(announcement, incident, federation, settings)
    assert incident is not None, "these events are of incidents"
    last_time = repository.last_time(session, incident)
    return told_of(incident, event, federation, settings, last_time)


def _alerts(
    session: Session, announcement: Announcement, federation: str, telling: Telling
) -> list[dict[str, Any]]:
    """The incident's alert and, once it became more severe, the end of the milder one."""
    incident = delivery_repository.incident_of_announcement(session, announcement)
    if incident is None and announcement.event == Event.DRILL:
        return [drill_alert(federation, telling, announcement)]
    if incident is None:
        return [governance_alert(federation, telling, announcement)]
    alert = alert_of(incident, federation, telling)
    if announcement.event != Event.ESCALATED:
        return [alert]
    former = delivery_repository.announced_severities(session, incident.id) - {incident.severity}
    ended = [
        alert_of(incident, federation, telling, severity=severity, ended_at=announcement.at)
        for severity in sorted(former)
    ]
    return [*ended, alert]


def _to_apprise(
    session: Session,
    notice: Notice,
    announcement: Announcement,
    federation: str,
    telling: Telling,
    settings: Settings,
) -> Carrier:
    channel = delivery_repository.channel_named(session, notice.federation_id, notice.channel)
    if channel is None:
        return Needless()
    try:
        address = channels.address_of(channel, settings.secret_key)
    except UnreadableSecretError:
        return Unsendable("The channel's address cannot be read. Remove it and add it again.")
    tone = "failure" if announcement.severity == "critical" else "warning"
    return ToApprise(
        channel_id=str(channel.id),
        url=address,
        title=f"{federation}: {telling.title}",
        text=telling.text(),
        tone=TONES.get(Event(announcement.event), tone),
    )


def _to_webhook(
    session: Session,
    notice: Notice,
    announcement: Announcement,
    federation: str,
    telling: Telling,
    settings: Settings,
) -> Carrier:
    name = notice.channel.removeprefix(WEBHOOK)
    webhook = delivery_repository.webhook_named(session, notice.federation_id, name)
    if webhook is None or webhook.disabled_at is not None:
        return Needless()
    body = _body(session, announcement, federation, telling)
    try:
        secrets = webhooks.secrets_in_force(webhook, settings.secret_key, clock.now())
    except UnreadableSecretError as error:
        return Unsendable(str(error))
    return ToWebhook(webhook.url, secrets, f"msg_{notice.id.hex}", body)


def _body(session: Session, announcement: Announcement, federation: str, telling: Telling) -> bytes:
    event = Event(announcement.event)
    data: dict[str, Any] = {
        "federation": federation,
        "title": telling.title,
        "points": {_key(name): text for name, text in telling.points.items()},
        "links": {_key(name): url for name, url in telling.links.items()},
    }
    incident = delivery_repository.incident_of_announcement(session, announcement)
    if incident is not None:
        data["incident"] = IncidentEvent.of(incident).model_dump(mode="json")
    if announcement.request_id is not None:
        request = delivery_repository.request_of_announcement(session, announcement)
        data["request"] = RetrainRequestOut.model_validate(request).model_dump(mode="json")
    told = {
        "type": TYPES[event].value if event in TYPES else event.value,
        "timestamp": announcement.at.isoformat(),
        "data": data,
    }
    return json.dumps(told, separators=(",", ":")).encode()


def _key(name: str) -> str:
    return name.lower().replace(" ", "_")
