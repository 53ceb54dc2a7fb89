"""What judging works on and answers with: a case, and findings before they become verdicts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from app.drift.baselines import Baseline, baseline_of
from app.drift.departures import Summary
from app.drift.joining import NOBODY, Joined
from app.drift.known import Expected, Known, Places
from app.drift.measurements import (
    CALIBRATION,
    CALIBRATION_RATIO,
    FEATURE,
    FORGETTING,
    LABEL,
    PREDICTION,
    SCORE,
    SKEW,
    Floats,
    RoundMeasure,
)
from app.drift.scopes import Scope, ScopeKind, scopes_of
from app.drift.varying import sampling, widening
from app.federations.policy import DriftPolicy, ResolvedSubject
from app.federations.policy.kinds import kind_of
from app.rounds.records import Mine
from detectors import Outcome, TwoSampleResult

CONCEPT, DATA, TAKING_PART = "concept", "data", "participation"
FAMILIES = {
    **dict.fromkeys(
        ("log_loss", "error_rate", LABEL, CALIBRATION, CALIBRATION_RATIO, FORGETTING), CONCEPT
    ),
    **dict.fromkeys((SCORE, PREDICTION, FEATURE, SKEW), DATA),
}
RATIO = "ratio"  # the unit of effects that are changes over the reference's own level


@dataclass(frozen=True)
class Finding:
    """One detector's answer on one subject in one scope, before it is stored as a verdict.

    `thin` says why there is too little for anything but a drift to be told of it.
    """

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
    thin: str | None = None

    @property
    def family(self) -> str:
        """`concept` needs labels, `data` none; `participation` is how rounds go."""
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
    return FAMILIES.get(kind_of(subject), TAKING_PART)


def error_budget(policy: DriftPolicy, kind: ScopeKind, subject: str = "") -> float:
    """The false discovery rate that a round's verdicts in scopes of this kind are judged under.

    The smallest effects that could have been seen are told at the same level. Cohorts' calibration
    ratios have one budget for all rounds together (`claims.py`).
    """
    if subject == CALIBRATION_RATIO:
        return policy.false_discovery_rate
    cohorts = kind == "cohort"
    return policy.of_a_round(
        policy.cohort_false_discovery_rate if cohorts else policy.false_discovery_rate
    )


@dataclass(frozen=True, eq=False)
class Case:
    """A round to judge: the reference's rounds, the newest rounds (the last is judged), the policy.

    `rounds_since` counts the rounds since the reference, the judged one among them. Subjects of
    another `season_rounds` than the case's are judged in a case of their own; `season_to_come` says
    that the season has not come round, and the reference is the usual one. `mine` says which
    clients it is about, if not about all; `joined` are the newcomers that can be compared, too.
    """

    reference: Sequence[RoundMeasure]
    latest: Sequence[RoundMeasure]
    rounds_since: int
    policy: DriftPolicy
    min_cohort_size: int
    units: Mapping[str, str]
    season_rounds: int | None = None
    season_to_come: bool = False
    mine: Mine | None = None
    joined: Joined = NOBODY

    def level(self, kind: ScopeKind) -> float:
        """The level that scopes of a kind are judged at."""
        return error_budget(self.policy, kind)

    @property
    def current(self) -> RoundMeasure:
        """The round that is judged."""
        return self.latest[-1]

    @cached_property
    def rates(self) -> list[str]:
        """The rates that the reference tells, and that are judged."""
        whole = {name for measure in self.reference for name in measure.whole}
        return self._in_season(whole.union(self.client_rates))

    @cached_property
    def client_rates(self) -> list[str]:
        """Those of them that clients tell."""
        return self._in_season({name for measure in self.reference for name in measure.rates})

    @cached_property
    def histograms(self) -> list[str]:
        """The distributions that the reference tells, and that are judged."""
        return self._in_season({name for one in self.reference for name in one.histograms})

    def _in_season(self, told: Iterable[str]) -> list[str]:
        resolved = [self.judged(name) for name in sorted(told)]
        return [
            one.name for one in resolved if one.judged and one.season_rounds == self.season_rounds
        ]

    def judged(self, subject: str) -> ResolvedSubject:
        """How the policy has a subject judged."""
        return self.policy.subject(subject)

    @cached_property
    def baseline(self) -> Baseline:
        """What follows from the reference; of some clients alone it is not used again."""
        if self.mine is None and not len(self.joined.clients):
            return baseline_of(tuple(self.reference))
        return Baseline(self.reference, self.joined)

    @property
    def known(self) -> Known:
        """The reference's clients, and those that joined."""
        return self.baseline.known

    @property
    def places_before(self) -> list[Places]:
        """Where each reference round's clients stand among the known ones."""
        return self.baseline.places

    @cached_property
    def places_after(self) -> list[Places]:
        """Where each of the newest rounds' clients stand among the known ones; -1: nowhere."""
        return [self.known.places(measure.clients) for measure in self.latest]

    @cached_property
    def scopes(self) -> list[Scope]:
        """The federation and the cohorts that are judged."""
        return scopes_of(self.known, self.current, self.min_cohort_size)

    @property
    def expected(self) -> Expected:
        """What each known client says in the reference, or would have said."""
        return self.baseline.expected

    @cached_property
    def before(self) -> list[Summary]:
        """What each scope said in the reference's rounds, varying as the newest ones would."""
        departed = self.baseline.departed(self.reference, self.places_before, self.scopes)
        return [one.widened(self.widening) for one in departed]

    @cached_property
    def widening(self) -> Floats:
        """How many times more each scope's newest rounds vary than the reference's, at least 1."""
        before, after = (
            [sampling(measure, at, self.scopes, self.known, sign) for measure, at in pairs]
            for sign, pairs in (
                (-1, zip(self.reference, self.places_before, strict=True)),
                (1, zip(self.latest, self.places_after, strict=True)),
            )
        )
        return widening(np.array(before), np.array(after))

    @cached_property
    def after(self) -> list[Summary]:
        """What each scope says in the newest rounds."""
        departed = self.baseline.departed(self.latest, self.places_after, self.scopes)
        return [one.widened() for one in departed]
