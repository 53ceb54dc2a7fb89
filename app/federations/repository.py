"""All queries on federations, policies and keys."""

from uuid import UUID

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from app.core.database import insert_unless_there
from app.federations.tables import ApiKey, Federation, PolicyVersion

# Every call asks this one; to put a query together takes longer than to have it answered.
_KEY_IN = (
    select(ApiKey, Federation)
    .outerjoin(Federation, col(Federation.name) == bindparam("name"))
    .where(ApiKey.prefix == bindparam("prefix"))
)


def federation_named(session: Session, name: str) -> Federation | None:
    """The federation of that name."""
    return session.exec(select(Federation).where(Federation.name == name)).first()


def insert_federation(session: Session, federation: Federation) -> bool:
    """Insert a federation; False, and nothing done, where there is one of that name."""
    return insert_unless_there(session, federation)


def lock_federation(session: Session, federation: Federation) -> None:
    """Lock a federation's row, which is read anew; rows that refer to it may still be written."""
    session.refresh(federation, with_for_update={"key_share": True})


def federation(session: Session, federation_id: UUID) -> Federation | None:
    """The federation with that id."""
    return session.get(Federation, federation_id)


def federations_seen_by(session: Session, federation_id: UUID | None) -> list[Federation]:
    """One federation, or (None) all, by name."""
    query = select(Federation).order_by(col(Federation.name))
    if federation_id is not None:
        query = query.where(Federation.id == federation_id)
    return list(session.exec(query))


def policy_version(session: Session, federation_id: UUID, version: int) -> PolicyVersion | None:
    """One version of a federation's policy."""
    return session.get(PolicyVersion, (federation_id, version))


def policy_versions(session: Session, federation_id: UUID, limit: int) -> list[PolicyVersion]:
    """The newest versions of a federation's policy, newest first."""
    query = select(PolicyVersion).where(PolicyVersion.federation_id == federation_id)
    return list(session.exec(query.order_by(col(PolicyVersion.version).desc()).limit(limit)))


def key_with_prefix(session: Session, prefix: str) -> ApiKey | None:
    """The key that starts so; prefixes are unique."""
    return session.exec(select(ApiKey).where(ApiKey.prefix == prefix)).first()


def key_and_federation(
    session: Session, prefix: str, name: str
) -> tuple[ApiKey | None, Federation | None]:
    """The key that starts so, and the federation of that name, by one query."""
    return session.exec(_KEY_IN, params={"prefix": prefix, "name": name}).first() or (None, None)


def key_with_id(session: Session, key_id: UUID) -> ApiKey | None:
    """The key with that id."""
    return session.get(ApiKey, key_id)


def key_of(session: Session, federation_id: UUID, key_id: UUID) -> ApiKey | None:
    """A federation's key by id."""
    query = select(ApiKey).where(ApiKey.id == key_id, ApiKey.federation_id == federation_id)
    return session.exec(query).first()


def keys_of(session: Session, federation_id: UUID) -> list[ApiKey]:
    """A federation's keys, oldest first."""
    query = select(ApiKey).where(ApiKey.federation_id == federation_id)
    return list(session.exec(query.order_by(col(ApiKey.created_at))))


def system_admins(session: Session) -> list[ApiKey]:
    """The keys that are for all federations and not revoked."""
    query = select(ApiKey).where(
        col(ApiKey.federation_id).is_(None), col(ApiKey.revoked_at).is_(None)
    )
    return list(session.exec(query))
