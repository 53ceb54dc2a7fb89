"""Accepting what an incident is about as the new normal.

The reference of the model's version is frozen anew, as a whole: what belongs together (a score, its
labels, who says them) has to be of the same rounds, or the parts of a verdict would not add up. So
everything else that is open about that version is taken for normal as well, and has to be named.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import Session

from app.drift import service as drift
from app.drift.service import Acceptance
from app.drift.tables import Reference
from app.federations.tables import Federation
from app.incidents import repository, service, steps
from app.incidents.errors import OthersOpenError
from app.incidents.schemas import AcceptIn
from app.incidents.states import IncidentState, Resolution
from app.incidents.tables import Incident


def accept(
    session: Session, federation: Federation, incident_id: UUID, body: AcceptIn, actor: str
) -> tuple[Incident, Reference]:
    """Freeze the version's reference from rounds since the onset, and resolve the incident.

    Raises:
        IllegalTransitionError: if it is resolved already.
        OthersOpenError: if others about the version are open that `body.also` does not name.
        TooFewRoundsYetError, TooFewRoundsError, RoundsBeforeOnsetError: of what the reference is
            to be frozen from.
    """
    seen = service.get(session, federation.id, incident_id)
    # Before any lock or audit entry, in the order of all who judge rounds.
    drift.hold(session, federation.id, seen.model)
    session.expire(seen)
    incident = service.locked(session, federation, incident_id)
    if incident.state == IncidentState.RESOLVED:
        steps.move(incident, IncidentState.RESOLVED)  # says what is allowed
    accepted = _with_others(session, incident, body.also)
    reference = drift.freeze_accepted(
        session,
        federation,
        Acceptance(
            incident.model,
            incident.version,
            max(one.onset_step for one in accepted),
            incident.id,
            body.why,
        ),
        body.rounds,
        actor,
    )
    for one in accepted:
        steps.resolve(session, one, actor, Resolution.NEW_NORMAL, body.why)
        # Its rounds are settled, those too that are judged only from now on.
        one.resolved_step = max(one.resolved_step or 0, reference.last_step)
    return incident, reference


def others_open(session: Session, incident: Incident) -> list[Incident]:
    """What else is open about the incident's version, oldest first."""
    return repository.others_open(session, incident)


def _with_others(session: Session, incident: Incident, also: Sequence[UUID]) -> list[Incident]:
    unresolved = repository.unresolved_of_version(
        session, incident.federation_id, incident.model, incident.version
    )
    others = [one for one in unresolved if one.id != incident.id]
    left = [one for one in others if one.id not in also]
    if left:
        raise OthersOpenError([(one.id, one.title) for one in left])
    return [incident, *others]
