"""Models, their versions with lineage, and promotions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.core.database import Json, Utc
from app.core.ids import new_id


class Model(SQLModel, table=True):
    """A model of a federation, and which of its versions are champion and canary."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("federation_id", "name", name="uq_models_name"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    name: str
    champion: str | None = None
    canary: str | None = None
    created_at: datetime = Field(sa_type=Utc)


class ModelVersion(SQLModel, table=True):
    """A version with its lineage; MLflow's registry holds its twin."""

    __tablename__ = "model_versions"
    __table_args__ = (UniqueConstraint("model_id", "version", name="uq_model_versions_version"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    model_id: UUID = Field(foreign_key="models.id")
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    version: str
    run: str
    weights_sha256: str
    parent_version: str | None = None
    retrain_request_id: UUID | None = Field(default=None, foreign_key="retrain_requests.id")
    incident_id: UUID | None = Field(default=None, foreign_key="incidents.id")
    lineage: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    artifact_uri: str | None = None
    note: str | None = None
    mlflow_version: str | None = None  # set once the registry has it
    registered_by: str
    created_at: datetime = Field(sa_type=Utc)


class Promotion(SQLModel, table=True):
    """A candidate version that asks to become champion."""

    __tablename__ = "promotions"
    __table_args__ = (
        CheckConstraint(
            "state IN ('draft', 'awaiting_review', 'approved', 'rejected', 'applied',"
            " 'rolled_back')",
            name="state",
        ),
        CheckConstraint("decided_by IS NULL OR decided_by <> submitted_by", name="four_eyes"),
        Index(
            "uq_promotions_open",
            "model_id",
            unique=True,
            sqlite_where=text("state IN ('draft', 'awaiting_review', 'approved')"),
            postgresql_where=text("state IN ('draft', 'awaiting_review', 'approved')"),
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    model_id: UUID = Field(foreign_key="models.id")
    candidate: str
    champion: str
    state: str = "draft"
    evidence: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    evidence_sha256: str | None = None  # of what was seen when it was submitted
    submitted_by: str
    submitted_at: datetime | None = Field(default=None, sa_type=Utc)
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_type=Utc)
    reason: str | None = None
    applied_at: datetime | None = Field(default=None, sa_type=Utc)
    created_at: datetime = Field(sa_type=Utc)


class CanaryLook(SQLModel, table=True):
    """What was known of a version beside the champion when a canary round had come.

    Differences are version minus champion, in nats per example; the interval holds at all looks
    together. A version that was champion before is watched as a shadow: there the difference with
    its sign turned is the regret of having replaced it.
    """

    __tablename__ = "canary_looks"
    __table_args__ = (Index("ix_canary_looks_series", "federation_id", "model", "received_at"),)

    round_id: UUID = Field(foreign_key="rounds.id", primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    model: str
    champion: str
    candidate: str
    shadow: bool  # whether it was champion before
    received_at: datetime = Field(sa_type=Utc)
    rounds: int  # that measured the two, this one included
    clients: int
    examples: int = Field(sa_type=BigInteger)
    difference: float | None = None
    lower: float | None = None
    upper: float | None = None
    margin: float | None = None  # how much worse the policy lets a candidate be
    confidence: float | None = None
    action: str  # what the evidence speaks for
