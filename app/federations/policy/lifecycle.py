"""What happens to a model after drift: retraining, and the comparison that follows."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.federations.policy.part import (
    MOST,
    MOST_HOURS,
    MOST_ROUNDS,
    Effect,
    Fault,
    PolicyPart,
    Probability,
    Severity,
    Share,
    refuse,
)
from app.federations.roles import ALLOWED, Permission, Role

Approvals = Annotated[tuple[Role, ...], Field(min_length=1, max_length=10)]


class RetrainingPolicy(PolicyPart):
    """When an incident asks for retraining."""

    automatic: bool = Field(default=True, description="Ask without a person.")
    severities: tuple[Severity, ...] = Field(
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
        description="More distance between the error rates of the best and the worst cohort.",
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


class ApprovalPolicy(PolicyPart):
    """Whose approvals a promotion needs, by how critical its model is: a role for each of them."""

    low: Approvals = Field(default=(Role.VALIDATOR,), description="Of models of low criticality.")
    medium: Approvals = Field(
        default=(Role.VALIDATOR,), description="Of medium criticality, or not assessed yet."
    )
    high: Approvals = Field(
        default=(Role.VALIDATOR, Role.VALIDATOR), description="Of models of high criticality."
    )

    @model_validator(mode="after")
    def _who_may(self) -> "ApprovalPolicy":
        """A promotion that waits for a role that may not approve waits forever."""
        may = {role for role in Role if Permission.DECIDE_PROMOTIONS in ALLOWED[role]}
        refuse(
            Fault((name, str(at)), "role_may_not_approve", f"{role.value} may not approve.")
            for name in ("low", "medium", "high")
            for at, role in enumerate(getattr(self, name))
            if role not in may
        )
        return self


class PromotionPolicy(PolicyPart):
    """What it takes for a version to become champion, and how long it is watched then."""

    approvals: ApprovalPolicy = ApprovalPolicy()
    expire_hours: float = Field(
        default=336, gt=0, le=MOST_HOURS, description="Hours until what nobody decided expires."
    )
    shadow_rounds: int = Field(
        default=8,
        ge=0,
        le=MOST_ROUNDS,
        description="Canary rounds in which the champion before goes on being measured.",
    )
