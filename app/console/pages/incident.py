"""An incident's page: what moved, since when, how sure, what was done, and what to do next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app.console.access import Visitor
from app.core import clock
from app.drift.tables import Verdict
from app.federations.names import Naming
from app.federations.roles import Permission
from app.federations.tables import Federation
from app.incidents import accepting, silences
from app.incidents import service as incidents
from app.incidents.messages import again
from app.incidents.notices import is_silent
from app.incidents.tables import Incident, Silence
from app.retraining import service as retraining
from app.retraining.tables import RetrainRequest

VERDICTS_SHOWN, CLIENTS_SHOWN = 60, 40


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
    requests = [
        request
        for request in retraining.list_of(session, federation.id, limit=200)
        if request.incident_id == incident.id
    ]
    events = [
        *_life(incident),
        *_notices(session, incident),
        *_silenced(incident, matching),
        *_retraining(requests),
    ]
    at = clock.now()
    last_time = incidents.last_time(session, incident)
    return IncidentPage(
        federation=federation,
        incident=incident,
        verdicts=[*behind[-VERDICTS_SHOWN:][::-1], *of_clients],
        timeline=sorted(events, key=lambda event: event.at),
        silences=[silence for silence in matching if silence.starts_at <= at < silence.ends_at],
        next_step=_next_step(incident, requests),
        others=accepting.others_open(session, incident),
        last_time=again(last_time) if last_time else None,
        naming=visitor.naming(federation),
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


def _next_step(incident: Incident, requests: Sequence[RetrainRequest]) -> str:
    """What somebody would best do now."""
    if incident.state == "resolved":
        return "Nothing: it is resolved. The same cause would open a new incident."
    if incident.state == "open":
        return "Look at the evidence and take it on, so that others know that somebody does."
    for request in requests:
        if request.result_version and request.state == "completed":
            return (
                f"Version {request.result_version} was retrained for this. Its promotion resolves"
                " the incident; resolve it by hand only if the cause was another."
            )
    if any(request.ended_at is None for request in requests):
        return "Retraining is under way. Wait for its version, or resolve it if the data is wrong."
    return "Find the cause: a fault in the data, or a new normal that wants retraining."
