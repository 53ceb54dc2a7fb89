"""What is taken of clients, and for how long it is kept."""

from pydantic import Field

from app.federations.policy.part import MOST_HOURS, PolicyPart, Probability


class IngestPolicy(PolicyPart):
    """How long rounds are awaited and kept."""

    chunk_minutes: float = Field(
        default=30,
        gt=0,
        le=60 * MOST_HOURS,
        description="Minutes after its first chunk at which a round ends without a close.",
    )
    retention_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="Days that client records are kept; aggregates and verdicts stay. Default:"
        " for ever.",
    )


class PrivacyPolicy(PolicyPart):
    """How much each client may give away, and how long a display name lasts."""

    epsilon_budget: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="Most epsilon that a client's records with declared noise may spend together;"
        " records beyond it are refused. Default: no limit.",
    )
    delta: Probability = Field(default=1e-5, description="The delta that epsilon is stated at.")
    warn_share: float = Field(
        default=0.8, gt=0, le=1, description="Share of the budget from which receipts warn."
    )
    display_name_days: int = Field(
        default=30, ge=1, le=36_500, description="Days until clients are shown under other names."
    )
