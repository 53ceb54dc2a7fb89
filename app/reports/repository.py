"""All queries on reports."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from app.reports.tables import Report


def report_on(session: Session, asked: Report) -> Report | None:
    """The stored report on the same evidence, locked for this transaction."""
    query = select(Report).where(
        Report.federation_id == asked.federation_id,
        Report.kind == asked.kind,
        Report.subject_id == asked.subject_id,
        Report.period == asked.period,
        Report.evidence_sha256 == asked.evidence_sha256,
    )
    return session.exec(query.with_for_update()).first()


def report_of(session: Session, federation_id: UUID, report_id: UUID) -> Report | None:
    """A federation's report, locked for this transaction."""
    query = select(Report).where(Report.id == report_id, Report.federation_id == federation_id)
    return session.exec(query.with_for_update()).first()


def newest(
    session: Session,
    federation_id: UUID,
    kind: str | None,
    model: str | None,
    limit: int,
    *,
    of_clients: bool,
) -> list[Report]:
    """A federation's newest reports, newest first."""
    query = select(Report).where(Report.federation_id == federation_id)
    if kind is not None:
        query = query.where(Report.kind == kind)
    if model is not None:
        query = query.where(Report.model == model)
    if not of_clients:
        query = query.where(col(Report.of_client).is_(False))
    order = col(Report.asked_at).desc(), col(Report.id)
    return list(session.exec(query.order_by(*order).limit(limit)))


def periods_of(session: Session, federation_id: UUID, model_id: UUID) -> set[str]:
    """The periods of a model that have a report."""
    query = select(Report.period).where(
        Report.federation_id == federation_id,
        Report.kind == "period",
        Report.subject_id == model_id,
    )
    return set(session.exec(query))


def with_files_before(
    session: Session, federation_id: UUID, before: datetime, limit: int
) -> list[Report]:
    """The oldest reports with files that were built before then, locked; those in use are left."""
    query = select(Report).where(
        Report.federation_id == federation_id,
        Report.state == "ready",
        col(Report.path).is_not(None),
        col(Report.built_at) < before,
    )
    oldest = query.order_by(col(Report.built_at), col(Report.id)).limit(limit)
    return list(session.exec(oldest.with_for_update(skip_locked=True)))


def report_with_id(session: Session, report_id: UUID) -> Report | None:
    """A report by id alone, for work that a committed row asked for."""
    return session.get(Report, report_id)


def locked(session: Session, report_id: UUID) -> Report | None:
    """A report by id alone, locked for this transaction."""
    return session.exec(select(Report).where(Report.id == report_id).with_for_update()).first()
