"""Reports that were asked for, and where their files lie."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.core.database import Utc
from app.core.ids import new_id


class Report(SQLModel, table=True):
    """An Evidently report: of one subject as its evidence was, built once, kept as files.

    The same evidence has one report; when the evidence has changed, another one is made beside it.
    """

    __tablename__ = "reports"
    __table_args__ = (
        CheckConstraint("state IN ('building', 'ready', 'failed')", name="state"),
        CheckConstraint(
            "kind IN ('round', 'incident', 'candidate', 'promotion', 'period')", name="kind"
        ),
        UniqueConstraint(
            "federation_id",
            "kind",
            "subject_id",
            "period",
            "evidence_sha256",
            name="uq_reports_evidence",
        ),
        Index("ix_reports_newest", "federation_id", "asked_at"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    kind: str
    subject_id: UUID  # of the round, incident, model version, promotion, or (a period) model
    model: str
    version: str
    period: str = ""  # such as "steps 101 to 200"; "" for what is of no period
    first_step: int | None = None  # of a period, both included
    last_step: int | None = None
    of_client: bool = False  # about a single client, so for who may read clients
    evidence_sha256: str
    state: str = "building"
    path: str | None = None  # of the page, relative to the reports folder; JSON lies beside it
    error: str | None = None
    asked_at: datetime = Field(sa_type=Utc)
    built_at: datetime | None = Field(default=None, sa_type=Utc)
