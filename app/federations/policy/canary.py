"""What the comparison that follows a retraining asks for."""

from pydantic import Field

from app.federations.policy.part import MOST_ROUNDS, PolicyPart, Probability


class CanaryPolicy(PolicyPart):
    """What the comparison of a candidate with the champion asks for."""

    min_rounds: int = Field(
        default=2, ge=1, le=MOST_ROUNDS, description="Canary rounds before a recommendation."
    )
    non_inferiority_margin: float = Field(
        default=0.005, ge=0, description="Log loss (nats per example) that the candidate may lose."
    )
    confidence: Probability = Field(default=0.95, description="Of intervals and tests.")
