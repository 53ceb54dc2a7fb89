"""What FL servers sent: bin specs, rounds, client reports, and what was refused."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, text
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
        CheckConstraint(
            "state IN ('receiving', 'received', 'evaluated', 'superseded')", name="state"
        ),
        Index("ix_rounds_series", "federation_id", "model", "version", "phase", "global_step"),
        Index("ix_rounds_state_closes_at", "state", "closes_at"),
        Index("ix_rounds_received", "federation_id", "model", "received_at"),
        # Dashboards leave these out of all that was found in rounds.
        Index(
            "ix_rounds_superseded",
            "id",
            sqlite_where=text("state = 'superseded'"),
            postgresql_where=text("state = 'superseded'"),
        ),
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
    body_sha256: str  # of its chunks' hashes, in their order
    accepted: int
    quarantined: int
    state: str = "received"
    received_at: datetime = Field(sa_type=Utc)
    closes_at: datetime | None = Field(default=None, sa_type=Utc)  # while chunks are awaited
    evaluated_at: datetime | None = Field(default=None, sa_type=Utc)
    # How many of its clients withdrew later: its aggregates contain them.
    withdrawn: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class RoundClose(SQLModel, table=True):
    """What an FL server said of how many chunks a round has; it may come before any of them."""

    __tablename__ = "round_closes"

    federation_id: UUID = Field(foreign_key="federations.id", primary_key=True)
    run: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    phase: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    chunks: int
    at: datetime = Field(sa_type=Utc)


class ReportBlock(SQLModel, table=True):
    """The accepted client records of one chunk of a round, packed; a whole push is chunk 0.

    `data` is an Arrow IPC stream of columns (`blocks.py`), and nothing once its retention is over.
    """

    __tablename__ = "report_blocks"

    round_id: UUID = Field(foreign_key="rounds.id", primary_key=True)
    chunk: int = Field(primary_key=True)
    body_sha256: str
    receipt: dict[str, Any] = Field(sa_type=Json)
    accepted: int
    quarantined: int
    received_at: datetime = Field(sa_type=Utc, index=True)
    data: bytes | None = None


class RoundAggregate(SQLModel, table=True):
    """What the clients of one scope of a round said together; it outlives their own records.

    Everything in it may be shown: what may not is left out when it is made (`aggregating.py`).
    """

    __tablename__ = "round_aggregates"
    __table_args__ = (
        CheckConstraint("measured IN ('model', 'canary')", name="measured"),
        CheckConstraint("scope IN ('federation', 'cohort')", name="scope"),
    )

    round_id: UUID = Field(foreign_key="rounds.id", primary_key=True)
    measured: str = Field(primary_key=True)  # the round's version, or its candidate
    scope: str = Field(primary_key=True)
    scope_key: str = Field(primary_key=True)  # "" for the federation, "hub=EWR" for a cohort
    clients: int  # that answered
    examples: int = Field(sa_type=BigInteger)
    loss_clients: int  # that told the sum of their losses; 0 where that may not be shown
    loss_examples: int = Field(sa_type=BigInteger)
    loss_sum: float
    correct_clients: int
    correct_examples: int = Field(sa_type=BigInteger)
    correct_count: float
    counts: dict[str, Any] = Field(sa_type=Json)  # by subject: how many clients, and their sum


class Withdrawal(SQLModel, table=True):
    """A client that left: a keyed hash that recognises its pseudonym, and nothing of it."""

    __tablename__ = "withdrawals"

    federation_id: UUID = Field(foreign_key="federations.id", primary_key=True)
    mark: str = Field(primary_key=True)
    at: datetime = Field(sa_type=Utc)


class PrivacyLedger(SQLModel, table=True):
    """What a federation's clients have spent of their privacy, packed (`ledger.py`)."""

    __tablename__ = "privacy_ledgers"

    federation_id: UUID = Field(foreign_key="federations.id", primary_key=True)
    data: bytes


class PrivacySpent(SQLModel, table=True):
    """What a federation's clients had spent of their privacy when a round was put together."""

    __tablename__ = "privacy_spent"
    __table_args__ = (Index("ix_privacy_spent_series", "federation_id", "received_at"),)

    round_id: UUID = Field(foreign_key="rounds.id", primary_key=True)
    federation_id: UUID = Field(foreign_key="federations.id")
    received_at: datetime = Field(sa_type=Utc)
    clients: int  # with records under declared noise
    worst_epsilon: float | None = None  # of the client that spent most; None: without bound
    near: int  # past the share of the budget that is warned of
    exhausted: int  # with nothing left of the budget
    epsilon_budget: float | None = None
    delta: float  # at which all epsilons are meant


class Refusal(SQLModel, table=True):
    """A record or a whole push that was refused: where and why, and never its content."""

    __tablename__ = "refusals"
    __table_args__ = (Index("ix_refusals_series", "federation_id", "at"),)

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
