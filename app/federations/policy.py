"""A federation's policy: what counts as drift, what is serious, when to retrain, who decides.

Every field has a default that serves a newcomer, who writes none.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(gt=0, lt=1)]


class PolicyPart(BaseModel):
    """Base of all parts: unknown fields are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReferencePolicy(PolicyPart):
    """How a baseline is made."""

    rounds: int = Field(
        default=8, ge=4, le=1000, description="Rounds that are frozen into a reference."
    )


class DriftPolicy(PolicyPart):
    """How rounds are judged."""

    false_discovery_rate: Probability = Field(
        default=0.05, description="Error budget of a round: expected share of false drifts."
    )
    min_examples: int = Field(
        default=50, ge=1, description="Fewer examples are insufficient evidence."
    )
    min_clients: int = Field(
        default=3, ge=1, description="Fewer clients are insufficient evidence at federation level."
    )
    min_participation: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Smallest share of the reference's clients for a federation-level verdict.",
    )
    effects: dict[str, float] = Field(
        default_factory=lambda: {
            "log_loss": 0.03,
            "error_rate": 0.03,
            "label": 0.05,
            "score": 0.1,
            "feature": 0.1,
            "prediction": 0.1,
        },
        description="Smallest practical effect per kind of subject, in the subject's own unit.",
    )


class IncidentPolicy(PolicyPart):
    """When verdicts become an incident."""

    persistence: int = Field(
        default=2, ge=1, description="Rounds with drift that open an incident ..."
    )
    window: int = Field(default=3, ge=1, description="... among this many rounds in a row.")
    quiet_rounds: int = Field(
        default=3, ge=1, description="Rounds in a row without evidence that resolve it."
    )
    critical_ratio: float = Field(
        default=2.0, ge=1, description="Effect over threshold from which it is critical."
    )


class RetrainingPolicy(PolicyPart):
    """When an incident asks for retraining."""

    automatic: bool = Field(default=True, description="Ask without a person.")
    severities: tuple[str, ...] = Field(
        default=("warning", "critical"), description="Severities that ask for retraining."
    )
    families: tuple[str, ...] = Field(
        default=("concept",), description="Families of drift that retraining can mend."
    )
    cooldown_rounds: int = Field(
        default=6, ge=0, description="Global steps between two requests for a model."
    )
    expire_hours: float = Field(
        default=72, gt=0, description="Hours until an unclaimed request expires."
    )
    rounds: int = Field(default=20, ge=1, description="FL rounds that a request asks for.")
    window_rounds: int = Field(
        default=8, ge=1, description="Newest rounds of data that retraining should use."
    )


class CanaryPolicy(PolicyPart):
    """What the comparison of a candidate with the champion asks for."""

    min_rounds: int = Field(default=2, ge=1, description="Canary rounds before a recommendation.")
    non_inferiority_margin: float = Field(
        default=0.005, ge=0, description="Log loss (nats per example) that the candidate may lose."
    )
    confidence: Probability = Field(default=0.95, description="Of intervals and tests.")


class Policy(PolicyPart):
    """The whole policy of a federation."""

    reference: ReferencePolicy = ReferencePolicy()
    drift: DriftPolicy = DriftPolicy()
    incidents: IncidentPolicy = IncidentPolicy()
    retraining: RetrainingPolicy = RetrainingPolicy()
    canary: CanaryPolicy = CanaryPolicy()
