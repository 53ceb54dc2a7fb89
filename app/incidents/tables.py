"""Incidents, the verdicts behind them, silences, receivers, and the notices that were sent."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
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
    cause: str  # "<model>/<family>/<scope>/<scope key>/<subject that led it>/<onset>"
    family: str
    scope: str
    scope_key: str = ""
    subject: str  # what leads it: the one feature it traces to, or what moved most
    title: str
    state: str = "open"
    severity: str
    opened_round: UUID = Field(foreign_key="rounds.id")
    opened_step: int
    onset_step: int  # the first of the rounds in a row that were out of stable
    last_step: int  # the newest round with evidence
    quiet_rounds: int = 0  # rounds in a row without evidence
    evidence: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    opened_at: datetime = Field(sa_type=Utc)
    acknowledged_at: datetime | None = Field(default=None, sa_type=Utc)
    acknowledged_by: str | None = None
    resolved_at: datetime | None = Field(default=None, sa_type=Utc)
    resolved_by: str | None = None
    resolved_step: int | None = None  # the model's newest judged round then
    resolution: str | None = None  # Resolution
    recurs_of: UUID | None = None  # the last one of the same series, which was resolved


class IncidentSeries(SQLModel, table=True):
    """A subject in a scope that belongs to an incident: its verdicts are evidence of it."""

    __tablename__ = "incident_series"

    incident_id: UUID = Field(foreign_key="incidents.id", primary_key=True)
    scope: str = Field(primary_key=True)
    scope_key: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    family: str
    onset_step: int
    last_step: int  # the newest round in which it drifted
    direction: int = 0  # of its effect then: 1 up, -1 down, 0 not known
    # How many times its threshold its effect is: what was settled, and since then.
    level: float | None = None
    newest: list[float] = Field(default_factory=list, sa_type=Json)


class IncidentVerdict(SQLModel, table=True):
    """A verdict that is evidence of an incident."""

    __tablename__ = "incident_verdicts"

    incident_id: UUID = Field(foreign_key="incidents.id", primary_key=True)
    verdict_id: UUID = Field(foreign_key="verdicts.id", primary_key=True)


class FalseAlarm(SQLModel, table=True):
    """What one detector said of one subject in an incident that a person called a false alarm."""

    __tablename__ = "false_alarms"

    incident_id: UUID = Field(foreign_key="incidents.id", primary_key=True)
    detector: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    model: str
    scope: str
    effect: float  # the largest, without its sign
    threshold: float  # the practical one that it passed
    at: datetime = Field(sa_type=Utc)
    by: str


class PolicyProposal(SQLModel, table=True):
    """A change of policy that false alarms speak for; nothing but a person puts it in force."""

    __tablename__ = "policy_proposals"
    __table_args__ = (
        CheckConstraint("state IN ('proposed', 'accepted', 'dismissed')", name="state"),
        # One that waits for a decision a field, whatever races.
        Index(
            "uq_policy_proposals_field",
            "federation_id",
            "field",
            unique=True,
            sqlite_where=text("state = 'proposed'"),
            postgresql_where=text("state = 'proposed'"),
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    model: str
    detector: str
    subject: str
    field: str  # of the policy, dotted
    before: float
    after: float
    false_alarms_spared: int
    incidents_missed: int
    state: str = "proposed"
    policy_version: int  # that it would change
    backtest: dict[str, Any] | None = Field(default=None, sa_type=Json)  # BacktestOut
    backtest_error: str | None = None
    proposed_at: datetime = Field(sa_type=Utc)
    decided_at: datetime | None = Field(default=None, sa_type=Utc)
    decided_by: str | None = None
    why: str | None = None


class PolicyTrial(SQLModel, table=True):
    """A policy that somebody wrote, and what a worker found that it would have changed."""

    __tablename__ = "policy_trials"
    __table_args__ = (
        Index("ix_policy_trials_newest", "federation_id", "asked_at"),
        Index(
            "uq_policy_trials_under_way",
            "federation_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    policy: dict[str, Any] = Field(sa_type=Json)
    text: str  # how it was written
    asked_by: str
    asked_at: datetime = Field(sa_type=Utc)
    result: dict[str, Any] | None = Field(default=None, sa_type=Json)  # as a proposal's backtest
    error: str | None = None
    ended_at: datetime | None = Field(default=None, sa_type=Utc)


class Silence(SQLModel, table=True):
    """No notices for incidents that match, until it ends."""

    __tablename__ = "silences"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="order"),
        CheckConstraint("kind IN ('silence', 'maintenance')", name="kind"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    kind: str = Field(default="silence", sa_column_kwargs={"server_default": "silence"})
    matchers: dict[str, str] = Field(sa_type=Json)  # incident field -> exact value
    expressions: list[str] = Field(  # as in Alertmanager: subject=~"label:.+"
        default_factory=list, sa_type=Json, sa_column_kwargs={"server_default": "[]"}
    )
    starts_at: datetime = Field(sa_type=Utc)
    ends_at: datetime = Field(sa_type=Utc)
    created_by: str
    comment: str


class Channel(SQLModel, table=True):
    """Where a federation's notices go; the address is a secret, and kept sealed."""

    __tablename__ = "channels"
    __table_args__ = (UniqueConstraint("federation_id", "name", name="uq_channels_name"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    name: str
    kind: str  # the address's scheme, which is no secret
    address: bytes = Field(sa_type=LargeBinary)  # an Apprise address
    created_at: datetime = Field(sa_type=Utc)


class Webhook(SQLModel, table=True):
    """An address that gets signed events; its secrets are kept sealed."""

    __tablename__ = "webhooks"
    __table_args__ = (UniqueConstraint("federation_id", "name", name="uq_webhooks_name"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    name: str
    url: str
    events: list[str] = Field(sa_type=Json)  # WebhookEvent
    secret: bytes = Field(sa_type=LargeBinary)
    previous_secret: bytes | None = Field(default=None, sa_type=LargeBinary)
    previous_until: datetime | None = Field(default=None, sa_type=Utc)
    created_at: datetime = Field(sa_type=Utc)
    created_by: str
    disabled_at: datetime | None = Field(default=None, sa_type=Utc)
    disabled_why: str | None = None


class AlertPlan(SQLModel, table=True):
    """Whom a federation's alerts reach when nobody acknowledges, and what waits for a digest."""

    __tablename__ = "alert_plans"

    federation_id: UUID = Field(foreign_key="federations.id", primary_key=True)
    steps: list[dict[str, Any]] = Field(sa_type=Json)  # StepIn
    digest_severities: list[str] = Field(sa_type=Json)
    digest_hour: int  # UTC
    digested_at: datetime = Field(sa_type=Utc)  # what came later is not in a digest yet
    changed_at: datetime = Field(sa_type=Utc)
    changed_by: str


class Announcement(SQLModel, table=True):
    """A step that people are told of: of an incident, a retrain request, or none (a drill)."""

    __tablename__ = "announcements"
    __table_args__ = (
        UniqueConstraint("incident_id", "event", "severity", "step", name="uq_announcements_once"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id", index=True)
    incident_id: UUID | None = Field(default=None, foreign_key="incidents.id")
    request_id: UUID | None = Field(default=None, foreign_key="retrain_requests.id")
    event: str  # Event
    severity: str  # the incident's at that step
    step: int = 0  # of the alert plan, or the global step at which it became worse
    channel: str | None = None  # told to this one alone
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    at: datetime = Field(sa_type=Utc)


class Notice(SQLModel, table=True):
    """One message about one announcement to one channel."""

    __tablename__ = "notices"
    __table_args__ = (
        UniqueConstraint("announcement_id", "channel", name="uq_notices_once"),
        CheckConstraint(
            "state IN ('pending', 'sent', 'failed', 'dropped', 'silenced', 'held', 'digested')",
            name="state",
        ),
        Index("ix_notices_state_next_attempt_at", "state", "next_attempt_at"),
        Index("ix_notices_series", "federation_id", "at"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    announcement_id: UUID = Field(foreign_key="announcements.id")
    incident_id: UUID | None = Field(default=None, foreign_key="incidents.id", index=True)
    event: str  # the announcement's
    channel: str  # "log", "alertmanager", a channel's name, or "webhook:" and a webhook's
    state: str = "pending"
    at: datetime = Field(sa_type=Utc)
    sent_at: datetime | None = Field(default=None, sa_type=Utc)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    next_attempt_at: datetime | None = Field(default=None, sa_type=Utc)  # None: in the outbox
    last_error: str | None = None
