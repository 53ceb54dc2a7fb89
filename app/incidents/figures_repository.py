"""Queries that count: what people said of incidents, how long things took, what was delivered."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, extract, func
from sqlalchemy import select as columns
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col, select

from app.drift.tables import Verdict
from app.incidents.tables import Incident, IncidentVerdict, Notice

CONFIRMED = ("retrained", "new_normal", "data_fault")


@dataclass(frozen=True)
class Judged:
    """The largest effect that a detector found in a subject, in one incident."""

    model: str
    detector: str
    subject: str
    resolution: str
    effect: float
    threshold: float


@dataclass(frozen=True)
class Span:
    """How many incidents took how many seconds in all to come so far."""

    count: int
    seconds: float


def judged_by_people(session: Session, federation_id: UUID) -> list[Judged]:
    """The evidence on every incident that a person resolved."""
    return _evidence(
        session,
        col(Incident.federation_id) == federation_id,
        col(Incident.state) == "resolved",
        col(Incident.resolution).in_((*CONFIRMED, "false_alarm")),
    )


def evidence_on(session: Session, incident: Incident) -> list[Judged]:
    """The evidence on an incident in its own scope, one for each detector and subject."""
    return _evidence(session, col(Incident.id) == incident.id)


def _evidence(session: Session, *conditions: ColumnElement[bool]) -> list[Judged]:
    """For each incident, detector and subject: the largest effect and threshold in its scope."""
    keys = (
        col(Incident.model),
        col(Verdict.detector),
        col(Verdict.subject),
        col(Incident.resolution),
    )
    query = (
        columns(*keys, func.max(func.abs(Verdict.effect)), func.max(Verdict.threshold))
        .join(IncidentVerdict, col(IncidentVerdict.incident_id) == col(Incident.id))
        .join(Verdict, col(Verdict.id) == col(IncidentVerdict.verdict_id))
        .where(col(Verdict.scope) == col(Incident.scope), col(Verdict.outcome) == "drift")
        .where(*conditions)
        .group_by(col(Incident.id), *keys)
    )
    return [Judged(*row) for row in session.execute(query)]


def opened_by_severity(session: Session) -> dict[str, int]:
    """How many incidents of all federations were ever opened, by severity."""
    query = select(Incident.severity, func.count()).group_by(Incident.severity)
    return dict(session.exec(query).all())


def resolved_by_resolution(session: Session) -> dict[str, int]:
    """How many incidents of all federations were resolved, by how."""
    query = select(func.coalesce(Incident.resolution, ""), func.count())
    resolved = query.where(Incident.state == "resolved").group_by(Incident.resolution)
    return dict(session.exec(resolved).all())


def time_to_acknowledge(session: Session) -> Span:
    """From opening to acknowledgement, over all incidents that were."""
    return _span(session, col(Incident.acknowledged_at))


def time_to_resolve(session: Session) -> Span:
    """From opening to resolution, over all incidents that were."""
    return _span(session, col(Incident.resolved_at))


@dataclass(frozen=True)
class Handled:
    """What became of the incidents of a while."""

    opened: int
    false_alarms: int
    confirmed: int
    to_acknowledge: Span
    to_resolve: Span


def handled_since(session: Session, federation_id: UUID, since: datetime) -> Handled:
    """What became of a federation's incidents that were opened since a time."""
    ours = (col(Incident.federation_id) == federation_id, col(Incident.opened_at) >= since)
    counted = select(func.coalesce(Incident.resolution, ""), func.count()).where(*ours)
    by_resolution = dict(session.exec(counted.group_by(Incident.resolution)).all())
    return Handled(
        opened=sum(by_resolution.values()),
        false_alarms=by_resolution.get("false_alarm", 0),
        confirmed=sum(by_resolution.get(one, 0) for one in CONFIRMED),
        to_acknowledge=_span(session, col(Incident.acknowledged_at), *ours),
        to_resolve=_span(session, col(Incident.resolved_at), *ours),
    )


def _span(
    session: Session, end: "Mapped[datetime | None]", *conditions: ColumnElement[bool]
) -> Span:
    seconds = extract("epoch", end) - extract("epoch", col(Incident.opened_at))
    query = select(func.count(), func.coalesce(func.sum(seconds), 0)).where(
        end.is_not(None), *conditions
    )
    count, total = session.exec(query).one()
    return Span(count, float(total))


def notices_by_state(session: Session) -> dict[str, int]:
    """How many notices of all federations are in each state."""
    return dict(session.exec(select(Notice.state, func.count()).group_by(Notice.state)).all())


def delivery_attempts(session: Session) -> int:
    """How often it was tried to deliver a notice."""
    return int(session.exec(select(func.coalesce(func.sum(Notice.attempts), 0))).one())
