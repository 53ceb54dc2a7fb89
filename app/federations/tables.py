"""Federations, which are the tenants; their policies; and the keys that open them."""

from datetime import datetime
from secrets import token_hex
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from app.core.database import Json, Utc
from app.core.ids import new_id


class Federation(SQLModel, table=True):
    """One collaboration: it owns models, keys and a policy."""

    __tablename__ = "federations"
    __table_args__ = (CheckConstraint("min_cohort_size >= 1", name="min_cohort_size"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str = Field(unique=True)
    title: str
    min_cohort_size: int = 3
    cohort_tags: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    policy: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    policy_version: int = 1
    created_at: datetime = Field(sa_type=Utc)
    # Keys the hashes of pseudonyms, for display and for those who withdrew; leaves no service call.
    salt: str = Field(
        default_factory=lambda: token_hex(32), repr=False, sa_column_kwargs={"server_default": "00"}
    )


class PolicyVersion(SQLModel, table=True):
    """A policy that is or was in force; every version is kept, since verdicts name theirs."""

    __tablename__ = "policies"
    __table_args__ = (CheckConstraint("version >= 1", name="version"),)

    federation_id: UUID = Field(foreign_key="federations.id", primary_key=True)
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    document: dict[str, Any] = Field(sa_type=Json)
    sha256: str  # of the document: JSON with sorted keys and no spaces; hex
    set_by: str
    set_at: datetime = Field(sa_type=Utc)
    why: str | None = None


class ApiKey(SQLModel, table=True):
    """A key's digest; the key itself is shown once, when it is made, and kept nowhere."""

    __tablename__ = "api_keys"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID | None = Field(default=None, foreign_key="federations.id", index=True)
    prefix: str = Field(unique=True)
    digest: str
    role: str
    holder: str
    login: str | None = None  # of the person whose key it is, where that is known
    created_at: datetime = Field(sa_type=Utc)
    expires_at: datetime | None = Field(default=None, sa_type=Utc)
    revoked_at: datetime | None = Field(default=None, sa_type=Utc)
