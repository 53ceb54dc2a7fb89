"""Guardrails: what may not get worse while the loss gets better, each with a limit of its own.

A guardrail's value is the candidate's less the champion's, so that more is worse. Its interval is
from leaving out one client after the other, and wide enough for looking again and again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.federations.policy import CanaryPolicy
from app.registry.evidence_schemas import Guardrail
from app.registry.pairing import Paired, Pairs
from app.rounds.tables import Round
from detectors.clients.canary import CanaryComparison
from detectors.sequential.confidence_sequence import half_width

BINARY, LEAST_CLIENTS = 2, 3
MOST_GROUPS = 100  # of clients, where leaving out each by itself would take too long
State = Literal["within", "beyond", "breached", "unknown"]
Statistic = Callable[[Pairs], float | None]


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; None where nothing could be told."""

    value: float | None
    lower: float | None = None
    upper: float | None = None


UNKNOWN = Estimate(None)


def guardrails(
    found: Paired,
    result: CanaryComparison | None,
    cohorts: Mapping[str, bool],
    edges: Sequence[float] | None,
    own: Sequence[Round],
    policy: CanaryPolicy,
) -> list[Guardrail]:
    """Every guardrail of the policy.

    `cohorts` says of each shown one whether it is proven to lose more than the policy allows;
    `edges` are those of the score histograms, and `own` the champion's own rounds.
    """
    pairs, alpha, limit = found.pairs, 1 - policy.confidence, policy.guardrails
    gap = None if edges is None else lambda some: _miscalibration(some, edges)
    return [
        _guardrail("error_rate", "share of examples", _errors(result, alpha), limit.error_rate),
        _guardrail("failures", "share of clients", _failures(found.rounds, own), limit.failures),
        _guardrail("latency", "ratio", _jackknifed(pairs, _latency, alpha), limit.latency),
        _guardrail(
            "calibration",
            "probability",
            UNKNOWN if gap is None else _jackknifed(pairs, gap, alpha),
            limit.calibration,
        ),
        _guardrail(
            "fairness",
            "probability",
            _jackknifed(pairs, lambda some: _unfairness(some, list(cohorts)), alpha),
            limit.fairness,
        ),
        _cohort_loss(cohorts, limit.cohort_loss),
    ]


def _guardrail(name: str, unit: str, found: Estimate, limit: float) -> Guardrail:
    return Guardrail(
        name=name,
        unit=unit,
        value=found.value,
        lower=found.lower,
        upper=found.upper,
        limit=limit,
        state=_state(found, limit),
        cohorts=[],
    )


def _state(found: Estimate, limit: float) -> State:
    if found.value is None:
        return "unknown"
    if found.lower is not None and found.lower > limit:
        return "breached"
    return "beyond" if found.value > limit else "within"


def _cohort_loss(cohorts: Mapping[str, bool], limit: float) -> Guardrail:
    losing = [cohort for cohort, proven in cohorts.items() if proven]
    return Guardrail(
        name="cohort_loss",
        unit="cohorts",
        value=float(len(losing)) if cohorts else None,
        lower=None,
        upper=None,
        limit=limit,
        state=("breached" if losing else "within") if cohorts else "unknown",
        cohorts=losing,
    )


def _errors(result: CanaryComparison | None, alpha: float) -> Estimate:
    if result is None or result.errors is None:
        return UNKNOWN
    low, high = result.errors.interval(alpha)
    return Estimate(float(result.errors.estimate[-1]), float(low[-1]), float(high[-1]))


def _failures(canary: Sequence[Round], own: Sequence[Round]) -> Estimate:
    """Of the clients asked, the share that failed in canary rounds less that in other rounds."""
    now, before = _failed(canary), _failed(own)
    return UNKNOWN if now is None or before is None else Estimate(now - before)


def _failed(rounds: Sequence[Round]) -> float | None:
    told = [round_.envelope.get("participation") or {} for round_ in rounds]
    told = [one for one in told if one.get("sampled")]
    asked = sum(one["sampled"] for one in told)
    return sum(sum(one.get("errors", {}).values()) for one in told) / asked if asked else None


def _latency(pairs: Pairs) -> float | None:
    champion, candidate = pairs.milliseconds.sum(axis=0)
    return float(candidate / champion - 1) if champion > 0 else None


def _miscalibration(pairs: Pairs, edges: Sequence[float]) -> float | None:
    """How much farther the candidate's mean score lies from the share of the second label."""
    middles = (np.asarray(edges)[1:] + np.asarray(edges)[:-1]) / 2
    if pairs.scores is None or pairs.scores.shape[2] < len(middles):
        return None
    total = pairs.scores.sum(axis=0)
    labels = total[2, :BINARY]
    if total[2, BINARY:].any() or (total.sum(axis=1) <= 0).any():
        return None
    scores = total[:2, : len(middles)]
    champion, candidate = np.abs(scores @ middles / scores.sum(axis=1) - labels[1] / labels.sum())
    return float(candidate - champion)


def _unfairness(pairs: Pairs, cohorts: Sequence[str]) -> float | None:
    """How much wider the gap between error rates of a tag's cohorts is, the largest of all tags.

    A gap that widens since one cohort gains more than another takes nothing from anybody, and to
    hold the candidate back would only level down (Mittelstadt, Wachter & Russell 2023, Mich. Tech.
    L. Rev. 30, 1). So it counts as far as some cohort of the tag errs more than before.
    """
    tags = sorted({cohort.partition("=")[0] for cohort in cohorts})
    gaps = [_gap(pairs, [c for c in cohorts if c.startswith(f"{tag}=")]) for tag in tags]
    return max((gap for gap in gaps if gap is not None), default=None)


def _gap(pairs: Pairs, cohorts: Sequence[str]) -> float | None:
    totals = np.array([pairs.sums[pairs.members(cohort)].sum(axis=0) for cohort in cohorts])
    told = totals[totals[:, 0] > 0]
    if len(told) < 2:  # noqa: PLR2004 - a gap is between two
        return None
    right = told[:, 3:] / told[:, :1]
    champion, candidate = np.ptp(right, axis=0)
    lost = (right[:, 0] - right[:, 1]).max()
    return float(min(candidate - champion, lost))


def _jackknifed(pairs: Pairs, statistic: Statistic, alpha: float) -> Estimate:
    """A statistic of all clients, its interval from leaving each, or each group of them, out."""
    value = statistic(pairs)
    if value is None or len(pairs) < LEAST_CLIENTS:
        return UNKNOWN if value is None else Estimate(value)
    groups = min(len(pairs), MOST_GROUPS)
    group = np.arange(len(pairs)) % groups
    without = [statistic(pairs.where(group != one)) for one in range(groups)]
    told = np.array([one for one in without if one is not None])
    if len(told) < LEAST_CLIENTS:
        return Estimate(value)
    error = np.sqrt((len(told) - 1) / len(told) * np.square(told - told.mean()).sum())
    half = float(half_width(error, len(told) - 1.0, 1.0, alpha))
    return Estimate(value, value - half, value + half)
