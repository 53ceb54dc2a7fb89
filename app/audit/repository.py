"""All queries on the audit log."""

from collections.abc import Iterator
from uuid import UUID

from sqlmodel import Session, col, select

from app.audit.tables import AuditEntry, AuditHead

_LOCKED_HEAD = select(AuditHead).with_for_update()


def locked_head(session: Session) -> AuditHead | None:
    """The end of the chain, locked until the transaction ends."""
    return session.exec(_LOCKED_HEAD).first()


def head(session: Session) -> AuditHead | None:
    """The end of the chain as the head row tells it."""
    return session.exec(select(AuditHead)).first()


def in_order(session: Session) -> Iterator[AuditEntry]:
    """Every entry, first to last, without holding them all."""
    yield from session.exec(select(AuditEntry).order_by(col(AuditEntry.seq))).yield_per(1000)


def newest(
    session: Session, federation_id: UUID | None, limit: int, before: int | None
) -> list[AuditEntry]:
    """The newest entries of one federation (None: of all), newest first, below `before`."""
    query = select(AuditEntry).order_by(col(AuditEntry.seq).desc()).limit(limit)
    if federation_id is not None:
        query = query.where(AuditEntry.federation_id == federation_id)
    if before is not None:
        query = query.where(AuditEntry.seq < before)
    return list(session.exec(query))
