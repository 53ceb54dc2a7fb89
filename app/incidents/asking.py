"""What incidents ask of retraining, and what every round may set off there."""

from typing import Any

from sqlmodel import Session

from app.core import outbox
from app.federations import service as federations
from app.incidents import repository
from app.incidents.tables import Incident
from app.retraining import service as retraining
from app.retraining.service import RetrainAsk
from app.rounds.tables import Round

ASSESS = "incidents.assess_retraining"
CONCEPT = "concept"
TOLD = ("subject", "effect", "effect_unit", "threshold", "detector", "q_value")


def ask_of(session: Session, incident: Incident) -> RetrainAsk:
    """What an incident asks for, and why; retraining may mend what shows in errors or labels."""
    families = {one.family for one in repository.series_of(session, [incident.id])[incident.id]}
    return RetrainAsk(
        model=incident.model,
        base_version=incident.version,
        severity=incident.severity,
        family=CONCEPT if CONCEPT in families else incident.family,
        step=incident.last_step,
        reason=incident.title,
        incident_id=incident.id,
        scope=incident.scope,
        scope_key=incident.scope_key,
        subject=incident.subject,
        evidence=_evidence(incident),
    )


def after_round(session: Session, round_: Round) -> None:
    """Look at the policy's calendar, and whether retrainings that are over helped."""
    federation = federations.get(session, round_.federation_id)
    retraining.consider_schedule(session, federation, round_.model, round_.global_step)
    request = retraining.to_be_assessed(session, federation, round_.model)
    if request is not None:
        outbox.enqueue(session, ASSESS, request.id, step=f"round {round_.id}")


def _evidence(incident: Incident) -> dict[str, Any]:
    """What drifted, where and since when; a single client has no name here."""
    subjects = incident.evidence.get("subjects", [])
    return {
        "family": incident.family,
        "severity": incident.severity,
        "scope": incident.scope,
        "cohort": incident.scope_key if incident.scope == "cohort" else None,
        "since_step": incident.onset_step,
        "last_step": incident.last_step,
        "subjects": [{name: subject.get(name) for name in TOLD} for subject in subjects],
    }
