"""All queries on incidents, what speaks for them, and silences."""

from collections.abc import Sequence, Set
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select, update

from app.drift.service import Series
from app.drift.tables import Verdict
from app.incidents.tables import (
    Incident,
    IncidentSeries,
    IncidentVerdict,
    PolicyProposal,
    PolicyTrial,
    Silence,
)
from app.retraining.tables import RetrainRequest


def unresolved_of_version(
    session: Session, federation_id: UUID, model: str, version: str
) -> list[Incident]:
    """A version's incidents that are not resolved, locked, oldest first."""
    query = select(Incident).where(
        Incident.federation_id == federation_id,
        Incident.model == model,
        Incident.version == version,
        Incident.state != "resolved",
    )
    return list(session.exec(query.order_by(col(Incident.opened_at)).with_for_update()))


def others_open(session: Session, incident: Incident) -> list[Incident]:
    """What else is not resolved about an incident's version, oldest first."""
    query = select(Incident).where(
        Incident.federation_id == incident.federation_id,
        Incident.model == incident.model,
        Incident.version == incident.version,
        Incident.state != "resolved",
        Incident.id != incident.id,
    )
    return list(session.exec(query.order_by(col(Incident.opened_at))))


def unresolved_of_model(session: Session, federation_id: UUID, model: str) -> list[Incident]:
    """A model's incidents that are not resolved, of any version, locked, oldest first."""
    query = select(Incident).where(
        Incident.federation_id == federation_id,
        Incident.model == model,
        Incident.state != "resolved",
    )
    return list(session.exec(query.order_by(col(Incident.opened_at)).with_for_update()))


def series_of(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[IncidentSeries]]:
    """The series of these incidents, by incident; one without any is left out."""
    found: dict[UUID, list[IncidentSeries]] = {}
    query = select(IncidentSeries).where(col(IncidentSeries.incident_id).in_(ids))
    for row in session.exec(query) if ids else ():
        found.setdefault(row.incident_id, []).append(row)
    return found


def rename_series(session: Session, federation_id: UUID, client: str, mark: str) -> None:
    """Have a client's series in a federation's incidents be told of under a mark."""
    ours = select(Incident.id).where(Incident.federation_id == federation_id)
    of_client = update(IncidentSeries).where(
        col(IncidentSeries.incident_id).in_(ours),
        col(IncidentSeries.scope) == "client",
        col(IncidentSeries.scope_key) == client,
    )
    session.exec(of_client.values(scope_key=mark))


def last_resolved(
    session: Session, federation_id: UUID, model: str, series: Set[Series]
) -> Incident | None:
    """The incident that was resolved last among those that had one of these series."""
    query = (
        select(Incident, IncidentSeries)
        .join(IncidentSeries, col(IncidentSeries.incident_id) == col(Incident.id))
        .where(
            Incident.federation_id == federation_id,
            Incident.model == model,
            Incident.state == "resolved",
            col(IncidentSeries.subject).in_({one.subject for one in series}),
        )
        .order_by(col(Incident.resolved_at).desc(), col(Incident.opened_at).desc())
    )
    return next(
        (
            incident
            for incident, row in session.exec(query)
            if Series(row.scope, row.scope_key, row.subject) in series
        ),
        None,
    )


def last_time(session: Session, incident: Incident) -> Incident | None:
    """The incident that another one recurs of."""
    return None if incident.recurs_of is None else session.get(Incident, incident.recurs_of)


def has_recurred(session: Session, incident: Incident) -> bool:
    """Whether a later incident is about the same again."""
    query = select(Incident.id).where(
        Incident.federation_id == incident.federation_id, Incident.recurs_of == incident.id
    )
    return session.exec(query.limit(1)).first() is not None


def incident_of(session: Session, federation_id: UUID, incident_id: UUID) -> Incident | None:
    """A federation's incident by id."""
    query = select(Incident).where(
        Incident.id == incident_id, Incident.federation_id == federation_id
    )
    return session.exec(query).first()


def locked(session: Session, federation_id: UUID, incident_id: UUID) -> Incident | None:
    """A federation's incident by id, locked."""
    query = select(Incident).where(
        Incident.id == incident_id, Incident.federation_id == federation_id
    )
    return session.exec(query.with_for_update()).first()


def about_client(session: Session, federation_id: UUID, client: str) -> list[Incident]:
    """The incidents about one client alone, locked, oldest first."""
    query = select(Incident).where(
        Incident.federation_id == federation_id,
        Incident.scope == "client",
        Incident.scope_key == client,
    )
    return list(session.exec(query.order_by(col(Incident.opened_at)).with_for_update()))


def clients_with_incidents(session: Session, federation_id: UUID) -> list[str]:
    """The pseudonyms of the clients that incidents are about."""
    query = select(Incident.scope_key).where(
        Incident.federation_id == federation_id, Incident.scope == "client"
    )
    return list(session.exec(query.distinct()))


def of_federation(
    session: Session, federation_id: UUID, state: str | None, limit: int
) -> list[Incident]:
    """A federation's incidents, newest first."""
    query = select(Incident).where(Incident.federation_id == federation_id)
    if state is not None:
        query = query.where(Incident.state == state)
    return list(session.exec(query.order_by(col(Incident.opened_at).desc()).limit(limit)))


def unresolved(session: Session) -> list[Incident]:
    """Every incident that is not resolved, of all federations."""
    query = select(Incident).where(Incident.state != "resolved")
    return list(session.exec(query.order_by(col(Incident.opened_at))))


def open_by_severity(session: Session) -> dict[str, int]:
    """How many incidents of all federations are not resolved, by severity."""
    query = select(Incident.severity, func.count()).where(Incident.state != "resolved")
    found = dict(session.exec(query.group_by(Incident.severity)).all())
    return {"info": 0, "warning": 0, "critical": 0} | found


def verdicts_behind(session: Session, incident_id: UUID) -> list[Verdict]:
    """The verdicts that are evidence of an incident, oldest round first."""
    query = (
        select(Verdict)
        .join(IncidentVerdict, col(IncidentVerdict.verdict_id) == col(Verdict.id))
        .where(IncidentVerdict.incident_id == incident_id)
    )
    order = (col(Verdict.global_step), col(Verdict.scope).desc(), col(Verdict.subject))
    return list(session.exec(query.order_by(*order)))


def proposals(
    session: Session, federation_id: UUID, state: str | None = None
) -> list[PolicyProposal]:
    """A federation's proposals, newest first."""
    query = select(PolicyProposal).where(PolicyProposal.federation_id == federation_id)
    if state is not None:
        query = query.where(PolicyProposal.state == state)
    return list(session.exec(query.order_by(col(PolicyProposal.proposed_at).desc())))


def trial(session: Session, trial_id: UUID) -> PolicyTrial | None:
    """The trial of a policy with that id."""
    return session.get(PolicyTrial, trial_id)


def trials_of(session: Session, federation_id: UUID) -> list[PolicyTrial]:
    """A federation's trials of policies, newest first."""
    query = select(PolicyTrial).where(PolicyTrial.federation_id == federation_id)
    return list(session.exec(query.order_by(col(PolicyTrial.asked_at).desc())))


def proposal(session: Session, proposal_id: UUID) -> PolicyProposal | None:
    """A proposal by id alone, for work that a committed row asked for."""
    return session.get(PolicyProposal, proposal_id)


def locked_proposal(
    session: Session, federation_id: UUID, proposal_id: UUID
) -> PolicyProposal | None:
    """A federation's proposal by id, locked."""
    query = select(PolicyProposal).where(
        PolicyProposal.id == proposal_id, PolicyProposal.federation_id == federation_id
    )
    return session.exec(query.with_for_update()).first()


def waiting_proposal(session: Session, federation_id: UUID, field: str) -> PolicyProposal | None:
    """The proposal on a field that nobody has decided on, locked."""
    query = select(PolicyProposal).where(
        PolicyProposal.federation_id == federation_id,
        PolicyProposal.field == field,
        PolicyProposal.state == "proposed",
    )
    return session.exec(query.with_for_update()).first()


def largest_dismissed(session: Session, federation_id: UUID, field: str) -> float:
    """The largest value of a field that a person dismissed; 0 if none was."""
    query = select(func.max(PolicyProposal.after)).where(
        PolicyProposal.federation_id == federation_id,
        PolicyProposal.field == field,
        PolicyProposal.state == "dismissed",
    )
    return session.exec(query).one() or 0.0


def silences_of(session: Session, federation_id: UUID) -> list[Silence]:
    """A federation's silences, the one that ends last first."""
    query = select(Silence).where(Silence.federation_id == federation_id)
    return list(session.exec(query.order_by(col(Silence.ends_at).desc())))


def silences_in_force(
    session: Session, federation_ids: Sequence[UUID], at: datetime
) -> list[Silence]:
    """The silences of these federations that hold at a time."""
    query = select(Silence).where(
        col(Silence.federation_id).in_(federation_ids),
        Silence.starts_at <= at,
        Silence.ends_at > at,
    )
    return list(session.exec(query))


def silence_of(session: Session, federation_id: UUID, silence_id: UUID) -> Silence | None:
    """A federation's silence by id."""
    query = select(Silence).where(Silence.id == silence_id, Silence.federation_id == federation_id)
    return session.exec(query).first()


def incident_with_id(session: Session, incident_id: UUID) -> Incident | None:
    """An incident by id alone, for work that a committed row asked for."""
    return session.get(Incident, incident_id)


def request_with_id(session: Session, request_id: UUID) -> RetrainRequest:
    """A retrain request by id, for work that a committed row asked for."""
    return session.get_one(RetrainRequest, request_id)


def open_of(session: Session, federation_id: UUID) -> list[Incident]:
    """A federation's incidents that nobody has taken on, oldest first."""
    query = select(Incident).where(
        Incident.federation_id == federation_id, Incident.state == "open"
    )
    return list(session.exec(query.order_by(col(Incident.opened_at))))


def incidents_with_ids(session: Session, ids: Sequence[UUID]) -> list[Incident]:
    """These incidents, oldest first."""
    query = select(Incident).where(col(Incident.id).in_(ids))
    return list(session.exec(query.order_by(col(Incident.opened_at))))
