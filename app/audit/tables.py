"""The audit log: one row for every mutation, each chained to the one before by its hash."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from app.core.database import Json, Utc


class AuditEntry(SQLModel, table=True):
    """Who did what to which thing, what it was before and after, and why."""

    __tablename__ = "audit_log"

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=Utc)
    federation_id: UUID | None = Field(default=None, index=True)
    actor: str
    actor_id: str | None = None  # `person:<id>` or `key:<id>`; none of what acts by itself
    action: str
    entity: str
    before: dict[str, Any] | None = Field(default=None, sa_type=Json)
    after: dict[str, Any] | None = Field(default=None, sa_type=Json)
    why: str | None = None
    previous_hash: str
    hash: str = Field(unique=True)


class AuditHead(SQLModel, table=True):
    """The end of the chain: one row, locked by whoever appends."""

    __tablename__ = "audit_head"

    id: int = Field(default=1, primary_key=True)
    seq: int
    hash: str
