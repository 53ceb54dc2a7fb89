"""What a request says of how to train, on whom, and of what would count as success."""

from typing import Any

from app.federations.policy import Policy
from app.retraining.aiming import Aim
from app.retraining.deciding import RetrainAsk


def plan_of(policy: Policy, ask: RetrainAsk, aim: Aim) -> dict[str, Any]:
    """The plan of a request; what the ask itself plans goes before the policy's."""
    retraining = policy.retraining
    return {
        "rounds": retraining.rounds,
        "window_rounds": retraining.window_rounds,
        "warm_start": ask.base_version,
        "clients": aim.document(),
        "hyperparameters": dict(retraining.hyperparameters),
        "success": success_of(policy),
        **ask.plan,
    }


def success_of(policy: Policy) -> dict[str, Any]:
    """What rounds that measure both versions on the same examples have to show."""
    canary = policy.canary
    return {
        "measure": "log_loss",
        "against": "the base version on the same examples",
        "below": 0.0,
        "worse_for_a_cohort_by_at_most": canary.non_inferiority_margin,
        "unit": "nats per example",
        "confidence": canary.confidence,
        "within_rounds": policy.retraining.outcome_rounds,
    }
