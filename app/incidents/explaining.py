"""Why an incident's subject drifts: kept with its evidence for everybody, and looked up whole."""

from typing import Any

from sqlmodel import Session

from app.drift import service as drift
from app.drift.tables import Explanation
from app.incidents import repository
from app.incidents.grouping import Evidence
from app.incidents.tables import Incident


def explained(session: Session, evidence: Evidence) -> dict[str, Any]:
    """The evidence, with why its strongest subject drifts as everybody may know it."""
    explanation = drift.explanation_of(session, evidence.lead)
    if explanation is None:
        return evidence.document()
    told = {"sentence": explanation.sentence, **explanation.explained}
    return {**evidence.document(), "explanation": told}


def behind(session: Session, incident: Incident) -> Explanation | None:
    """Why an incident's subject drifted in the newest round with evidence, clients included."""
    about = [
        verdict
        for verdict in repository.verdicts_behind(session, incident.id)
        if (verdict.subject, verdict.scope) == (incident.subject, incident.scope)
    ]
    return drift.explanation_of(session, about[-1]) if about else None
