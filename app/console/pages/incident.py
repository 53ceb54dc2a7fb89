"""An incident's page: what moved, since when, how sure, what was done, and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.console.access import Visitor
from app.drift.tables import Verdict
from app.federations.roles import Permission
from app.federations.tables import Federation
from app.incidents import service as incidents
from app.incidents.tables import Incident, Notice
from app.retraining import service as retraining
from app.retraining.tables import RetrainRequest

VERDICTS_SHOWN = 60


@dataclass(frozen=True)
class IncidentPage:
    """All that the page shows."""

    federation: Federation
    incident: Incident
    verdicts: Sequence[Verdict]
    notices: Sequence[Notice]
    requests: Sequence[RetrainRequest]


def incident_page(
    session: Session, visitor: Visitor, federation: Federation, incident: Incident
) -> IncidentPage:
    """Gather the page."""
    sees_clients = visitor.principal.may(Permission.READ_CLIENTS)
    behind = [
        verdict
        for verdict in incidents.verdicts_behind(session, incident)
        if sees_clients or verdict.scope != "client"
    ]
    return IncidentPage(
        federation=federation,
        incident=incident,
        verdicts=behind[-VERDICTS_SHOWN:][::-1],
        notices=incidents.notices_of(session, incident),
        requests=[
            request
            for request in retraining.list_of(session, federation.id, limit=200)
            if request.incident_id == incident.id
        ],
    )
