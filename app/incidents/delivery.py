"""Delivering a notice: prepared from the database, sent outside any transaction, noted once.

Every attempt is one row of the outbox, which ends with the attempt, however that went; when the
next one is due stands on the notice. So what waits for a receiver for hours fills no queue.
"""

from typing import Any
from uuid import UUID

import structlog
from sqlmodel import Session

from app.core import clock, tracing
from app.core.settings import Settings
from app.core.states import advance
from app.core.tracing import Kind
from app.federations import service as federations
from app.incidents import delivery_repository, repository, webhooks
from app.incidents.alertmanager import alert_of
from app.incidents.attempts import Outcome, later, next_attempt
from app.incidents.carriers import Carrier
from app.incidents.loading import carrier_of
from app.incidents.messages import told_of
from app.incidents.notices import is_silent, send
from app.incidents.sending import Limits
from app.incidents.states import NEXT_OF_NOTICE, Event, NoticeState
from app.incidents.tables import Notice

PUT_OFF_SECONDS = 15.0
MOST_AT_ONCE = 500

log = structlog.get_logger(__name__)


def prepare(session: Session, notice_id: UUID, settings: Settings) -> Carrier | None:
    """The message of a notice, ready to be sent; None if it is no longer to be sent."""
    notice = delivery_repository.notice(session, notice_id)
    if notice is None or notice.state != NoticeState.PENDING or notice.next_attempt_at is not None:
        return None
    return carrier_of(session, notice, settings)


def perform(carrier: Carrier, settings: Settings) -> Outcome:
    """Try once; whatever happens at the receiver is an outcome, never an error."""
    limits = Limits(settings.delivery_seconds, settings.webhook_private_addresses)
    kind = type(carrier).__name__
    with tracing.span("deliver notice", {"vigie.carrier": kind} | tracing.of_work(), Kind.CLIENT):
        try:
            return carrier.send(limits)
        except Exception as error:
            log.exception("delivery.unexpected", carrier=kind)
            return Outcome(error=type(error).__name__)


def record(session: Session, notice_id: UUID, outcome: Outcome) -> None:
    """Note how an attempt went, and when the next one is due."""
    notice = delivery_repository.locked_notice(session, notice_id)
    assert notice is not None, "nothing removes a notice"
    session.add(notice)
    if outcome.needless:
        _move(notice, NoticeState.DROPPED)
        return
    notice.attempts += 1
    notice.last_error = outcome.error
    if outcome.sent:
        notice.sent_at = clock.now()
        _move(notice, NoticeState.SENT)
        log.info("delivery.sent", channel=notice.channel, notice=str(notice.id))
        return
    if outcome.gone:
        webhooks.disable_gone(session, notice.federation_id, notice.channel)
    due = next_attempt(notice.attempts, clock.now(), outcome.retry_after)
    notice.next_attempt_at = None if outcome.gone else due
    if notice.next_attempt_at is None:
        _move(notice, NoticeState.FAILED)
    log.warning(
        "delivery.failed",
        channel=notice.channel,
        notice=str(notice.id),
        attempt=notice.attempts,
        error=outcome.error,
        next_attempt_at=notice.next_attempt_at and notice.next_attempt_at.isoformat(),
    )


def lane_of(session: Session, notice_id: UUID) -> str:
    """What a notice waits behind: the others for the same receiver, and no others."""
    notice = delivery_repository.notice(session, notice_id)
    assert notice is not None, "nothing removes a notice"
    return f"{notice.federation_id}/{notice.channel}"


def put_off(session: Session, notice_id: UUID) -> None:
    """Leave a notice for later without an attempt: its receiver is busy with others."""
    notice = delivery_repository.locked_notice(session, notice_id)
    if notice is not None and notice.state == NoticeState.PENDING:
        notice.next_attempt_at = later(clock.now(), PUT_OFF_SECONDS)
        session.add(notice)


def give_up(session: Session, notice_id: UUID, error: str) -> None:
    """Note that a notice cannot be made ready at all: a bug of ours, which the log has."""
    notice = delivery_repository.locked_notice(session, notice_id)
    if notice is not None and notice.state == NoticeState.PENDING:
        notice.last_error = error
        _move(notice, NoticeState.FAILED)
        session.add(notice)


def send_overdue(session: Session) -> int:
    """Hand the notices whose next attempt is due to the outbox; return how many."""
    due = delivery_repository.overdue_notices(session, clock.now(), MOST_AT_ONCE)
    for notice in due:
        send(session, notice)
    return len(due)


def unresolved_alerts(session: Session, settings: Settings) -> list[dict[str, Any]]:
    """The alerts of all incidents that are neither resolved nor silent, to be repeated.

    Alertmanager takes an alert for resolved that it has not heard of for five minutes.
    """
    incidents = repository.unresolved(session)
    ids = sorted({incident.federation_id for incident in incidents}, key=str)
    silences = repository.silences_in_force(session, ids, clock.now())
    names = {federation_id: federations.get(session, federation_id).name for federation_id in ids}
    return [
        alert_of(
            incident,
            name,
            told_of(
                incident, Event.OPENED, name, settings, repository.last_time(session, incident)
            ),
        )
        for incident in incidents
        if not is_silent(incident, silences) and (name := names[incident.federation_id])
    ]


def _move(notice: Notice, target: NoticeState) -> None:
    notice.state = advance("notice", NEXT_OF_NOTICE, NoticeState(notice.state), target)
