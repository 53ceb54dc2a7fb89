"""When verdicts become an incident, and how bad it is."""

from collections.abc import Mapping
from typing import Literal, get_args

from pydantic import Field

from app.core.ids import Slug
from app.federations.policy.part import (
    MOST_ROUNDS,
    PolicyPart,
    Probability,
    Severity,
    Share,
)

Criticality = Literal["low", "medium", "high", "critical"]
MOST_MODELS = 1_000
SEVERITIES: tuple[Severity, ...] = get_args(Severity)  # the least first


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
        default=1,
        ge=1,
        le=MOST_ROUNDS,
        description="... among this many judged rounds in a row, or as many as `persistence`.",
    )
    quiet_rounds: int = Field(
        default=3,
        ge=1,
        le=MOST_ROUNDS,
        description="Rounds in a row without evidence that resolve it.",
    )
    onset_rounds: int = Field(
        default=2,
        ge=0,
        le=MOST_ROUNDS,
        description="Judged rounds that two onsets may lie apart and still be of one cause.",
    )
    hold_off_rounds: int = Field(
        default=3,
        ge=0,
        le=MOST_ROUNDS,
        description="Judged rounds after an incident is resolved in which the same, unless it is"
        " more severe, opens no other.",
    )
    worse_ratio: float = Field(
        default=2.0,
        gt=1,
        le=1_000,
        description="Times its former effect from which a subject of an open incident that jumps"
        " is told of again.",
    )
    critical_ratio: float = Field(
        default=2.0, ge=1, description="Effect over threshold from which it is large."
    )
    broad_share: Share = Field(
        default=0.5, description="Share of the judged clients that moved from which it is broad."
    )
    sure_q_value: Probability = Field(default=0.01, description="q-value up to which it is sure.")
    criticality: Mapping[Slug, Criticality] = Field(
        default_factory=dict,
        max_length=MOST_MODELS,
        description="How much rests on a model, by model: low, medium, high, critical. Usually"
        " medium.",
    )
    least_severity: Mapping[Slug, Severity] = Field(
        default_factory=dict,
        max_length=MOST_MODELS,
        description="Least severity of a model's incidents, by model, for models that much rests"
        " on.",
    )

    @property
    def rounds_looked_at(self) -> int:
        """The judged rounds among which `persistence` of them have to drift: no fewer than that."""
        return max(self.window, self.persistence)

    def at_least(self, model: str, severity: Severity) -> Severity:
        """A severity, raised to the least of that model's incidents."""
        return max(severity, self.least_severity.get(model, "info"), key=SEVERITIES.index)
