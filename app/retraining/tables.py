"""Retrain requests, the decisions behind them, and what came of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from app.core.database import Json, Utc
from app.core.ids import new_id

OPEN_STATES = "state IN ('proposed', 'requested', 'claimed', 'running')"


class RetrainRequest(SQLModel, table=True):
    """A request for retraining rounds, claimed by an FL server under a lease."""

    __tablename__ = "retrain_requests"
    __table_args__ = (
        CheckConstraint(
            "state IN ('proposed', 'requested', 'claimed', 'running', 'completed', 'failed',"
            " 'expired', 'cancelled')",
            name="state",
        ),
        # No second request while one is under way: the database itself says so.
        Index(
            "uq_retrain_requests_open",
            "federation_id",
            "model",
            unique=True,
            sqlite_where=text(OPEN_STATES),
            postgresql_where=text(OPEN_STATES),
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    model: str
    base_version: str
    incident_id: UUID | None = Field(default=None, foreign_key="incidents.id")
    state: str = "requested"
    reason: str
    evidence: dict[str, Any] = Field(
        default_factory=dict, sa_type=Json, sa_column_kwargs={"server_default": "{}"}
    )
    plan: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    # Pseudonyms of the cluster that the plan aims at, for who claims it; gone when it has ended.
    trainees: list[str] | None = Field(default=None, sa_type=Json)
    benefit: dict[str, Any] | None = Field(default=None, sa_type=Json)  # `worth.Worth`
    # Why a person has to say yes first, and which version to roll back to instead, if any.
    proposal: dict[str, Any] | None = Field(default=None, sa_type=Json)
    requested_by: str
    requested_step: int
    approved_by: str | None = None
    claimed_by: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=Utc)
    progress: dict[str, Any] | None = Field(default=None, sa_type=Json)
    result_version: str | None = None
    failure: str | None = None
    created_at: datetime = Field(sa_type=Utc)
    expires_at: datetime = Field(sa_type=Utc)
    ended_at: datetime | None = Field(default=None, sa_type=Utc)


class RetrainingDecision(SQLModel, table=True):
    """Whether retraining was asked for, and why or why not; one row for each change of answer."""

    __tablename__ = "retraining_decisions"
    __table_args__ = (Index("ix_retraining_decisions_model", "federation_id", "model", "at"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    model: str
    incident_id: UUID | None = Field(default=None, foreign_key="incidents.id", index=True)
    request_id: UUID | None = Field(default=None, foreign_key="retrain_requests.id")
    step: int
    answer: str  # `deciding.Answer`
    why: str
    benefit: dict[str, Any] | None = Field(default=None, sa_type=Json)
    at: datetime = Field(sa_type=Utc)


class RetrainingOutcome(SQLModel, table=True):
    """Whether a retraining helped, by the rounds that measured both versions."""

    __tablename__ = "retraining_outcomes"
    __table_args__ = (
        CheckConstraint("answer IN ('helped', 'did_not_help', 'not_measured')", name="answer"),
        Index("ix_retraining_outcomes_model", "federation_id", "model", "at"),
    )

    request_id: UUID = Field(foreign_key="retrain_requests.id", primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    model: str
    incident_id: UUID | None = Field(default=None, foreign_key="incidents.id", index=True)
    base_version: str
    result_version: str
    answer: str
    why: str
    measured: dict[str, Any] = Field(default_factory=dict, sa_type=Json)  # `outcomes.Measured`
    at: datetime = Field(sa_type=Utc)
    # An automatic second try waits for a person where the first did not help.
    allowed_by: str | None = None
    allowed_at: datetime | None = Field(default=None, sa_type=Utc)
