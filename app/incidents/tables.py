"""Incidents, the verdicts behind them, silences, and the notices that were sent."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.core.database import Json, Utc
from app.core.ids import new_id


class Incident(SQLModel, table=True):
    """One cause, however many verdicts."""

    __tablename__ = "incidents"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'acknowledged', 'resolved')", name="state"),
        CheckConstraint("severity IN ('info', 'warning', 'critical')", name="severity"),
        # One open incident a cause, whatever races: the database itself says so.
        Index(
            "uq_incidents_open_cause",
            "federation_id",
            "cause",
            unique=True,
            sqlite_where=text("state <> 'resolved'"),
            postgresql_where=text("state <> 'resolved'"),
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    model: str
    version: str
    cause: str  # "<model>/<family>/<scope>/<scope key>"
    family: str
    scope: str
    scope_key: str = ""
    subject: str  # the subject that moved most, relative to its threshold
    title: str
    state: str = "open"
    severity: str
    opened_round: UUID = Field(foreign_key="rounds.id")
    opened_step: int
    onset_step: int  # the first of the rounds in a row that drifted
    last_step: int  # the newest round with evidence
    quiet_rounds: int = 0  # rounds in a row without evidence
    evidence: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    opened_at: datetime = Field(sa_type=Utc)
    acknowledged_at: datetime | None = Field(default=None, sa_type=Utc)
    acknowledged_by: str | None = None
    resolved_at: datetime | None = Field(default=None, sa_type=Utc)
    resolved_by: str | None = None
    resolution: str | None = None  # retrained, new_normal, data_fault, false_alarm, subsided
    previous_incident: UUID | None = None  # the last one of the same cause


class IncidentVerdict(SQLModel, table=True):
    """A verdict that is evidence of an incident."""

    __tablename__ = "incident_verdicts"

    incident_id: UUID = Field(foreign_key="incidents.id", primary_key=True)
    verdict_id: UUID = Field(foreign_key="verdicts.id", primary_key=True)


class Silence(SQLModel, table=True):
    """No notices for incidents that match, until it ends."""

    __tablename__ = "silences"
    __table_args__ = (CheckConstraint("ends_at > starts_at", name="order"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    matchers: dict[str, str] = Field(sa_type=Json)  # incident field -> exact value
    starts_at: datetime = Field(sa_type=Utc)
    ends_at: datetime = Field(sa_type=Utc)
    created_by: str
    comment: str


class Channel(SQLModel, table=True):
    """Where a federation's notices go; the address is a secret and never leaves the service."""

    __tablename__ = "channels"
    __table_args__ = (UniqueConstraint("federation_id", "name", name="uq_channels_name"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    name: str
    url: str  # an Apprise address
    created_at: datetime = Field(sa_type=Utc)


class Notice(SQLModel, table=True):
    """One message about one step of an incident to one channel."""

    __tablename__ = "notices"
    __table_args__ = (
        UniqueConstraint("incident_id", "event", "channel", name="uq_notices_once"),
        CheckConstraint("state IN ('pending', 'sent', 'silenced')", name="state"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    incident_id: UUID = Field(foreign_key="incidents.id")
    event: str  # opened, escalated, resolved
    channel: str  # "log", "alertmanager", or a channel's name
    state: str = "pending"
    at: datetime = Field(sa_type=Utc)
    sent_at: datetime | None = Field(default=None, sa_type=Utc)
