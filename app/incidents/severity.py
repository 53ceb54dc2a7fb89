"""How bad an incident is: by effect, breadth and confidence, and by what rests on the model.

Each of the three gives a point, and the model's criticality some more or one less. From three
points an incident is critical, below none it only informs. So for a model of medium criticality an
effect has to be large, broad and sure to be critical, for a high one two of them are enough.
"""

from dataclasses import dataclass
from typing import Any

from app.drift.tables import Verdict
from app.federations.policy import IncidentPolicy, Policy
from app.incidents.states import Severity

CRITICAL_FROM = 3
POINTS = {"low": -1, "medium": 0, "high": 1, "critical": 2}


@dataclass(frozen=True)
class Weighed:
    """What speaks for an incident being serious."""

    large: bool
    broad: bool
    sure: bool
    criticality: str

    @property
    def severity(self) -> Severity:
        """By the points of all four."""
        points = self.large + self.broad + self.sure + POINTS[self.criticality]
        if points >= CRITICAL_FROM:
            return Severity.CRITICAL
        return Severity.INFO if points < 0 else Severity.WARNING

    def document(self) -> dict[str, Any]:
        """For people who ask why."""
        return {
            "large": self.large,
            "broad": self.broad,
            "sure": self.sure,
            "criticality": self.criticality,
        }


def criticality_of(policy: Policy, model: str) -> str:
    """How much rests on a model; medium where nobody said."""
    return policy.incidents.criticality.get(model, "medium")


def ratio_of(verdict: Verdict) -> float:
    """How many times its practical threshold a verdict's effect is."""
    return abs(verdict.effect or 0.0) / verdict.threshold if verdict.threshold else 0.0


def weigh(strongest: Verdict, policy: IncidentPolicy, criticality: str) -> Weighed:
    """What the strongest verdict of a cause speaks for."""
    moved, judged = (strongest.explanation.get(f"clients_{what}") for what in ("moved", "judged"))
    share = moved / judged if judged else 1.0
    return Weighed(
        large=ratio_of(strongest) >= policy.critical_ratio,
        broad=strongest.scope == "federation" and share >= policy.broad_share,
        sure=strongest.q_value is not None and strongest.q_value <= policy.sure_q_value,
        criticality=criticality,
    )
