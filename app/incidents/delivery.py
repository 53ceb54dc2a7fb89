"""Delivering a notice: prepared from the database, sent outside any transaction, noted once."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlmodel import Session

from app.core import clock
from app.core.settings import Settings
from app.federations import service as federations
from app.incidents import repository
from app.incidents.alertmanager import alert_of, post_alerts
from app.incidents.notices import ALERTMANAGER, LOG, describe, is_silent
from app.incidents.states import Event
from app.incidents.tables import Incident

log = structlog.get_logger(__name__)


class DeliveryError(Exception):
    """A channel did not take a notice; the outbox tries again."""


@dataclass(frozen=True)
class Message:
    """A notice, ready to be sent; `url` is None for channels of the installation itself."""

    channel: str
    url: str | None
    title: str
    text: str
    alert: dict[str, Any]
    critical: bool
    resolved: bool

    def __repr__(self) -> str:
        return f"Message(channel={self.channel!r}, title={self.title!r})"


def prepare(session: Session, notice_id: UUID, settings: Settings) -> Message | None:
    """The message of a notice that is still to be sent."""
    notice = repository.notice(session, notice_id)
    if notice is None or notice.state != "pending":
        return None
    incident = repository.incident_with_id(session, notice.incident_id)
    assert incident is not None, "a foreign key holds them together"
    federation = federations.get(session, notice.federation_id).name
    channel = repository.channel_named(session, notice.federation_id, notice.channel)
    shared = notice.channel in {LOG, ALERTMANAGER}
    if channel is None and not shared:
        return None  # the channel was removed since
    event, link = Event(notice.event), link_to(settings, federation, incident)
    title, text = describe(incident, event, link)
    return Message(
        channel=notice.channel,
        url=None if shared or channel is None else channel.url,
        title=f"{federation}: {title}",
        text=text,
        alert=alert_of(incident, federation, link),
        critical=incident.severity == "critical",
        resolved=event is Event.RESOLVED,
    )


def perform(message: Message, settings: Settings) -> None:
    """Send the message.

    Raises:
        DeliveryError: if the channel did not take it.
        AlertsRefusedError, httpx.HTTPError: if Alertmanager did not.
    """
    if message.channel == LOG:
        log.warning("incident", title=message.title, text=message.text)
    elif message.channel == ALERTMANAGER:
        if settings.alertmanager_url is not None:
            post_alerts(settings.alertmanager_url, [message.alert])
    else:
        _send_by_apprise(message)


def record(session: Session, notice_id: UUID, _sent: None) -> None:
    """Note that the notice was sent."""
    notice = repository.notice(session, notice_id)
    assert notice is not None
    notice.state, notice.sent_at = "sent", clock.now()
    session.add(notice)


def unresolved_alerts(session: Session, settings: Settings) -> list[dict[str, Any]]:
    """The alerts of all incidents that are neither resolved nor silent, to be repeated.

    Alertmanager takes an alert for resolved that it has not heard of for five minutes.
    """
    incidents = repository.unresolved(session)
    ids = sorted({incident.federation_id for incident in incidents}, key=str)
    silences = repository.silences_in_force(session, ids, clock.now())
    names = {federation_id: federations.get(session, federation_id).name for federation_id in ids}
    return [
        alert_of(incident, name, link_to(settings, name, incident))
        for incident in incidents
        if not is_silent(incident, silences) and (name := names[incident.federation_id])
    ]


def link_to(settings: Settings, federation: str, incident: Incident) -> str:
    """The incident's page in the console."""
    return f"{settings.public_url.rstrip('/')}/f/{federation}/incidents/{incident.id}"


def _send_by_apprise(message: Message) -> None:
    import apprise  # noqa: PLC0415 - its hundred services take a while to import

    kinds = apprise.NotifyType
    kind = kinds.FAILURE if message.critical else kinds.WARNING
    sender = apprise.Apprise()
    if not sender.add(message.url):
        raise DeliveryError(f"The address of channel {message.channel} is not Apprise's.")
    sent = sender.notify(
        title=message.title,
        body=message.text,
        notify_type=kinds.SUCCESS if message.resolved else kind,
    )
    if not sent:
        raise DeliveryError(f"Channel {message.channel} did not take the notice.")
