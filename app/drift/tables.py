"""References and verdicts: what a round was judged against, and the answers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.core.database import Json, Utc
from app.core.ids import new_id


class Reference(SQLModel, table=True):
    """A frozen, versioned baseline of a model version, from named rounds."""

    __tablename__ = "drift_references"
    __table_args__ = (
        UniqueConstraint(
            "federation_id", "model", "version", "number", name="uq_references_number"
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    model: str
    version: str
    number: int  # 1, 2, ... for each model version
    round_ids: list[str] = Field(sa_type=Json)
    last_step: int  # the global step of its last round; later steps may be judged against it
    sha256: str  # of the rounds' ids and body hashes: what the baseline was made from
    frozen_at: datetime = Field(sa_type=Utc)
    frozen_by: str
    parent: UUID | None = None  # the one that it took the place of
    incident_id: UUID | None = None  # whose state it has for the new normal
    why: str | None = None
    retired_at: datetime | None = Field(default=None, sa_type=Utc)
    # How many of its clients withdrew later: it is without them since.
    withdrawn: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # In how many parts its clients are judged: the streams of each are kept together.
    shards: int = Field(default=1, sa_column_kwargs={"server_default": "1"})


class Evaluation(SQLModel, table=True):
    """One judging of a round: what it was judged from, and how far it has come."""

    __tablename__ = "evaluations"
    __table_args__ = (
        Index(
            "uq_evaluations_round",
            "round_id",
            unique=True,
            sqlite_where=text("superseded_at IS NULL"),
            postgresql_where=text("superseded_at IS NULL"),
        ),
        CheckConstraint("state IN ('evaluating', 'evaluated', 'partial')", name="state"),
        Index("ix_evaluations_model", "federation_id", "model", "state"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    round_id: UUID = Field(foreign_key="rounds.id")
    reference_id: UUID = Field(foreign_key="drift_references.id")
    model: str
    version: str
    global_step: int
    policy_version: int
    # Of all that the verdicts follow from: judged from the same again, they would be the same.
    inputs_sha256: str
    shards: int
    state: str = "evaluating"
    # Where its subjects stood in each scope, as in `explaining/levels.py`.
    levels: bytes | None = None
    began_at: datetime = Field(sa_type=Utc)
    ended_at: datetime | None = Field(default=None, sa_type=Utc)
    superseded_at: datetime | None = Field(default=None, sa_type=Utc)
    # The worst outcome on the whole federation: its place in `subject_rows.OUTCOMES`.
    worst: int | None = Field(default=None, sa_type=SmallInteger)


class EvaluationShard(SQLModel, table=True):
    """The clients of one shard of a round, judged or not yet; `data` as in `packing.py`.

    Where there are several, number -1 is the federation with its cohorts, as in `wide.py`.
    """

    __tablename__ = "evaluation_shards"
    __table_args__ = (
        UniqueConstraint("evaluation_id", "number", name="uq_evaluation_shards_number"),
        CheckConstraint("state IN ('waiting', 'judged', 'quarantined')", name="state"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    evaluation_id: UUID = Field(foreign_key="evaluations.id")
    number: int
    state: str = "waiting"
    data: bytes | None = None
    error: str | None = None
    ended_at: datetime | None = Field(default=None, sa_type=Utc)


class StreamState(SQLModel, table=True):
    """What sequential detectors know of a shard's streams after a round (`streams.py`)."""

    __tablename__ = "stream_states"

    reference_id: UUID = Field(foreign_key="drift_references.id", primary_key=True)
    shard: int = Field(primary_key=True)  # -1: the federation's own streams
    round_id: UUID = Field(foreign_key="rounds.id", primary_key=True)
    global_step: int
    sha256: str
    data: bytes


class Verdict(SQLModel, table=True):
    """One detector's answer on one subject in one scope of one round."""

    __tablename__ = "verdicts"
    __table_args__ = (
        # One answer that counts: judging a round anew supersedes what was said before.
        Index(
            "uq_verdicts_answer",
            "round_id",
            "detector",
            "subject",
            "scope",
            "scope_key",
            unique=True,
            sqlite_where=text("superseded_at IS NULL"),
            postgresql_where=text("superseded_at IS NULL"),
        ),
        CheckConstraint(
            "outcome IN ('stable', 'warning', 'drift', 'insufficient_evidence')", name="outcome"
        ),
        CheckConstraint("scope IN ('federation', 'cohort', 'client')", name="scope"),
        Index("ix_verdicts_series", "federation_id", "model", "subject", "scope", "global_step"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    round_id: UUID = Field(foreign_key="rounds.id", index=True)
    reference_id: UUID = Field(foreign_key="drift_references.id")
    model: str
    version: str
    global_step: int
    subject: str  # "log_loss", "error_rate", "label:late", "score", "feature:hour", ...
    family: str  # "concept" (needs labels), "data" (needs none), "participation"
    scope: str
    scope_key: str = ""  # "" for the federation, "hub=EWR" for a cohort, a pseudonym for a client
    detector: str
    outcome: str
    statistic: float | None = None
    effect: float | None = None
    effect_unit: str
    p_value: float | None = None
    q_value: float | None = None  # p-value adjusted for the round's whole set of tests
    error_budget: float  # the false discovery rate the round was judged under
    minimum_detectable_effect: float | None = None
    threshold: float  # the smallest effect that policy calls practical, in effect_unit
    policy_version: int
    explanation: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    at: datetime = Field(sa_type=Utc)
    superseded_at: datetime | None = Field(default=None, sa_type=Utc)


class RoundSubject(SQLModel, table=True):
    """What a round's verdicts say of one subject in one scope, in columns that dashboards read.

    Where several detectors looked at the subject the outcome is the worst; the numbers are those of
    the worst answer that has an effect in the subject's own unit, and of equal ones of the largest
    effect. Scopes that may not be shown have no row, and neither has any client.
    """

    __tablename__ = "round_subjects"
    __table_args__ = (
        CheckConstraint("scope IN ('federation', 'cohort')", name="scope"),
        CheckConstraint("outcome BETWEEN 0 AND 3", name="outcome"),
        Index(
            "ix_round_subjects_series",
            "federation_id",
            "model",
            "subject",
            "scope_key",
            "received_at",
            postgresql_include=["round_id", "version", "effect"],
        ),
        Index(
            "ix_round_subjects_time",
            "federation_id",
            "model",
            "scope_key",
            "received_at",
            postgresql_include=["round_id", "subject", "version", "outcome"],
        ),
    )

    round_id: UUID = Field(foreign_key="rounds.id", primary_key=True)
    scope: str = Field(primary_key=True)
    scope_key: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    model: str
    version: str
    global_step: int
    received_at: datetime = Field(sa_type=Utc)
    family: str
    outcome: int = Field(sa_type=SmallInteger)  # its place in `subject_rows.OUTCOMES`
    detector: str  # whose numbers these are
    statistic: float | None = None
    effect: float | None = None
    effect_unit: str
    effect_ratio: float | None = None  # without its sign, over the threshold
    threshold: float
    q_value: float | None = None
    minimum_detectable_effect: float | None = None
    within_client: float | None = None  # of the pooled change, in the subject's unit
    participation_mix: float | None = None
    # How many clients were judged on it, moved with the federation, and drift on their own.
    clients_judged: int | None = None
    clients_moved: int | None = None
    clients_drifting: int | None = None
    error_budget: float  # the false discovery rate it was judged under
    answers: list[dict[str, Any]] = Field(sa_type=Json)  # each detector's, as in `_answer`


class Explanation(SQLModel, table=True):
    """Why one subject drifts in one scope of a round, as `explaining/schemas.py` has it.

    It counts for as long as its evaluation does. `clients` are for those who may read clients.
    """

    __tablename__ = "explanations"
    __table_args__ = (
        UniqueConstraint(
            "evaluation_id", "subject", "scope", "scope_key", name="uq_explanations_cause"
        ),
        CheckConstraint("scope IN ('federation', 'cohort', 'client')", name="scope"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    evaluation_id: UUID = Field(foreign_key="evaluations.id")
    round_id: UUID = Field(foreign_key="rounds.id", index=True)
    subject: str
    family: str
    scope: str
    scope_key: str = ""
    sentence: str
    explained: dict[str, Any] = Field(sa_type=Json)
    clients: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
