"""What is told because time passes: reminders, the end of silences, and the daily digest."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from app.core import clock, outbox
from app.core.states import advance
from app.incidents import delivery_repository, repository
from app.incidents.notices import ANNOUNCE, announce_as, is_silent, send
from app.incidents.states import NEXT_OF_NOTICE, Event, NoticeState
from app.incidents.tables import AlertPlan, Announcement, Incident, Notice


def catch_up(session: Session) -> None:
    """Tell everything that has become due since the last time."""
    _tell_what_is_silent_no_more(session)
    for plan in delivery_repository.alert_plans(session):
        _remind(session, plan)
        _digest_daily(session, plan)


def _tell_what_is_silent_no_more(session: Session) -> None:
    """A silence that ends over an open incident was too short: now people have to hear of it."""
    held_back = delivery_repository.silenced_of_open(session)
    ids = sorted({notice.federation_id for notice, _ in held_back}, key=str)
    silences = repository.silences_in_force(session, ids, clock.now()) if ids else []
    for notice, incident in held_back:
        if not is_silent(incident, silences):
            _move(notice, NoticeState.PENDING)
            send(session, notice)


def _remind(session: Session, plan: AlertPlan) -> None:
    at = clock.now()
    silences = repository.silences_in_force(session, [plan.federation_id], at)
    for incident in repository.open_of(session, plan.federation_id):
        if incident.severity in plan.digest_severities or is_silent(incident, silences):
            continue
        for number, step in _due(plan, incident, at):
            _announce_step(session, incident, number, step)


def _due(plan: AlertPlan, incident: Incident, at: datetime) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, step in enumerate(plan.steps, start=1):
        if at - incident.opened_at >= timedelta(minutes=step["after_minutes"]):
            yield number, step


def _announce_step(session: Session, incident: Incident, number: int, step: dict[str, Any]) -> None:
    """Tell a step's contact, once, however severe the incident has become since."""
    if delivery_repository.was_reminded(session, incident.id, number):
        return
    reminder = Announcement(
        federation_id=incident.federation_id,
        incident_id=incident.id,
        event=Event.UNACKNOWLEDGED.value,
        severity=incident.severity,
        step=number,
        detail={"contact": step["contact"], "channels": step["channels"]},
        at=clock.now(),
    )
    if delivery_repository.insert_announcement(session, reminder):
        outbox.enqueue(session, ANNOUNCE, reminder.id)


def _digest_daily(session: Session, plan: AlertPlan) -> None:
    at = clock.now()
    if _last_hour(at, plan.digest_hour) <= plan.digested_at:
        return
    held: dict[str, list[Notice]] = {}
    for notice in delivery_repository.held_notices(session, plan.federation_id):
        held.setdefault(notice.channel, []).append(notice)
    for channel, notices in held.items():
        _announce_digest(session, plan, channel, notices)
    plan.digested_at = at
    session.add(plan)


def _announce_digest(
    session: Session, plan: AlertPlan, channel: str, notices: list[Notice]
) -> None:
    ids = dict.fromkeys(str(notice.incident_id) for notice in notices)
    announce_as(
        session,
        Announcement(
            federation_id=plan.federation_id,
            event=Event.DIGEST.value,
            severity="info",
            channel=channel,
            detail={"incidents": list(ids)},
            at=clock.now(),
        ),
    )
    for notice in notices:
        _move(notice, NoticeState.DIGESTED)
        session.add(notice)


def _last_hour(at: datetime, hour: int) -> datetime:
    """When this hour of the day last began."""
    today = at.replace(hour=hour, minute=0, second=0, microsecond=0)
    return today if today <= at else today - timedelta(days=1)


def _move(notice: Notice, target: NoticeState) -> None:
    notice.state = advance("notice", NEXT_OF_NOTICE, NoticeState(notice.state), target)
