"""All queries on retrain requests."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from app.core.database import insert_unless_there
from app.retraining.tables import RetrainingDecision, RetrainingOutcome, RetrainRequest

OPEN = ("proposed", "requested", "claimed", "running")

_NEWEST_DECISION = (col(RetrainingDecision.at).desc(), col(RetrainingDecision.id).desc())


def open_of(session: Session, federation_id: UUID, model: str) -> RetrainRequest | None:
    """The model's request that has not ended, locked."""
    query = select(RetrainRequest).where(
        RetrainRequest.federation_id == federation_id,
        RetrainRequest.model == model,
        col(RetrainRequest.state).in_(OPEN),
    )
    return session.exec(query.with_for_update()).first()


def is_open(session: Session, federation_id: UUID, model: str) -> bool:
    """Whether the model has a request that has not ended.

    Takes no lock: who asks may hold the audit log's, which the request's holder waits for.
    """
    query = select(RetrainRequest.id).where(
        RetrainRequest.federation_id == federation_id,
        RetrainRequest.model == model,
        col(RetrainRequest.state).in_(OPEN),
    )
    return session.exec(query).first() is not None


def insert(session: Session, request: RetrainRequest) -> bool:
    """Insert a request; False, and nothing done, when another was first."""
    return insert_unless_there(session, request)


def newest_of(session: Session, federation_id: UUID, model: str) -> RetrainRequest | None:
    """The model's newest request, whatever became of it."""
    query = select(RetrainRequest).where(
        RetrainRequest.federation_id == federation_id, RetrainRequest.model == model
    )
    return session.exec(query.order_by(col(RetrainRequest.created_at).desc())).first()


def request_of(session: Session, federation_id: UUID, request_id: UUID) -> RetrainRequest | None:
    """A federation's request by id."""
    query = select(RetrainRequest).where(
        RetrainRequest.id == request_id, RetrainRequest.federation_id == federation_id
    )
    return session.exec(query).first()


def locked(session: Session, federation_id: UUID, request_id: UUID) -> RetrainRequest | None:
    """A federation's request by id, locked."""
    query = select(RetrainRequest).where(
        RetrainRequest.id == request_id, RetrainRequest.federation_id == federation_id
    )
    return session.exec(query.with_for_update()).first()


def of_federation(session: Session, federation_id: UUID, limit: int) -> list[RetrainRequest]:
    """A federation's requests, newest first."""
    query = select(RetrainRequest).where(RetrainRequest.federation_id == federation_id)
    return list(session.exec(query.order_by(col(RetrainRequest.created_at).desc()).limit(limit)))


def of_incident(session: Session, federation_id: UUID, incident_id: UUID) -> list[RetrainRequest]:
    """The requests that an incident made, oldest first."""
    query = select(RetrainRequest).where(
        RetrainRequest.federation_id == federation_id, RetrainRequest.incident_id == incident_id
    )
    return list(session.exec(query.order_by(col(RetrainRequest.created_at))))


def with_trainees(session: Session, federation_id: UUID) -> list[RetrainRequest]:
    """The federation's open requests that may name single clients, locked."""
    query = select(RetrainRequest).where(
        RetrainRequest.federation_id == federation_id, col(RetrainRequest.state).in_(OPEN)
    )
    found = session.exec(query.with_for_update()).all()
    return [request for request in found if request.trainees is not None]


def automatic_since(
    session: Session, federation_id: UUID, model: str, since: datetime
) -> list[RetrainRequest]:
    """A model's requests by the policy since a time, but those that a person did not let go on."""
    query = select(RetrainRequest).where(
        RetrainRequest.federation_id == federation_id,
        RetrainRequest.model == model,
        RetrainRequest.requested_by == "policy",
        RetrainRequest.created_at > since,
        RetrainRequest.state != "cancelled",
    )
    return list(session.exec(query))


def waiting_models(session: Session) -> set[tuple[UUID, str]]:
    """The federations and models with a request that can be claimed."""
    query = select(RetrainRequest.federation_id, RetrainRequest.model).where(
        RetrainRequest.state == "requested"
    )
    return set(session.exec(query))


def newest_decision(
    session: Session, federation_id: UUID, model: str, incident_id: UUID | None
) -> RetrainingDecision | None:
    """The newest decision on an incident, or (None) on a model's schedule."""
    query = select(RetrainingDecision).where(
        RetrainingDecision.federation_id == federation_id,
        RetrainingDecision.model == model,
        RetrainingDecision.incident_id == incident_id,
    )
    return session.exec(query.order_by(*_NEWEST_DECISION)).first()


def decisions_of(
    session: Session, federation_id: UUID, incident_id: UUID | None, limit: int
) -> list[RetrainingDecision]:
    """A federation's decisions, or those on one incident, newest first."""
    query = select(RetrainingDecision).where(RetrainingDecision.federation_id == federation_id)
    if incident_id is not None:
        query = query.where(RetrainingDecision.incident_id == incident_id)
    return list(session.exec(query.order_by(*_NEWEST_DECISION).limit(limit)))


def newest_outcome(session: Session, federation_id: UUID, model: str) -> RetrainingOutcome | None:
    """What came of the model's newest retraining that was looked at."""
    query = select(RetrainingOutcome).where(
        RetrainingOutcome.federation_id == federation_id, RetrainingOutcome.model == model
    )
    newest = query.order_by(col(RetrainingOutcome.at).desc())
    return session.exec(newest).first()


def outcomes_of(session: Session, federation_id: UUID, model: str) -> list[RetrainingOutcome]:
    """What came of a model's retrainings, oldest first."""
    query = select(RetrainingOutcome).where(
        RetrainingOutcome.federation_id == federation_id, RetrainingOutcome.model == model
    )
    return list(session.exec(query.order_by(col(RetrainingOutcome.at))))


def outcomes_of_incident(
    session: Session, federation_id: UUID, incident_id: UUID
) -> list[RetrainingOutcome]:
    """What came of the retrainings of an incident, oldest first."""
    query = select(RetrainingOutcome).where(
        RetrainingOutcome.federation_id == federation_id,
        RetrainingOutcome.incident_id == incident_id,
    )
    return list(session.exec(query.order_by(col(RetrainingOutcome.at))))


def newest_completed(session: Session, federation_id: UUID, model: str) -> RetrainRequest | None:
    """The model's newest request that made a version."""
    query = select(RetrainRequest).where(
        RetrainRequest.federation_id == federation_id,
        RetrainRequest.model == model,
        RetrainRequest.state == "completed",
    )
    return session.exec(query.order_by(col(RetrainRequest.created_at).desc())).first()


def outcome_of(session: Session, federation_id: UUID, request_id: UUID) -> RetrainingOutcome | None:
    """What came of a federation's request, as far as it is known."""
    query = select(RetrainingOutcome).where(
        RetrainingOutcome.request_id == request_id,
        RetrainingOutcome.federation_id == federation_id,
    )
    return session.exec(query).first()


def with_lapsed_lease(session: Session, at: datetime) -> list[RetrainRequest]:
    """Claimed or running requests whose lease ran out, locked."""
    query = select(RetrainRequest).where(
        col(RetrainRequest.state).in_(("claimed", "running")),
        col(RetrainRequest.lease_until) <= at,
    )
    return list(session.exec(query.with_for_update(skip_locked=True)))


def unclaimed_past(session: Session, at: datetime) -> list[RetrainRequest]:
    """Requests that nobody approved or claimed before they expired, locked."""
    query = select(RetrainRequest).where(
        col(RetrainRequest.state).in_(("proposed", "requested")), RetrainRequest.expires_at <= at
    )
    return list(session.exec(query.with_for_update(skip_locked=True)))
