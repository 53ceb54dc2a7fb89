"""Retrain requests: what drift asks of the FL server, and how far it has come."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from app.core.database import Json, Utc
from app.core.ids import new_id


class RetrainRequest(SQLModel, table=True):
    """A request for retraining rounds, claimed by an FL server under a lease."""

    __tablename__ = "retrain_requests"
    __table_args__ = (
        CheckConstraint(
            "state IN ('requested', 'claimed', 'running', 'completed', 'failed', 'expired',"
            " 'cancelled')",
            name="state",
        ),
        # No second request while one is under way: the database itself says so.
        Index(
            "uq_retrain_requests_open",
            "federation_id",
            "model",
            unique=True,
            sqlite_where=text("state IN ('requested', 'claimed', 'running')"),
            postgresql_where=text("state IN ('requested', 'claimed', 'running')"),
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    model: str
    base_version: str
    incident_id: UUID | None = Field(default=None, foreign_key="incidents.id")
    state: str = "requested"
    reason: str
    plan: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    requested_by: str
    requested_step: int
    claimed_by: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=Utc)
    progress: dict[str, Any] | None = Field(default=None, sa_type=Json)
    result_version: str | None = None
    failure: str | None = None
    created_at: datetime = Field(sa_type=Utc)
    expires_at: datetime = Field(sa_type=Utc)
    ended_at: datetime | None = Field(default=None, sa_type=Utc)
