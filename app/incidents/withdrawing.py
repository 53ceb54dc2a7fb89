"""A client withdraws: what it said is erased wherever it is kept, in one transaction."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session

from app.audit import service as audit
from app.drift import service as drift
from app.drift import withdrawals
from app.federations.tables import Federation
from app.incidents import repository, service
from app.incidents.states import IncidentState, Resolution
from app.incidents.tables import Incident
from app.registry import service as registry
from app.retraining import service as retraining
from app.rounds import service as rounds
from app.rounds.privacy_schemas import WithdrawalOut


def withdraw(
    session: Session, federation: Federation, clients: Sequence[str], actor: str
) -> WithdrawalOut:
    """Erase what clients said and what was found about each alone, and have them refused.

    Of clients that were never seen only the later records are refused: they opted out. The audit
    log gets the marks that recognise them, and no pseudonym. Once more changes nothing.
    """
    for model in sorted(model.name for model in registry.models_of(session, federation.id)):
        drift.hold(session, federation.id, model)  # no round is judged meanwhile
    withdrawn = rounds.withdraw(session, federation, clients)
    blanked = withdrawals.forget(session, federation.id, withdrawn)
    retraining.forget(session, federation.id, withdrawn.marks)
    for client, mark in withdrawn.marks.items():
        _forget(session, federation, client, mark, actor)
    done = WithdrawalOut(
        withdrawn=withdrawn.new,
        records=withdrawn.records,
        rounds=len(withdrawn.clients_by_round),
        verdicts=blanked,
    )
    if withdrawn.new:
        audit.record(
            session,
            actor=actor,
            action="client.withdraw",
            entity=f"federation:{federation.name}",
            federation_id=federation.id,
            after={"marks": sorted(withdrawn.marks.values()), **done.model_dump()},
        )
    return done


def _forget(session: Session, federation: Federation, client: str, mark: str, actor: str) -> None:
    for incident in repository.about_client(session, federation.id, client):
        _blank(incident, client, mark)
        if incident.state != IncidentState.RESOLVED:
            service.end(session, incident, actor, Resolution.WITHDRAWN)
        session.add(incident)
    repository.rename_series(session, federation.id, client, mark)
    for silence in repository.silences_of(session, federation.id):
        if silence.matchers.get("scope_key") == client:
            silence.matchers = {**silence.matchers, "scope_key": mark}
            session.add(silence)


def _blank(incident: Incident, client: str, mark: str) -> None:
    nothing: dict[str, Any] = {"subjects": []}
    incident.cause = incident.cause.replace(client, mark)
    incident.scope_key, incident.evidence = mark, nothing
    incident.title = "Drift at one client, which withdrew"
