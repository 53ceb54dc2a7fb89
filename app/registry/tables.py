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
    # MLflow's number under each alias, as it was told last; None where that is not certain.
    mirrored: dict[str, str] | None = Field(default=None, sa_type=Json)
    mirrored_at: datetime | None = Field(default=None, sa_type=Utc)
    # Grows whenever that becomes uncertain: what was told before then counts no more.
    mirror_epoch: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class ModelVersion(SQLModel, table=True):
    """A version with its lineage; MLflow's registry holds its twin."""

    __tablename__ = "model_versions"
    __table_args__ = (
        UniqueConstraint("model_id", "version", name="uq_model_versions_version"),
        CheckConstraint(
            "artifact_state IN ('none', 'unverified', 'verified', 'mismatch')",
            name="artifact_state",
        ),
    )

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
    # Of the file with the weights, in the data folder or at `artifact_uri`.
    artifact_state: str = Field(default="none", sa_column_kwargs={"server_default": "none"})
    artifact_sha256: str | None = None  # of its bytes
    artifact_bytes: int | None = Field(default=None, sa_type=BigInteger)
    artifact_checked_at: datetime | None = Field(default=None, sa_type=Utc)
    artifact_stamp: str | None = None  # changes when the file in the data folder does
    note: str | None = None
    mlflow_version: str | None = None  # set once the registry has it
    mirrored_tags: dict[str, str] | None = Field(default=None, sa_type=Json)  # as MLflow was told
    mirrored_source: str | None = None
    registered_by: str
    registered_by_id: str  # as `four_eyes.identity_of` tells
    created_at: datetime = Field(sa_type=Utc)


class Deviation(SQLModel, table=True):
    """A difference between MLflow's registry and what Vigie told it, until it is gone again."""

    __tablename__ = "registry_deviations"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('model_deleted', 'version_deleted', 'alias_moved', 'tag_changed',"
            " 'source_changed', 'weights_changed', 'weights_gone')",
            name="kind",
        ),
        Index(
            "uq_registry_deviations_open",
            "model_id",
            "kind",
            "version",
            "key",
            unique=True,
            sqlite_where=text("resolved_at IS NULL"),
            postgresql_where=text("resolved_at IS NULL"),
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    model_id: UUID = Field(foreign_key="models.id")
    kind: str
    version: str = ""  # Vigie's; "" for what is not of one version
    key: str = ""  # the alias or tag
    expected: str | None = None
    found: str | None = None
    severity: str
    detected_at: datetime = Field(sa_type=Utc)
    repair_asked_at: datetime | None = Field(default=None, sa_type=Utc)
    repair_asked_by: str | None = None
    resolved_at: datetime | None = Field(default=None, sa_type=Utc)
    resolution: str | None = None  # Resolution


class LoggedRound(SQLModel, table=True):
    """What MLflow knows of a round: its metrics as they were logged, and in which MLflow run."""

    __tablename__ = "logged_rounds"
    __table_args__ = (Index("ix_logged_rounds_run", "federation_id", "model", "run"),)

    round_id: UUID = Field(foreign_key="rounds.id", primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    model: str
    run: str
    mlflow_run: str
    metrics: dict[str, float] = Field(sa_type=Json)
    evaluated_at: datetime = Field(sa_type=Utc)  # the round's, when that was logged
    logged_at: datetime = Field(sa_type=Utc)


class InventoryEntry(SQLModel, table=True):
    """What a model is for, who answers for it, how critical it is, and when it is reviewed."""

    __tablename__ = "inventory_entries"
    __table_args__ = (
        CheckConstraint("criticality IN ('low', 'medium', 'high', 'critical')", name="criticality"),
        CheckConstraint(
            "last_review_outcome IN ('fit', 'fit_with_conditions', 'unfit')", name="outcome"
        ),
    )

    model_id: UUID = Field(foreign_key="models.id", primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    purpose: str
    data_used: str
    used_by: str
    owner: str
    developer: str
    validator: str
    family: str | None = None
    feeds: list[str] = Field(sa_type=Json)
    documentation: list[dict[str, str]] = Field(sa_type=Json)
    answers: dict[str, str] = Field(sa_type=Json)
    materiality: float  # per cent
    risk: float  # per cent
    criticality: str
    review_every_days: int
    last_review_at: datetime | None = Field(default=None, sa_type=Utc)
    last_review_by: str | None = None
    last_review_outcome: str | None = None
    last_review_note: str | None = None
    next_review_at: datetime = Field(sa_type=Utc, index=True)
    reminded_at: datetime | None = Field(default=None, sa_type=Utc)  # that it is overdue
    changed_at: datetime = Field(sa_type=Utc)
    changed_by: str


class CohortChampion(SQLModel, table=True):
    """The version that serves a cohort in the place of the model's champion.

    Without a version the cohort has gone back to the model's champion; the row stays, so that the
    alias in MLflow goes too.
    """

    __tablename__ = "cohort_champions"

    model_id: UUID = Field(foreign_key="models.id", primary_key=True)
    cohort: str = Field(primary_key=True)  # "tag=value"
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    version: str | None = None
    since: datetime = Field(sa_type=Utc)


class Promotion(SQLModel, table=True):
    """A candidate version that asks to become champion, of all clients or of a cohort."""

    __tablename__ = "promotions"
    __table_args__ = (
        CheckConstraint(
            "state IN ('draft', 'awaiting_review', 'approved', 'rejected', 'applied',"
            " 'rolled_back')",
            name="state",
        ),
        CheckConstraint("kind IN ('promotion', 'split', 'merge', 'rollback')", name="kind"),
        CheckConstraint(
            "decided_by_id IS NULL OR decided_by_id <> submitted_by_id", name="four_eyes"
        ),
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
    kind: str = Field(default="promotion", sa_column_kwargs={"server_default": "promotion"})
    cohort: str = Field(
        default="", sa_column_kwargs={"server_default": text("''")}
    )  # "" is all clients
    candidate: str
    champion: str
    state: str = "draft"
    why: str | None = None
    criticality: str | None = None  # of the model when it was submitted
    required: list[str] = Field(  # a role for each approval, as the policy asked at submission
        default_factory=list, sa_type=Json, sa_column_kwargs={"server_default": "[]"}
    )
    evidence: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    evidence_sha256: str | None = None  # of what was seen when it was submitted
    submitted_by: str
    submitted_by_id: str
    submitted_at: datetime | None = Field(default=None, sa_type=Utc)
    expires_at: datetime | None = Field(default=None, sa_type=Utc)
    decided_by: str | None = None
    decided_by_id: str | None = None
    decided_at: datetime | None = Field(default=None, sa_type=Utc)
    reason: str | None = None
    applied_at: datetime | None = Field(default=None, sa_type=Utc)
    created_at: datetime = Field(sa_type=Utc)


class PromotionApproval(SQLModel, table=True):
    """One person's approval, and the hash of the evidence that they saw."""

    __tablename__ = "promotion_approvals"
    __table_args__ = (UniqueConstraint("promotion_id", "actor_id", name="uq_promotion_approvals"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    promotion_id: UUID = Field(foreign_key="promotions.id")
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    actor: str
    actor_id: str
    role: str
    reason: str
    evidence_sha256: str
    at: datetime = Field(sa_type=Utc)


class PromotionComment(SQLModel, table=True):
    """What somebody said of a promotion."""

    __tablename__ = "promotion_comments"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    promotion_id: UUID = Field(foreign_key="promotions.id", index=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    author: str
    text: str
    at: datetime = Field(sa_type=Utc)


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
