"""The steps of an incident's life: along its table, with an audit entry for each."""

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.states import advance
from app.drift import service as drift
from app.incidents import feedback
from app.incidents.notices import announce
from app.incidents.states import NEXT, Event, IncidentState, Resolution
from app.incidents.tables import Incident


def move(incident: Incident, target: IncidentState) -> None:
    """To a state that may follow.

    Raises:
        IllegalTransitionError: naming both states, if it may not.
    """
    incident.state = advance("incident", NEXT, IncidentState(incident.state), target)


def resolve(
    session: Session,
    incident: Incident,
    actor: str,
    resolution: Resolution,
    why: str | None = None,
) -> None:
    """Close an incident, and have people told.

    Raises:
        IllegalTransitionError: if it is resolved already.
    """
    before = incident.state
    move(incident, IncidentState.RESOLVED)
    incident.resolved_at, incident.resolved_by = clock.now(), actor
    incident.resolved_step = drift.newest_judged_step(
        session, incident.federation_id, incident.model
    )
    incident.resolution = resolution.value
    audit_step(session, incident, actor, "resolve", before, why)
    if resolution is Resolution.FALSE_ALARM:
        feedback.note(session, incident, actor)
        outbox.enqueue(session, feedback.PROPOSE, incident.id)
    announce(session, incident, Event.RESOLVED)


def audit_step(
    session: Session,
    incident: Incident,
    actor: str,
    verb: str,
    before: str | None,
    why: str | None = None,
) -> None:
    """Store an incident as it is now, with an audit entry of what was done to it."""
    session.add(incident)
    audit.record(
        session,
        actor=actor,
        action=f"incident.{verb}",
        entity=f"incident:{incident.id}",
        federation_id=incident.federation_id,
        before={"state": before} if before else None,
        after={
            "state": incident.state,
            "title": incident.title,
            "severity": incident.severity,
            "resolution": incident.resolution,
        },
        why=why,
    )
