"""Rates over rounds: the median of the newest rounds against what the reference predicts."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.drift.findings import Case, Finding, kind_of
from app.drift.measurements import RoundMeasure
from app.drift.scopes import Scope
from app.rounds.disclosure import coarse_total, coarsened, records_needed
from detectors import (
    DetectorError,
    Outcome,
    Rate,
    SequentialDetector,
    median_shift,
    split_rates,
)
from detectors import create as create_detector

# On standardised values: a test at every round, and half a standard deviation as what may move.
SEQUENTIAL: dict[str, dict[str, float]] = {
    "adwin": {"clock": 1, "grace_period": 5},
    "page-hinkley": {"min_instances": 8, "delta": 0.5, "threshold": 5.0},
}
FloatArray = NDArray[np.float64]
# A standardised value past this says no more than that it is far out.
CLIP = 8.0


def judge_rate(case: Case, scope: Scope, subject: str) -> Finding:
    """The median of the newest rounds against the reference rounds' prediction limit."""
    finding = Finding(
        subject=subject,
        scope=scope,
        detector="median-shift",
        outcome=Outcome.STABLE,
        effect_unit="nats per example" if subject == "log_loss" else "probability",
        threshold=case.policy.effects.of(kind_of(subject)),
        explanation=_rate_explanation(case, scope, subject),
    )
    reference = _series(case.reference, scope, subject)
    latest = _series(case.latest, scope, subject)
    if len(latest) % 2 == 0:
        latest = latest[1:]
    try:
        result = median_shift(reference, latest, alpha=case.policy.false_discovery_rate)
    except DetectorError as error:
        return finding.insufficient(str(error))
    return finding.answered(result)


def _series(rounds: Sequence[RoundMeasure], scope: Scope, subject: str) -> list[float]:
    values = (scope.rate(measure, subject) for measure in rounds)
    return [value for value in values if value is not None]


def _rate_explanation(case: Case, scope: Scope, subject: str) -> dict[str, Any]:
    """How the pooled change splits into within-client movement and participation mix.

    Each client's share of it is left out: it would show a participant's own shift to all readers.
    For the same reason all of it is rounded (`disclosure.py`).
    """
    before = _per_client(case.reference, scope, subject)
    after = _per_client([case.current], scope, subject)
    if scope.kind == "client" or not before or not after:
        return {}
    split = split_rates(before, after)
    clients, k = len(after), records_needed(case.min_cohort_size, case.current.stands_for)
    return {
        "pooled_change": coarsened(split.total, clients, k),
        "within_client": coarsened(split.within, clients, k),
        "participation_mix": coarsened(split.mix, clients, k),
        "clients": clients,
        "examples": coarse_total(sum(int(rate.n) for rate in after.values()), clients, k),
    }


def _per_client(rounds: Sequence[RoundMeasure], scope: Scope, subject: str) -> dict[str, Rate]:
    """Each client's sum of the subject over its examples in these rounds."""
    sums: dict[str, Rate] = {}
    for measure in rounds:
        for _, client in scope.present(measure):
            if subject in client.rates:
                known = sums.get(client.client, Rate(0.0, 0.0))
                total = known.total + client.n * client.rates[subject]
                sums[client.client] = Rate(total, known.n + client.n)
    return sums


def watch_rate(case: Case, scope: Scope, subject: str) -> Iterator[Finding]:
    """Sequential detectors on the standardised stream of rounds since the reference.

    An alarm in one of the newest rounds warns. It has no p-value that an error budget could be
    charged with, so it supports, and never makes a drift alone.
    """
    reference = np.array(_series(case.reference, scope, subject))
    stream = np.array(_series(case.since, scope, subject))
    if reference.size < 2 or reference.std(ddof=1) == 0 or not stream.size:  # noqa: PLR2004 - an sd needs two
        return
    scale = reference.std(ddof=1) * np.sqrt(1 + 1 / reference.size)
    whole = np.concatenate((reference, stream))
    scores = np.clip((whole - reference.mean()) / scale, -CLIP, CLIP)
    for name, parameters in SEQUENTIAL.items():
        alarms = _alarms(create_detector(name, **parameters), scores)
        lately = alarms[-case.policy.latest_rounds :]
        yield Finding(
            subject=subject,
            scope=scope,
            detector=name,
            outcome=Outcome.WARNING if any(lately) else Outcome.STABLE,
            effect_unit="reference standard deviations",
            threshold=0.0,
            statistic=float(scores[-1]),
            effect=float(scores[-1]),
            explanation={"rounds": int(stream.size), "alarms": sum(alarms[reference.size :])},
        )


def _alarms(detector: SequentialDetector, scores: FloatArray) -> list[bool]:
    """Whether each value of the stream completed a drift."""
    alarms = []
    for score in scores:
        detector.update(float(score))
        alarms.append(detector.drift_detected)
    return alarms
