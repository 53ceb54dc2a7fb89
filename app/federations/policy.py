"""A federation's policy: what counts as drift, what is serious, when to retrain, who decides.

Every field has a default that serves a newcomer, who writes none.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Probability = Annotated[float, Field(gt=0, lt=1)]
Effect = Annotated[float, Field(gt=0, lt=1e9)]
MOST_ROUNDS, MOST_HOURS, MOST = 10_000, 24 * 365, 2**31 - 1


class PolicyPart(BaseModel):
    """Base of all parts: unknown fields are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ReferencePolicy(PolicyPart):
    """How a baseline is made."""

    rounds: int = Field(
        default=8, ge=5, le=1000, description="A version's reference freezes with this many rounds."
    )
    most_rounds: int = Field(
        default=12, ge=5, le=1000, description="Newest rounds that freezing anew takes at most."
    )


class EffectPolicy(PolicyPart):
    """The smallest effect that matters in practice, in the subject's own unit."""

    log_loss: Effect = Field(default=0.05, description="Nats per example.")
    error_rate: Effect = Field(default=0.05, description="Probability.")
    label: Effect = Field(default=0.05, description="Share of a class; probability.")
    score: Effect = Field(default=0.1, description="Largest gap of the distribution functions.")
    prediction: Effect = Field(default=0.1, description="Share that changed class; probability.")
    feature: Effect = Field(
        default=0.1, description="Largest gap, or share that changed category; probability."
    )

    def of(self, kind: str) -> float:
        """The effect of a kind of subject: the part of its name before the colon."""
        return float(getattr(self, kind))


class DriftPolicy(PolicyPart):
    """How rounds are judged."""

    false_discovery_rate: Probability = Field(
        default=0.05, description="Error budget of a round: expected share of false drifts."
    )
    cohort_false_discovery_rate: Probability = Field(
        default=0.01,
        description="The same for cohorts: stricter, since there are many and each may open an"
        " incident of its own.",
    )
    latest_rounds: int = Field(
        default=3, ge=1, le=99, description="Newest rounds whose median is judged; an odd number."
    )
    min_examples: int = Field(
        default=30, ge=1, le=MOST, description="Fewer examples a round are insufficient evidence."
    )
    min_clients: int = Field(
        default=3,
        ge=1,
        le=MOST,
        description="Fewer clients are insufficient evidence at federation level.",
    )
    min_participation: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Smallest share of the reference's examples whose clients took part, for a"
        " federation-level verdict.",
    )
    effects: EffectPolicy = Field(default=EffectPolicy(), description="Smallest practical effects.")
    energy_effect: float = Field(
        default=0.25,
        gt=0,
        description="Smallest practical mean move of a distribution, in reference standard"
        " deviations (for the energy distance).",
    )

    @field_validator("latest_rounds")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("latest_rounds must be odd, so that there is a middle round")
        return value


class IncidentPolicy(PolicyPart):
    """When verdicts become an incident."""

    scopes: tuple[Literal["federation", "cohort", "client"], ...] = Field(
        default=("federation", "cohort"),
        description="Scopes whose drift opens an incident; drift in the others is evidence.",
    )
    persistence: int = Field(
        default=1, ge=1, le=MOST_ROUNDS, description="Rounds with drift that open an incident ..."
    )
    window: int = Field(
        default=1, ge=1, le=MOST_ROUNDS, description="... among this many judged rounds in a row."
    )
    quiet_rounds: int = Field(
        default=3,
        ge=1,
        le=MOST_ROUNDS,
        description="Rounds in a row without evidence that resolve it.",
    )
    critical_ratio: float = Field(
        default=2.0, ge=1, description="Effect over threshold from which it is critical."
    )


class RetrainingPolicy(PolicyPart):
    """When an incident asks for retraining."""

    automatic: bool = Field(default=True, description="Ask without a person.")
    severities: tuple[Literal["info", "warning", "critical"], ...] = Field(
        default=("warning", "critical"), description="Severities that ask for retraining."
    )
    families: tuple[Literal["concept", "data"], ...] = Field(
        default=("concept",), description="Families of drift that retraining can mend."
    )
    cooldown_rounds: int = Field(
        default=8, ge=0, le=MOST, description="Global steps between two requests for a model."
    )
    expire_hours: float = Field(
        default=72, gt=0, le=MOST_HOURS, description="Hours until an unclaimed request expires."
    )
    rounds: int = Field(
        default=20, ge=1, le=MOST_ROUNDS, description="FL rounds that a request asks for."
    )
    window_rounds: int = Field(
        default=8,
        ge=1,
        le=MOST_ROUNDS,
        description="Newest rounds of data that retraining should use.",
    )


class CanaryPolicy(PolicyPart):
    """What the comparison of a candidate with the champion asks for."""

    min_rounds: int = Field(
        default=2, ge=1, le=MOST_ROUNDS, description="Canary rounds before a recommendation."
    )
    non_inferiority_margin: float = Field(
        default=0.005, ge=0, description="Log loss (nats per example) that the candidate may lose."
    )
    confidence: Probability = Field(default=0.95, description="Of intervals and tests.")


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


class Policy(PolicyPart):
    """The whole policy of a federation."""

    ingest: IngestPolicy = IngestPolicy()
    privacy: PrivacyPolicy = PrivacyPolicy()
    reference: ReferencePolicy = ReferencePolicy()
    drift: DriftPolicy = DriftPolicy()
    incidents: IncidentPolicy = IncidentPolicy()
    retraining: RetrainingPolicy = RetrainingPolicy()
    canary: CanaryPolicy = CanaryPolicy()
