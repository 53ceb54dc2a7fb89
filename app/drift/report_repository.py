"""All queries on reports."""

from uuid import UUID

from sqlmodel import Session, select

from app.drift.tables import Report


def report_of_round(session: Session, federation_id: UUID, round_id: UUID) -> Report | None:
    """The one report of a federation's round, locked for this transaction."""
    query = select(Report).where(Report.round_id == round_id, Report.federation_id == federation_id)
    return session.exec(query.with_for_update()).first()


def report_with_id(session: Session, report_id: UUID) -> Report | None:
    """A report by id alone, for work that a committed row asked for."""
    return session.get(Report, report_id)


def locked(session: Session, report_id: UUID) -> Report | None:
    """A report by id alone, locked for this transaction."""
    return session.exec(select(Report).where(Report.id == report_id).with_for_update()).first()
