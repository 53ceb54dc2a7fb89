"""Announcements and notices: each step is written with its cause, then spread over the channels.

The step is announced in the transaction that makes it. Which channels it goes to, a worker decides:
that depends on the installation, on silences, and on the federation's alert plan.
"""

from collections.abc import Iterable
from uuid import UUID

import structlog
from sqlmodel import Session

from app.core import clock, context, outbox
from app.core.settings import Settings
from app.incidents import delivery_repository, matching, plans, repository
from app.incidents.states import Event, NoticeState, WebhookEvent
from app.incidents.tables import Announcement, Incident, Notice, Silence

LOG, ALERTMANAGER, WEBHOOK = "log", "alertmanager", "webhook:"
ANNOUNCE, ANNOUNCE_REQUEST = "incidents.announce", "incidents.announce_request"
DELIVER = "incidents.deliver_notice"
TYPES = {
    Event.OPENED: WebhookEvent.OPENED,
    Event.ESCALATED: WebhookEvent.ESCALATED,
    Event.WORSENED: WebhookEvent.WORSENED,
    Event.UNACKNOWLEDGED: WebhookEvent.UNACKNOWLEDGED,
    Event.RESOLVED: WebhookEvent.RESOLVED,
    Event.RETRAINING_REQUESTED: WebhookEvent.RETRAINING_REQUESTED,
    Event.REGISTRY_DEVIATED: WebhookEvent.REGISTRY_DEVIATED,
    Event.REVIEW_OVERDUE: WebhookEvent.REVIEW_OVERDUE,
    Event.RETRAINING_PROPOSED: WebhookEvent.RETRAINING_PROPOSED,
    Event.RETRAINING_DID_NOT_HELP: WebhookEvent.RETRAINING_DID_NOT_HELP,
}
log = structlog.get_logger(__name__)


def announce(session: Session, incident: Incident, event: Event, step: int = 0) -> None:
    """Have people told of a step of an incident; `step` tells apart those that come again."""
    announce_as(
        session,
        Announcement(
            federation_id=incident.federation_id,
            incident_id=incident.id,
            event=event.value,
            severity=incident.severity,
            step=step or delivery_repository.times_reopened(session, incident.id),
            at=clock.now(),
        ),
    )


def announce_as(session: Session, announcement: Announcement) -> None:
    """Write an announcement and have it spread."""
    session.add(announcement)
    session.flush()
    with context.about("incident_id", announcement.incident_id):
        outbox.enqueue(session, ANNOUNCE, announcement.id)


def announce_request(session: Session, request_id: UUID) -> None:
    """Have webhooks told that retraining is asked for, or people that it waits for their yes."""
    request = repository.request_with_id(session, request_id)
    proposed = request.state == "proposed"
    event = Event.RETRAINING_PROPOSED if proposed else Event.RETRAINING_REQUESTED
    announce_as(
        session,
        Announcement(
            federation_id=request.federation_id,
            request_id=request.id,
            event=event.value,
            severity="info",
            at=clock.now(),
        ),
    )


def spread(session: Session, announcement_id: UUID, settings: Settings) -> None:
    """Write a notice for every channel that is to be told, and have it delivered."""
    announcement = delivery_repository.announcement(session, announcement_id)
    incident = delivery_repository.incident_of_announcement(session, announcement)
    log.info("incidents.announced", of=announcement.event, severity=announcement.severity)
    silent = incident is not None and is_silent(
        incident,
        repository.silences_in_force(session, [announcement.federation_id], clock.now()),
    )
    for channel in _channels(session, announcement, settings):
        state = NoticeState.PENDING
        if silent:
            state = NoticeState.SILENCED
        elif channel.waits_for_digest:
            state = NoticeState.HELD
        _write(session, announcement, channel.name, state)


def send(session: Session, notice: Notice) -> None:
    """Have a notice delivered as soon as can be."""
    # Each time that it is handed over anew, the outbox has to take it for another piece of work.
    step = notice.next_attempt_at.isoformat() if notice.next_attempt_at else ""
    notice.next_attempt_at = None
    session.add(notice)
    session.flush()
    with context.about("incident_id", notice.incident_id):
        outbox.enqueue(session, DELIVER, notice.id, step=step, as_before=bool(step))


def is_silent(incident: Incident, silences: Iterable[Silence]) -> bool:
    """Whether one of these silences, which hold now, matches the incident."""
    return any(
        silence.federation_id == incident.federation_id and matching.matches(silence, incident)
        for silence in silences
    )


def _write(session: Session, announcement: Announcement, channel: str, state: NoticeState) -> None:
    notice = Notice(
        federation_id=announcement.federation_id,
        announcement_id=announcement.id,
        incident_id=announcement.incident_id,
        event=announcement.event,
        channel=channel,
        state=state.value,
        at=announcement.at,
    )
    session.add(notice)
    session.flush()
    if state is NoticeState.PENDING:
        send(session, notice)


def _channels(
    session: Session, announcement: Announcement, settings: Settings
) -> list[plans.Target]:
    if announcement.channel is not None:
        return [plans.Target(announcement.channel)]
    event = Event(announcement.event)
    of_all = [] if event is Event.RETRAINING_REQUESTED else _of_the_installation(settings)
    if announcement.incident_id is None and announcement.request_id is not None:
        of_all = [target for target in of_all if target.name != ALERTMANAGER]  # it has incidents
    hooks = [
        plans.Target(WEBHOOK + webhook.name)
        for webhook in delivery_repository.webhooks_of(session, announcement.federation_id)
        if webhook.disabled_at is None
        and (event is Event.DRILL or TYPES[event].value in webhook.events)
    ]
    found = [*of_all, *plans.targets(session, announcement), *hooks]
    return list({target.name: target for target in found}.values())


def _of_the_installation(settings: Settings) -> list[plans.Target]:
    """Alertmanager belongs to the installation, not to a federation."""
    names = [LOG, ALERTMANAGER] if settings.alertmanager_url else [LOG]
    return [plans.Target(name) for name in names]
