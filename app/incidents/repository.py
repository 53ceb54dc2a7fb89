"""All queries on incidents, silences, channels and notices."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from app.core.database import insert_unless_there
from app.drift.tables import Verdict
from app.incidents.tables import Channel, Incident, IncidentVerdict, Notice, Silence


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


def unresolved_of_model(session: Session, federation_id: UUID, model: str) -> list[Incident]:
    """A model's incidents that are not resolved, of any version, locked, oldest first."""
    query = select(Incident).where(
        Incident.federation_id == federation_id,
        Incident.model == model,
        Incident.state != "resolved",
    )
    return list(session.exec(query.order_by(col(Incident.opened_at)).with_for_update()))


def last_of_cause(session: Session, federation_id: UUID, cause: str) -> Incident | None:
    """The newest incident of a cause, whatever its state."""
    query = select(Incident).where(Incident.federation_id == federation_id, Incident.cause == cause)
    return session.exec(query.order_by(col(Incident.opened_at).desc())).first()


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


def channels_of(session: Session, federation_id: UUID) -> list[Channel]:
    """A federation's channels, by name."""
    query = select(Channel).where(Channel.federation_id == federation_id)
    return list(session.exec(query.order_by(col(Channel.name))))


def insert_channel(session: Session, channel: Channel) -> bool:
    """Insert a channel; False, and nothing done, where the federation has one of that name."""
    return insert_unless_there(session, channel)


def channel_named(session: Session, federation_id: UUID, name: str) -> Channel | None:
    """A federation's channel by name."""
    query = select(Channel).where(Channel.federation_id == federation_id, Channel.name == name)
    return session.exec(query).first()


def notice(session: Session, notice_id: UUID) -> Notice | None:
    """A notice by id, for work that a committed row asked for."""
    return session.get(Notice, notice_id)


def incident_with_id(session: Session, incident_id: UUID) -> Incident | None:
    """An incident by id alone, for work that a committed row asked for."""
    return session.get(Incident, incident_id)


def notices_of(session: Session, incident_id: UUID) -> list[Notice]:
    """What was sent about an incident, oldest first."""
    query = select(Notice).where(Notice.incident_id == incident_id)
    return list(session.exec(query.order_by(col(Notice.at), col(Notice.channel))))
