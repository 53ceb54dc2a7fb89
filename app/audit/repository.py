"""All queries on the audit log."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import bindparam, insert, update
from sqlmodel import Session, col, select

from app.audit.tables import AuditEntry, AuditHead
from app.core.database import insert_plainly

# Every mutation asks these two; to put a query together takes longer than to have it answered.
_LOCKED_HEAD = select(AuditHead.seq, AuditHead.hash).with_for_update()
_MOVE_HEAD = update(AuditHead).values(seq=bindparam("to_seq"), hash=bindparam("to_hash"))
# Of PostgreSQL, in one trip to the server: nobody else can append anything meanwhile.
_APPEND = insert(AuditEntry).add_cte(_MOVE_HEAD.returning(col(AuditHead.seq)).cte("moved"))


def locked_head(session: Session) -> tuple[int, str] | None:
    """Number and hash of the chain's end, locked until the transaction ends."""
    found = session.connection().execute(_LOCKED_HEAD).first()
    return None if found is None else (found.seq, found.hash)


def begin(session: Session, seq: int, hash_: str) -> tuple[int, str]:
    """Have the chain begin behind this number and hash."""
    insert_plainly(session, AuditHead(seq=seq, hash=hash_))
    return seq, hash_


def append(session: Session, entry: AuditEntry) -> None:
    """Add an entry at the locked end of the chain, and move the end there."""
    connection, moved = session.connection(), {"to_seq": entry.seq, "to_hash": entry.hash}
    if connection.dialect.name == "postgresql":
        connection.execute(_APPEND, entry.model_dump() | moved)
    else:
        insert_plainly(session, entry)
        connection.execute(_MOVE_HEAD, moved)


def head(session: Session) -> AuditHead | None:
    """The end of the chain as the head row tells it."""
    return session.exec(select(AuditHead)).first()


def in_order(session: Session) -> Iterator[AuditEntry]:
    """Every entry, first to last, without holding them all."""
    yield from session.exec(select(AuditEntry).order_by(col(AuditEntry.seq))).yield_per(1000)


def newest(
    session: Session,
    federation_id: UUID | None,
    limit: int,
    before: int | None,
    actor: str = "",
    action: str = "",
) -> list[AuditEntry]:
    """The newest entries of one federation (None: of all), newest first, below `before`.

    With `actor` those of that name, with `action` those of that action or domain.
    """
    query = select(AuditEntry).order_by(col(AuditEntry.seq).desc()).limit(limit)
    if federation_id is not None:
        query = query.where(AuditEntry.federation_id == federation_id)
    if before is not None:
        query = query.where(AuditEntry.seq < before)
    if actor:
        query = query.where(AuditEntry.actor == actor)
    if action:
        query = query.where(col(AuditEntry.action).startswith(action, autoescape=True))
    return list(session.exec(query))
