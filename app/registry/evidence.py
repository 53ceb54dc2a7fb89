"""The numbers of a comparison as they are shown: intervals, e-values, history, cohorts."""

from collections.abc import Sequence

import numpy as np

from app.federations.policy import CanaryPolicy
from app.registry.evidence_schemas import (
    CohortComparison,
    Confusions,
    Difference,
    LookOut,
    Measured,
    OutlookOut,
)
from app.registry.pairing import FloatArray, Paired, Pairs
from detectors.clients.canary import CanaryComparison, compare_canary
from detectors.multiplicity.within_round import e_benjamini_hochberg

LARGEST = 1e15


def judged(
    found: Paired, policy: CanaryPolicy, alpha: float | None = None
) -> CanaryComparison | None:
    """The test of a candidate over all looks; None before there is any."""
    if not len(found.pairs):
        return None
    n, champion, candidate, champion_right, candidate_right = np.moveaxis(found.added, -1, 0)
    return compare_canary(
        n,
        champion,
        candidate,
        champion_right,
        candidate_right,
        _whole_agreement(found.pairs),
        margin=policy.non_inferiority_margin,
        alpha=1 - policy.confidence if alpha is None else alpha,
    )


def measured(pairs: Pairs) -> tuple[Measured, Measured]:
    """Champion and candidate over all the pairs' examples."""
    n, *losses_and_right = pairs.sums.sum(axis=0).tolist()
    losses, right = losses_and_right[:2], losses_and_right[2:]
    champion, candidate = (
        Measured(log_loss=loss / n, error_rate=1 - correct / n)
        for loss, correct in zip(losses, right, strict=True)
    )
    return champion, candidate


def difference(result: CanaryComparison | None) -> Difference | None:
    """What the last look says; None under three clients."""
    if result is None or result.loss is None or result.errors is None:
        return None
    loss, errors = result.loss, result.errors
    low, high = loss.interval(result.alpha)
    error_low, error_high = errors.interval(result.alpha)
    return Difference(
        log_loss=_last(loss.estimate),
        lower=_last(low),
        upper=_last(high),
        confidence=1 - result.alpha,
        look=len(loss.estimate),
        error_rate=_last(errors.estimate),
        error_lower=_last(error_low),
        error_upper=_last(error_high),
        effective_clients=_last(loss.effective_clients),
        p_superior=_last(loss.p_below(0.0)),
        p_non_inferior=_last(loss.p_below(result.margin)),
        e_superior=_last(loss.e_below(0.0)),
        e_non_inferior=_last(loss.e_below(result.margin)),
        e_worse=_last(loss.e_above(0.0)),
        margin=result.margin,
        p_mcnemar=result.p_mcnemar,
    )


def history(result: CanaryComparison | None, found: Paired) -> list[LookOut]:
    """The sequential test, look by look."""
    if result is None or result.loss is None:
        return []
    loss = result.loss
    low, high = loss.interval(result.alpha)
    evidence = loss.e_below(0.0), loss.e_below(result.margin), loss.e_above(0.0)
    rounds = np.cumsum(found.look_rounds)[-len(loss.estimate) :]
    return [
        LookOut(
            look=at + 1,
            rounds=int(rounds[at]),
            clients=int(loss.clients[at]),
            log_loss=_kept(loss.estimate[at]),
            lower=_kept(low[at]),
            upper=_kept(high[at]),
            e_superior=_kept(evidence[0][at]),
            e_non_inferior=_kept(evidence[1][at]),
            e_worse=_kept(evidence[2][at]),
        )
        for at in range(len(loss.estimate))
    ]


def outlook(result: CanaryComparison | None) -> OutlookOut | None:
    """How far from a decision; None once there is one, and before there is anything."""
    if result is None or result.outlook is None:
        return None
    return OutlookOut(rounds_more=result.outlook.rounds_more, clients=result.outlook.clients)


def confusion(pairs: Pairs, labels: Sequence[str]) -> Confusions | None:
    """Both versions' confusion matrices over all clients, and where they differ.

    `labels` are the classes' names; they are left out where there are not as many.
    """
    if pairs.confusions is None or not len(pairs):
        return None
    total = pairs.confusions.sum(axis=0)
    truths = np.maximum(total.sum(axis=2, keepdims=True), 1.0)
    change = (total / truths)[1] - (total / truths)[0]
    return Confusions(
        champion=total[0].tolist(),
        candidate=total[1].tolist(),
        difference=change.tolist(),
        labels=list(labels) if len(labels) == len(change) else [],
    )


def cohorts(found: Paired, names: Sequence[str], policy: CanaryPolicy) -> list[CohortComparison]:
    """The same of each cohort that may be shown, all of them judged together.

    Intervals are Bonferroni's; who is called better or worse is chosen by the e-values with a false
    discovery rate of 1 - confidence (Wang & Ramdas 2022, J. Roy. Stat. Soc. B 84, 822-852), which
    asks nothing of how cohorts depend on each other, nor of when one looks.
    """
    alpha = 1 - policy.confidence
    results = [judged(found.within(name), policy, alpha / len(names)) for name in names]
    better = _chosen([_last_e(result, better=True) for result in results], alpha)
    worse = _chosen([_last_e(result, better=False) for result in results], alpha)
    return [
        _cohort(found.within(name), name, result, better[at], worse[at])
        for at, (name, result) in enumerate(zip(names, results, strict=True))
    ]


def losing(found: Paired, names: Sequence[str], policy: CanaryPolicy) -> dict[str, bool]:
    """Of each cohort, whether it is proven to lose more than the policy allows one to lose."""
    alpha, limit = 1 - policy.confidence, policy.guardrails.cohort_loss
    results = [judged(found.within(name), policy) for name in names]
    values = [
        _last(result.loss.e_above(limit)) if result and result.loss else 0.0 for result in results
    ]
    return dict(zip(names, _chosen(values, alpha), strict=True))


def _chosen(e_values: Sequence[float], alpha: float) -> list[bool]:
    return e_benjamini_hochberg(e_values, alpha).tolist() if e_values else []


def _last_e(result: CanaryComparison | None, *, better: bool) -> float:
    if result is None or result.loss is None:
        return 0.0
    return _last(result.loss.e_below(0.0) if better else result.loss.e_above(0.0))


def _cohort(
    found: Paired,
    name: str,
    result: CanaryComparison | None,
    better: bool,
    worse: bool,
) -> CohortComparison:
    champion, candidate = measured(found.pairs)
    return CohortComparison(
        cohort=name,
        clients=len(found.pairs),
        examples=found.pairs.examples,
        champion_measured=champion,
        candidate_measured=candidate,
        difference=difference(result),
        better=better,
        worse=worse,
    )


def _whole_agreement(pairs: Pairs) -> FloatArray | None:
    """Agreement as McNemar's test needs it: counts, which declared noise may have broken."""
    told = pairs.agreement
    return np.rint(told.clip(min=0)) if told.any() else None


def _last(values: FloatArray) -> float:
    return _kept(values[-1])


def _kept(value: float) -> float:
    """As every database keeps it to the last digit: never -0.0, nor so large that it is whole."""
    return min(max(float(value), -LARGEST), LARGEST) + 0.0
