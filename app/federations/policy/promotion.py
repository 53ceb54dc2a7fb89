"""What it takes for a version to become champion: whose approvals, and how it is watched then."""

from typing import Annotated

from pydantic import Field, model_validator

from app.federations.policy.part import MOST_HOURS, MOST_ROUNDS, Fault, PolicyPart, refuse
from app.federations.roles import ALLOWED, Permission, Role

Approvals = Annotated[tuple[Role, ...], Field(min_length=1, max_length=10)]


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
