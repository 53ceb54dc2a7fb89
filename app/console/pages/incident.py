"""An incident's page: what moved, since when, how sure, what was done, and what to do next."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.console.access import Visitor
from app.core import clock
from app.drift.explaining.schemas import ClientShare, Explained
from app.drift.tables import Verdict
from app.federations.names import Naming
from app.federations.roles import Permission
from app.federations.tables import Federation
from app.incidents import accepting, explaining, silences
from app.incidents import service as incidents
from app.incidents.messages import again
from app.incidents.notices import is_silent
from app.incidents.tables import Incident, Silence
from app.retraining import service as retraining
from app.retraining.tables import RetrainingDecision, RetrainingOutcome, RetrainRequest

VERDICTS_SHOWN, CLIENTS_SHOWN, DECISIONS_SHOWN = 60, 40, 20


@dataclass(frozen=True)
class Event:
    """One thing that happened to the incident."""

    at: datetime
    text: str


@dataclass(frozen=True)
class IncidentPage:
    """All that the page shows."""

    federation: Federation
    incident: Incident
    verdicts: Sequence[Verdict]
    timeline: Sequence[Event]
    silences: Sequence[Silence]  # that hold now
    next_step: str
    others: Sequence[Incident]  # open about the same version, and accepted only with it
    last_time: str | None  # how it ended when the same was there before
    naming: Naming
    decisions: Sequence[RetrainingDecision]  # on whether to retrain, newest first
    proposed: Sequence[RetrainRequest]  # that wait for somebody's yes
    outcomes: Sequence[RetrainingOutcome]
    explained: Explained | None
    sentence: str
    clients: Sequence[ClientShare]
    forgetting: Mapping[UUID, Sequence[Mapping[str, Any]]]  # by the outcome's request


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
    of_clients = incidents.clients_behind(session, incident, CLIENTS_SHOWN) if sees_clients else []
    matching = [
        silence
        for silence in silences.silences_of(session, federation)
        if is_silent(incident, [silence])
    ]
    requests = retraining.of_incident(session, federation.id, incident.id)
    outcomes = retraining.outcomes_of_incident(session, federation.id, incident.id)
    events = [
        *_life(incident),
        *_notices(session, incident),
        *_silenced(incident, matching),
        *_retraining(requests),
        *(Event(one.at, f"Looked at version {one.result_version}: {one.why}") for one in outcomes),
    ]
    at = clock.now()
    why = explaining.behind(session, incident)
    last_time = incidents.last_time(session, incident)
    return IncidentPage(
        federation=federation,
        incident=incident,
        verdicts=[*behind[-VERDICTS_SHOWN:][::-1], *of_clients],
        timeline=sorted(events, key=lambda event: event.at),
        silences=[silence for silence in matching if silence.starts_at <= at < silence.ends_at],
        next_step=_next_step(incident, requests, outcomes),
        others=accepting.others_open(session, incident),
        last_time=again(last_time) if last_time else None,
        naming=visitor.naming(federation),
        decisions=retraining.decisions_of(
            session, federation.id, incident_id=incident.id, limit=DECISIONS_SHOWN
        ),
        proposed=[request for request in requests if request.state == "proposed"],
        outcomes=outcomes,
        explained=None if why is None else Explained.model_validate(why.explained),
        sentence="" if why is None else why.sentence,
        clients=[*map(ClientShare.model_validate, why.clients)] if why and sees_clients else [],
        forgetting={one.request_id: retraining.forgetting(session, one) for one in outcomes},
    )


def _life(incident: Incident) -> Iterator[Event]:
    yield Event(incident.opened_at, f"Opened on the evidence of step {incident.opened_step}.")
    if incident.acknowledged_at:
        yield Event(incident.acknowledged_at, f"Acknowledged by {incident.acknowledged_by}.")
    if incident.resolved_at:
        resolution = (incident.resolution or "").replace("_", " ")
        yield Event(incident.resolved_at, f"Resolved by {incident.resolved_by}: {resolution}.")


def _notices(session: Session, incident: Incident) -> Iterator[Event]:
    for notice in incidents.notices_of(session, incident):
        text = f"Notice “{notice.event}” to {notice.channel}: {notice.state}."
        yield Event(notice.sent_at or notice.at, text)


def _silenced(incident: Incident, matching: Sequence[Silence]) -> Iterator[Event]:
    """The silences that held while the incident was there."""
    over = incident.resolved_at or clock.now()
    for silence in matching:
        if incident.opened_at < silence.ends_at and silence.starts_at < over:
            until = silence.ends_at.strftime("%Y-%m-%d %H:%M UTC")
            text = f"Silenced until {until} by {silence.created_by}: {silence.comment}"
            yield Event(silence.starts_at, text)


def _retraining(requests: Sequence[RetrainRequest]) -> Iterator[Event]:
    for request in requests:
        yield Event(request.created_at, f"Retraining asked for by {request.requested_by}.")
        if request.ended_at:
            made = f", version {request.result_version}" if request.result_version else ""
            yield Event(request.ended_at, f"Retraining {request.state}{made}.")


def _next_step(
    incident: Incident,
    requests: Sequence[RetrainRequest],
    outcomes: Sequence[RetrainingOutcome],
) -> str:
    """What somebody would best do now."""
    if incident.state == "resolved":
        return "Nothing: it is resolved. The same cause would open a new incident."
    if incident.state == "open":
        return "Look at the evidence and take it on, so that others know that somebody does."
    return _next_of_retraining(requests, outcomes)


def _next_of_retraining(
    requests: Sequence[RetrainRequest], outcomes: Sequence[RetrainingOutcome]
) -> str:
    """What comes next for an incident that somebody has taken on."""
    if outcomes and outcomes[-1].answer == "did_not_help" and not outcomes[-1].allowed_at:
        return "Retraining did not help. Look for another cause before anybody tries again."
    if any(request.state == "proposed" for request in requests):
        return "The policy proposes what a person has to decide: see below."
    for request in requests:
        if request.result_version and request.state == "completed":
            return (
                f"Version {request.result_version} was retrained for this. Its promotion resolves"
                " the incident; resolve it by hand only if the cause was another."
            )
    if any(request.ended_at is None for request in requests):
        return "Retraining is under way. Wait for its version, or resolve it if the data is wrong."
    return "Find the cause: a fault in the data, or a new normal that wants retraining."
