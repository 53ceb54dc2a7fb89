"""What FL servers sent: bin specs, rounds, client reports, and what was refused."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.core.database import Json, Utc
from app.core.ids import new_id


class BinSpec(SQLModel, table=True):
    """The edges and categories that every client counts on; its id is a hash of its content."""

    __tablename__ = "bin_specs"

    federation_id: UUID = Field(foreign_key="federations.id", primary_key=True)
    id: str = Field(primary_key=True)
    document: dict[str, Any] = Field(sa_type=Json)
    created_at: datetime = Field(sa_type=Utc)


class Round(SQLModel, table=True):
    """One FL round of one model version in one phase, as its server reported it."""

    __tablename__ = "rounds"
    __table_args__ = (
        UniqueConstraint(
            "federation_id", "run", "number", "phase", "attempt", name="uq_rounds_push"
        ),
        CheckConstraint("phase IN ('fit', 'evaluate', 'canary', 'serve')", name="phase"),
        CheckConstraint("state IN ('received', 'evaluated', 'superseded')", name="state"),
        Index("ix_rounds_series", "federation_id", "model", "version", "phase", "global_step"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    run: str
    number: int
    phase: str
    attempt: int
    global_step: int
    model: str
    version: str
    canary_version: str | None = None
    retrain_request: UUID | None = None
    bin_spec: str | None = None
    started_at: datetime = Field(sa_type=Utc)
    ended_at: datetime = Field(sa_type=Utc)
    envelope: dict[str, Any] = Field(sa_type=Json)  # model, strategy, participation, privacy
    body_sha256: str
    receipt: dict[str, Any] = Field(sa_type=Json)
    accepted: int
    quarantined: int
    state: str = "received"
    received_at: datetime = Field(sa_type=Utc)
    evaluated_at: datetime | None = Field(default=None, sa_type=Utc)


class ClientReport(SQLModel, table=True):
    """What one client said in one round: the client record of the wire format, as accepted."""

    __tablename__ = "client_reports"

    round_id: UUID = Field(foreign_key="rounds.id", primary_key=True)
    client: str = Field(primary_key=True)
    status: str
    num_examples: int
    cohorts: dict[str, str] = Field(sa_type=Json)
    record: dict[str, Any] = Field(sa_type=Json)


class Refusal(SQLModel, table=True):
    """A record or a whole push that was refused: where and why, and never its content."""

    __tablename__ = "refusals"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    round_id: UUID | None = Field(default=None, foreign_key="rounds.id", index=True)
    run: str
    number: int
    phase: str
    index: int | None = None
    field: str
    code: str
    message: str
    record_sha256: str
    at: datetime = Field(sa_type=Utc)
