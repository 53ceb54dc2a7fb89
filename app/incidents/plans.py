"""A federation's alert plan: whom an unacknowledged incident reaches, what waits for a digest."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.federations.tables import Federation
from app.incidents import delivery_repository as repository
from app.incidents.delivery_schemas import AlertPlanIn
from app.incidents.errors import UnknownChannelError
from app.incidents.states import Event
from app.incidents.tables import AlertPlan, Announcement

WEBHOOK = "webhook:"
OF_INCIDENTS = frozenset({Event.OPENED, Event.ESCALATED, Event.RESOLVED})


@dataclass(frozen=True)
class Target:
    """A channel that an announcement goes to, at once or with the next digest."""

    name: str
    waits_for_digest: bool = False


def plan_of(session: Session, federation: Federation) -> AlertPlan | None:
    """The plan; None for a federation that has set none, whose channels all get all at once."""
    return repository.alert_plan(session, federation.id)


def set_plan(session: Session, federation: Federation, body: AlertPlanIn, actor: str) -> AlertPlan:
    """Put a plan in force; what waits for a digest still comes with the next one.

    Raises:
        UnknownChannelError: if a step names a channel that the federation does not have.
    """
    known = _known(session, federation)
    for step in body.steps:
        for channel in step.channels:
            if channel not in known:
                raise UnknownChannelError(channel)
    at = clock.now()
    plan = repository.alert_plan(session, federation.id) or AlertPlan(
        federation_id=federation.id,
        steps=[],
        digest_severities=[],
        digest_hour=0,
        digested_at=at,
        changed_at=at,
        changed_by=actor,
    )
    before = _shown(plan)
    plan.steps = [step.model_dump() for step in body.steps]
    plan.digest_severities = [severity.value for severity in body.digest_severities]
    plan.digest_hour, plan.changed_at, plan.changed_by = body.digest_hour, at, actor
    session.add(plan)
    audit.record(
        session,
        actor=actor,
        action="alert_plan.set",
        entity=f"federation:{federation.name}",
        federation_id=federation.id,
        before=before,
        after=_shown(plan),
    )
    return plan


def targets(session: Session, announcement: Announcement) -> list[Target]:
    """The federation's own channels that are to be told of an announcement."""
    event = Event(announcement.event)
    if event is Event.RETRAINING_REQUESTED:
        return []
    if event is Event.UNACKNOWLEDGED:
        return [Target(name) for name in announcement.detail["channels"]]
    plan = repository.alert_plan(session, announcement.federation_id)
    own = [channel.name for channel in repository.channels_of(session, announcement.federation_id)]
    if plan is None or event not in OF_INCIDENTS:
        return [Target(name) for name in own]
    later = _of_later_steps(plan) - _told_before(session, announcement)
    held = announcement.severity in plan.digest_severities
    return [Target(name, waits_for_digest=held) for name in own if name not in later]


def _told_before(session: Session, announcement: Announcement) -> set[str]:
    """A contact that was woken hears of the end, too."""
    incident_id = announcement.incident_id
    return set() if incident_id is None else repository.channels_told(session, incident_id)


def _of_later_steps(plan: AlertPlan) -> set[str]:
    return {channel for step in plan.steps for channel in step["channels"]}


def _known(session: Session, federation: Federation) -> set[str]:
    channels: Iterable[str] = (c.name for c in repository.channels_of(session, federation.id))
    hooks = (WEBHOOK + hook.name for hook in repository.webhooks_of(session, federation.id))
    return {*channels, *hooks}


def _shown(plan: AlertPlan) -> dict[str, object]:
    return {
        "steps": plan.steps,
        "digest_severities": plan.digest_severities,
        "digest_hour": plan.digest_hour,
    }
