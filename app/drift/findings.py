"""What judging works on and answers with: a case, and findings before they become verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from app.drift.measurements import FEATURE, PREDICTION, SCORE, RoundMeasure
from app.drift.scopes import Scope
from app.federations.policy import DriftPolicy
from detectors import Outcome, TwoSampleResult

CONCEPT, DATA = "concept", "data"


@dataclass(frozen=True)
class Finding:
    """One detector's answer on one subject in one scope, before it is stored as a verdict."""

    subject: str
    scope: Scope
    detector: str
    outcome: Outcome
    effect_unit: str
    threshold: float
    statistic: float | None = None
    effect: float | None = None
    p_value: float | None = None
    q_value: float | None = None
    minimum_detectable_effect: float | None = None
    explanation: Mapping[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """`concept` needs labels, `data` needs none."""
        return family_of(self.subject)

    def answered(self, result: TwoSampleResult) -> "Finding":
        """With a test's answer."""
        detectable = result.minimum_detectable_effect
        return replace(
            self,
            statistic=result.statistic,
            effect=result.effect,
            p_value=result.p_value,
            minimum_detectable_effect=detectable if np.isfinite(detectable) else None,
        )

    def without_numbers(self) -> "Finding":
        """As it may be shown where too few clients stand behind it."""
        return replace(
            self,
            statistic=None,
            effect=None,
            p_value=None,
            minimum_detectable_effect=None,
            explanation={},
        )

    def insufficient(self, why: str) -> "Finding":
        """As insufficient evidence, saying what is missing."""
        explanation = {**self.explanation, "missing": why}
        return replace(self, outcome=Outcome.INSUFFICIENT_EVIDENCE, explanation=explanation)


def family_of(subject: str) -> str:
    """The family of a subject: what moves together and is mended together."""
    return DATA if kind_of(subject) in {SCORE, PREDICTION, FEATURE} else CONCEPT


def kind_of(subject: str) -> str:
    """The part of a subject's name before the colon: the key of its practical effect."""
    return subject.partition(":")[0]


@dataclass(frozen=True)
class Case:
    """A round to judge: the reference, the rounds since (the newest is judged), the policy."""

    reference: Sequence[RoundMeasure]
    since: Sequence[RoundMeasure]
    policy: DriftPolicy
    min_cohort_size: int
    units: Mapping[str, str]

    @property
    def current(self) -> RoundMeasure:
        """The round that is judged."""
        return self.since[-1]

    @property
    def latest(self) -> Sequence[RoundMeasure]:
        """The newest rounds, whose median is judged."""
        return self.since[-self.policy.latest_rounds :]
