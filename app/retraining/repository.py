"""All queries on retrain requests."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from app.core.database import insert_unless_there
from app.retraining.tables import RetrainRequest

OPEN = ("requested", "claimed", "running")


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


def with_lapsed_lease(session: Session, at: datetime) -> list[RetrainRequest]:
    """Claimed or running requests whose lease ran out, locked."""
    query = select(RetrainRequest).where(
        col(RetrainRequest.state).in_(("claimed", "running")),
        col(RetrainRequest.lease_until) <= at,
    )
    return list(session.exec(query.with_for_update(skip_locked=True)))


def unclaimed_past(session: Session, at: datetime) -> list[RetrainRequest]:
    """Requests that nobody claimed before they expired, locked."""
    query = select(RetrainRequest).where(
        RetrainRequest.state == "requested", RetrainRequest.expires_at <= at
    )
    return list(session.exec(query.with_for_update(skip_locked=True)))
