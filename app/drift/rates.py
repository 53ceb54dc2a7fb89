"""Rates over rounds: the median of the newest rounds against what the reference predicts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.drift.departures import Summary
from app.drift.findings import RATIO, Case, Finding
from app.drift.splitting import Splitting
from detectors import DetectorError, Outcome, TwoSampleResult, median_shift

MEDIAN_SHIFT = "median-shift"


def judge_rate(case: Case, at: int, subject: str, splitting: Splitting) -> Finding:
    """The median of the newest rounds against the reference rounds' prediction limit.

    `at` is the position of the scope among the case's.
    """
    judged = case.judged(subject)
    finding = Finding(
        subject=subject,
        scope=case.scopes[at],
        detector=MEDIAN_SHIFT,
        outcome=Outcome.STABLE,
        effect_unit=judged.unit,
        threshold=judged.effect,
        explanation=splitting.explain(case.scopes[at], subject),
    )
    reference, latest = _series(case.before, at, subject), _series(case.after, at, subject)
    if len(latest) % 2 == 0:
        latest = latest[1:]
    try:
        result = median_shift(reference, latest, alpha=case.level(case.scopes[at].kind))
    except DetectorError as error:
        return finding.insufficient(str(error))
    return finding.answered(_relative(result, reference) if judged.unit == RATIO else result)


def _relative(result: TwoSampleResult, reference: Sequence[float]) -> TwoSampleResult:
    """With effects as changes over the reference's own level."""
    level = float(np.abs(np.mean(reference))) or 1.0
    detectable = result.minimum_detectable_effect / level
    return replace(result, effect=result.effect / level, minimum_detectable_effect=detectable)


def _series(rounds: Sequence[Summary], at: int, subject: str) -> list[float]:
    values = (summary.rate(at, subject) for summary in rounds)
    return [value for value in values if value is not None]
