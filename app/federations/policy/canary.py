"""What the comparison that follows a retraining asks for."""

from pydantic import Field

from app.federations.policy.part import MOST_ROUNDS, Effect, PolicyPart, Probability, Share


class GuardrailPolicy(PolicyPart):
    """By how much the candidate may be worse than the champion in other things than its loss."""

    error_rate: Share = Field(
        default=0.02, description="More wrong answers; share of the examples."
    )
    failures: Share = Field(
        default=0.05, description="More clients that failed; share of those asked."
    )
    latency: Effect = Field(
        default=0.5, description="More time to evaluate; over the champion's, 0.5 is half again."
    )
    calibration: Share = Field(
        default=0.02,
        description="More distance between mean score and share that came true; probability.",
    )
    fairness: Share = Field(
        default=0.02,
        description="More distance between cohorts' error rates, as far as one of them errs more.",
    )
    cohort_loss: Effect = Field(
        default=0.02, description="Log loss (nats per example) that no cohort may lose for sure."
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
    guardrails: GuardrailPolicy = GuardrailPolicy()
