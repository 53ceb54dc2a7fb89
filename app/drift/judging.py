"""How a round is judged: which tests run on what, and what their answers amount to.

Pure decisions: measures and policy in, findings out; no database. What is judged is the median of
the newest rounds since the reference, so that one bad round is weather and not drift. A drift needs
a practical effect as well as a small p-value, under one false discovery rate for each family of
subjects in each kind of scope.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from app.drift.measurements import FEATURE, PREDICTION, SCORE, RoundMeasure
from app.drift.scopes import Scope, scopes_of
from app.federations.policy import DriftPolicy
from detectors import (
    DetectorError,
    Histogram,
    Outcome,
    RoundVariation,
    TwoSampleResult,
    benjamini_hochberg,
    energy_histogram,
    estimate_variation,
    ks_histogram,
    median_shift,
    merge,
)
from detectors import create as create_detector

CONCEPT, DATA = "concept", "data"
SEQUENTIAL = ("adwin", "page-hinkley")
# A standardised value past this says no more than that it is far out.
CLIP = 8.0

Test = Callable[..., TwoSampleResult]


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


def judge(case: Case) -> list[Finding]:
    """Judge the newest round of a case: every finding, with its error budget spent."""
    findings: list[Finding] = []
    for scope in scopes_of(case.reference, case.current, case.min_cohort_size):
        missing = _missing_evidence(case, scope)
        made = list(_scope_findings(case, scope))
        findings += [_insufficient(finding, missing) for finding in made] if missing else made
    return _decided(findings, case.policy)


def _missing_evidence(case: Case, scope: Scope) -> str | None:
    """Why this scope cannot be judged in this round, in words; None when it can."""
    policy = case.policy
    if len(case.since) < policy.latest_rounds:
        return f"{len(case.since)} of {policy.latest_rounds} rounds since the reference"
    examples = sum(client.n for _, client in scope.present(case.current))
    if examples < policy.min_examples:
        return f"{examples} examples; at least {policy.min_examples} are asked for"
    if scope.kind != "federation":
        return None
    clients = len(scope.present(case.current))
    if clients < policy.min_clients:
        return f"{clients} clients; at least {policy.min_clients} are asked for"
    share = scope.participation(case.current)
    if share < policy.min_participation:
        return f"{share:.0%} of the reference's examples; {policy.min_participation:.0%} asked for"
    return None


def _scope_findings(case: Case, scope: Scope) -> Iterator[Finding]:
    rates = sorted(
        {name for measure in case.reference for c in measure.clients.values() for name in c.rates}
    )
    for subject in rates:
        yield _judge_rate(case, scope, subject)
        if scope.kind == "federation":
            yield from _watch_rate(case, scope, subject)
    distributions = sorted(
        {
            name
            for measure in case.reference
            for c in measure.clients.values()
            for name in c.histograms
        }
    )
    for subject in distributions:
        yield from _judge_distribution(case, scope, subject)


def _judge_rate(case: Case, scope: Scope, subject: str) -> Finding:
    """The median of the newest rounds against the reference rounds' prediction limit."""
    finding = Finding(
        subject=subject,
        scope=scope,
        detector="median-shift",
        outcome=Outcome.STABLE,
        effect_unit="nats per example" if subject == "log_loss" else "probability",
        threshold=case.policy.effects[kind_of(subject)],
        explanation=_rate_explanation(case, scope, subject),
    )
    reference, latest = (
        _series(case.reference, scope, subject),
        _series(case.latest, scope, subject),
    )
    latest = latest if len(latest) % 2 else latest[1:]
    try:
        result = median_shift(reference, latest, alpha=case.policy.false_discovery_rate)
    except DetectorError as error:
        return _insufficient(finding, str(error))
    return _answered(finding, result)


def _series(rounds: Sequence[RoundMeasure], scope: Scope, subject: str) -> list[float]:
    values = (scope.rate(measure, subject) for measure in rounds)
    return [value for value in values if value is not None]


def _rate_explanation(case: Case, scope: Scope, subject: str) -> dict[str, Any]:
    """How the pooled change splits into within-client movement and participation mix."""
    if scope.kind == "client":
        return {}
    before, after = _pooled(case.reference, scope, subject), _pooled([case.current], scope, subject)
    reference, within = _series(case.reference, scope, subject), scope.rate(case.current, subject)
    if before is None or after is None or within is None:
        return {}
    moved = within - float(np.mean(reference))
    return {
        "pooled_change": after - before,
        "within_client": moved,
        "participation_mix": after - before - moved,
        "clients": len(scope.present(case.current)),
        "examples": sum(client.n for _, client in scope.present(case.current)),
    }


def _pooled(rounds: Sequence[RoundMeasure], scope: Scope, subject: str) -> float | None:
    told = [
        (client.n, client.rates[subject])
        for measure in rounds
        for _, client in scope.present(measure)
        if subject in client.rates
    ]
    return sum(n * rate for n, rate in told) / sum(n for n, _ in told) if told else None


def _watch_rate(case: Case, scope: Scope, subject: str) -> Iterator[Finding]:
    """Sequential detectors on the standardised stream of rounds since the reference.

    Their alarms have no p-value that an error budget could be charged with, so they warn and
    support, and never make a drift alone.
    """
    reference = np.array(_series(case.reference, scope, subject))
    stream = np.array(_series(case.since, scope, subject))
    if reference.size < 2 or reference.std(ddof=1) == 0 or not stream.size:  # noqa: PLR2004 - an sd needs two
        return
    scale = reference.std(ddof=1) * np.sqrt(1 + 1 / reference.size)
    scores = np.clip((stream - reference.mean()) / scale, -CLIP, CLIP)
    for name in SEQUENTIAL:
        detector = create_detector(name)
        for score in (*np.clip((reference - reference.mean()) / scale, -CLIP, CLIP), *scores):
            detector.update(float(score))
        yield Finding(
            subject=subject,
            scope=scope,
            detector=name,
            outcome=Outcome.WARNING if detector.drift_detected else Outcome.STABLE,
            effect_unit="reference standard deviations",
            threshold=0.0,
            statistic=float(scores[-1]),
            effect=float(scores[-1]),
            explanation={"rounds": int(stream.size)},
        )


def _judge_distribution(case: Case, scope: Scope, subject: str) -> Iterator[Finding]:
    reference = [h for m in case.reference if (h := scope.histogram(m, subject)) is not None]
    latest = [h for m in case.latest if (h := scope.histogram(m, subject)) is not None]
    if len(reference) < 2 or not latest:  # noqa: PLR2004 - variation needs two rounds
        return
    pooled = merge(reference)
    variation = estimate_variation(reference)
    unit = case.units.get(subject, "")
    gap = case.policy.effects[kind_of(subject)]
    if pooled.categorical:
        yield _median_round(
            Finding(subject, scope, "energy", Outcome.STABLE, "probability", gap),
            energy_histogram,
            pooled,
            latest,
            variation,
        )
        return
    yield _median_round(
        Finding(subject, scope, "ks", Outcome.STABLE, "probability", gap),
        ks_histogram,
        pooled,
        latest,
        variation,
    )
    if scope.kind == "federation":
        move = case.policy.energy_effect * pooled.sd
        yield _median_round(
            Finding(subject, scope, "energy", Outcome.STABLE, unit or "subject", move),
            energy_histogram,
            pooled,
            latest,
            variation,
        )


def _median_round(
    finding: Finding,
    test: Test,
    pooled: Histogram,
    latest: Sequence[Histogram],
    variation: RoundVariation,
) -> Finding:
    """The test's answer for the middle one of the newest rounds, by effect.

    Its p-value is that round's own, which is conservative: two rounds of three have to move for it
    to be small.
    """
    results = [test(pooled, histogram, variation=variation) for histogram in latest]
    middle = sorted(results, key=lambda result: result.effect)[(len(results) - 1) // 2]
    return _answered(finding, middle)


def _answered(finding: Finding, result: TwoSampleResult) -> Finding:
    return replace(
        finding,
        statistic=result.statistic,
        effect=result.effect,
        p_value=result.p_value,
        minimum_detectable_effect=_finite(result.minimum_detectable_effect),
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _insufficient(finding: Finding, why: str) -> Finding:
    return replace(
        finding,
        outcome=Outcome.INSUFFICIENT_EVIDENCE,
        explanation={**finding.explanation, "missing": why},
    )


def _decided(findings: Sequence[Finding], policy: DriftPolicy) -> list[Finding]:
    """Spend the error budget: one false discovery rate per kind of scope and family."""
    pools: dict[tuple[str, str], list[int]] = {}
    for position, finding in enumerate(findings):
        if finding.outcome is Outcome.STABLE and finding.p_value is not None:
            pools.setdefault((finding.scope.kind, finding.family), []).append(position)
    decided = list(findings)
    for positions in pools.values():
        p_values = [p for at in positions if (p := findings[at].p_value) is not None]
        for at, q in zip(positions, benjamini_hochberg(p_values), strict=True):
            decided[at] = _decide(findings[at], float(q), policy.false_discovery_rate)
    return decided


def _decide(finding: Finding, q_value: float, level: float) -> Finding:
    assert finding.p_value is not None
    assert finding.effect is not None
    practical = abs(finding.effect) >= finding.threshold
    outcome = Outcome.STABLE
    if practical and q_value <= level:
        outcome = Outcome.DRIFT
    elif practical and finding.p_value <= level:
        outcome = Outcome.WARNING
    return replace(finding, outcome=outcome, q_value=q_value)
