"""What becomes of an incident after its retraining: closed on evidence, or open again."""

from uuid import UUID

from sqlmodel import Session

from app.core import clock
from app.federations import service as federations
from app.federations.tables import Federation
from app.incidents import repository, service
from app.incidents.asking import ask_of
from app.incidents.notices import announce_as
from app.incidents.states import Event, IncidentState, Resolution
from app.incidents.tables import Announcement, Incident
from app.registry import service as registry
from app.retraining import service as retraining
from app.retraining.deciding import Answer
from app.retraining.tables import RetrainingOutcome


def assess(session: Session, request_id: UUID) -> None:
    """Decide whether a retraining helped, and let its incident follow: a task's effect."""
    request = repository.request_with_id(session, request_id)
    federation = federations.get(session, request.federation_id)
    incident = None
    if request.incident_id is not None:  # locked before anything is written to the audit log
        incident = repository.locked(session, federation.id, request.incident_id)
    outcome = retraining.assess(session, federation, request)
    if outcome is None:
        return
    if outcome.answer == "helped" and incident is not None:
        _close(session, federation, incident, outcome)
    elif outcome.answer == "did_not_help":
        if incident is not None:
            _reopen(session, incident, outcome)
        _tell(session, federation, outcome, incident)


def ask_again(session: Session) -> None:
    """Consider retraining again for incidents that the policy's quiet hours put off."""
    # All are locked before anything is written to the audit log, as everywhere.
    put_off = [
        repository.locked(session, incident.federation_id, incident.id)
        for incident in repository.unresolved(session)
        if _was_put_off(session, incident)
    ]
    for incident in put_off:
        if incident is not None and incident.state != IncidentState.RESOLVED:
            federation = federations.get(session, incident.federation_id)
            retraining.consider(session, federation, ask_of(session, incident))


def _was_put_off(session: Session, incident: Incident) -> bool:
    decided = retraining.decisions_of(
        session, incident.federation_id, incident_id=incident.id, limit=1
    )
    return bool(decided) and decided[0].answer == Answer.QUIET_HOURS


def _close(
    session: Session, federation: Federation, incident: Incident, outcome: RetrainingOutcome
) -> None:
    """A version that helped and is in use is the end of it; until it is, the old one still errs."""
    champion = registry.model_named(session, federation.id, outcome.model).champion
    if champion == outcome.result_version and incident.state != IncidentState.RESOLVED:
        service.end(session, incident, f"version {champion}, which helped", Resolution.RETRAINED)


def _reopen(session: Session, incident: Incident, outcome: RetrainingOutcome) -> None:
    """Open it again if retraining was what closed it, and no later one has its cause."""
    closed = incident.resolution == Resolution.RETRAINED
    if closed and not repository.has_recurred(session, incident):
        service.reopen(session, incident, f"version {outcome.result_version}", outcome.why)


def _tell(
    session: Session,
    federation: Federation,
    outcome: RetrainingOutcome,
    incident: Incident | None,
) -> None:
    before = (
        retraining.of_incident(session, federation.id, incident.id) if incident is not None else []
    )
    announce_as(
        session,
        Announcement(
            federation_id=federation.id,
            incident_id=incident.id if incident else None,
            request_id=outcome.request_id,
            event=Event.RETRAINING_DID_NOT_HELP.value,
            severity=incident.severity if incident else "info",
            step=len(before),
            detail={"why": outcome.why},
            at=clock.now(),
        ),
    )
