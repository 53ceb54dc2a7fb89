"""The canary comparison: is the candidate better, for whom is it not, and how sure is that.

Differences are candidate minus champion, in nats per example, so that below 0 the candidate is
better. The client is the unit: examples of one client are not independent.
"""

from collections.abc import Collection, Sequence

import numpy as np
from sqlmodel import Session

from app.federations import service as federations
from app.federations.policy import CanaryPolicy
from app.federations.tables import Federation
from app.registry.errors import NotACandidateError
from app.registry.pairing import FloatArray, Pair, add_confusions, cohorts_of, pairs_of
from app.registry.schemas import (
    CohortComparison,
    Comparison,
    Confusions,
    Difference,
    Measured,
    Recommendation,
)
from app.registry.versions import model_named, version_named
from app.rounds import service as rounds
from app.rounds.disclosure import clients_of_a_record, records_needed
from app.rounds.tables import Round
from detectors.clients.paired import LEAST_CLIENTS, CanaryComparison, compare_canary

WORDS = {"promote": "Promote", "keep_collecting": "Keep collecting", "reject": "Reject"}


def comparison(
    session: Session, federation: Federation, model_name: str, candidate: str
) -> Comparison:
    """The candidate beside the champion of now, over all canary rounds of the two.

    Raises:
        NotFoundError: if there is no such model or version.
        NotACandidateError: if the version is the champion.
    """
    version_named(session, federation.id, model_name, candidate)
    champion = model_named(session, federation.id, model_name).champion
    assert champion is not None  # a model with a version has one
    if candidate == champion:
        raise NotACandidateError(candidate)
    return comparison_of(session, federation, model_name, champion, candidate)


def comparison_of(
    session: Session, federation: Federation, model_name: str, champion: str, candidate: str
) -> Comparison:
    """Two versions side by side, over all canary rounds in which one ran beside the other."""
    measured = rounds.canary_rounds(session, federation.id, model_name, champion, candidate)
    reports = rounds.reports_of(session, [round_.id for round_ in measured])
    told = list(pairs_of(measured, reports).values())
    least = _least(federation, measured)
    pairs = told if len(told) >= least else []  # of fewer nothing may be shown
    policy = federations.policy_of(federation).canary
    # Every round since a recommendation was first possible is one more look at the evidence.
    look = max(1, len(measured) - policy.min_rounds + 1)
    result = _test(pairs, policy, look)
    champion_measured, candidate_measured = _measured(pairs) if pairs else (None, None)
    return Comparison(
        model=model_name,
        candidate=candidate,
        champion=champion,
        rounds=len(measured),
        round_ids=[round_.id for round_ in measured],
        clients=len(told),
        examples=sum(pair.n for pair in pairs),
        champion_measured=champion_measured,
        candidate_measured=candidate_measured,
        difference=_difference(result, policy),
        agreement=sum((pair.agreement for pair in pairs), np.zeros((2, 2))).tolist(),
        confusion=_confusion(pairs),
        cohorts=_cohorts(pairs, least, policy, look),
        recommendation=_recommendation(result, measured, policy, len(told), least),
    )


def _least(federation: Federation, measured: Sequence[Round]) -> int:
    """How many records it takes for the federation's minimum cohort size."""
    each = min((clients_of_a_record(round_.envelope) for round_ in measured), default=1)
    return records_needed(federation.min_cohort_size, each)


def _test(pairs: Sequence[Pair], policy: CanaryPolicy, look: int) -> CanaryComparison | None:
    if not pairs:
        return None
    return compare_canary(
        [pair.n for pair in pairs],
        [pair.champion_loss_sum for pair in pairs],
        [pair.candidate_loss_sum for pair in pairs],
        [pair.champion_correct for pair in pairs],
        [pair.candidate_correct for pair in pairs],
        _whole_agreement(pairs),
        margin=policy.non_inferiority_margin,
        alpha=1 - policy.confidence,
        look=look,
    )


def _whole_agreement(pairs: Sequence[Pair]) -> FloatArray | None:
    """Agreement as McNemar's test needs it: counts, which declared noise may have broken."""
    told = np.stack([pair.agreement for pair in pairs])
    return np.rint(told.clip(min=0)) if told.any() else None


def _measured(pairs: Collection[Pair]) -> tuple[Measured, Measured]:
    """Champion and candidate over all the pairs' examples."""
    n = sum(pair.n for pair in pairs)
    champion = Measured(
        log_loss=sum(pair.champion_loss_sum for pair in pairs) / n,
        error_rate=1 - sum(pair.champion_correct for pair in pairs) / n,
    )
    candidate = Measured(
        log_loss=sum(pair.candidate_loss_sum for pair in pairs) / n,
        error_rate=1 - sum(pair.candidate_correct for pair in pairs) / n,
    )
    return champion, candidate


def _difference(result: CanaryComparison | None, policy: CanaryPolicy) -> Difference | None:
    if result is None or result.loss.anytime_low is None or result.loss.anytime_high is None:
        return None
    return Difference(
        log_loss=result.loss.estimate + 0.0,  # never -0.0, which not every database keeps
        lower=result.loss.anytime_low + 0.0,
        upper=result.loss.anytime_high + 0.0,
        confidence=policy.confidence,
        p_superior=result.p_superiority,
        p_non_inferior=result.p_non_inferiority,
        e_superior=result.e_superiority,
        e_non_inferior=result.e_non_inferiority,
        look=result.look,
        margin=result.margin,
        p_mcnemar=result.p_mcnemar,
    )


def _confusion(pairs: Collection[Pair]) -> Confusions | None:
    total = add_confusions([pair.confusions for pair in pairs])
    if total is None:
        return None
    return Confusions(champion=total[0].tolist(), candidate=total[1].tolist())


def _cohorts(
    pairs: Sequence[Pair], least: int, policy: CanaryPolicy, look: int
) -> list[CohortComparison]:
    return [
        _cohort(cohort, members, policy, look)
        for cohort, members in cohorts_of(pairs, least).items()
    ]


def _cohort(
    cohort: str, members: Sequence[Pair], policy: CanaryPolicy, look: int
) -> CohortComparison:
    champion, candidate = _measured(members)
    return CohortComparison(
        cohort=cohort,
        clients=len(members),
        examples=sum(pair.n for pair in members),
        champion_measured=champion,
        candidate_measured=candidate,
        difference=_difference(_test(members, policy, look), policy),
    )


def _recommendation(
    result: CanaryComparison | None,
    measured: Sequence[Round],
    policy: CanaryPolicy,
    clients: int,
    least: int,
) -> Recommendation:
    if len(measured) < policy.min_rounds:
        missing = f"{len(measured)} of {policy.min_rounds} canary rounds so far"
    elif result is None or not result.sufficient_evidence:
        missing = f"{clients} of {max(LEAST_CLIENTS, least)} clients measured both versions"
    else:
        sentence = _sentence(result, len(measured), policy)
        return Recommendation(action=result.recommendation.value, sentence=sentence)
    return Recommendation(action="keep_collecting", sentence=f"Keep collecting: {missing}.")


def _sentence(result: CanaryComparison, count: int, policy: CanaryPolicy) -> str:
    loss = result.loss
    way = "lower" if loss.estimate < 0 else "higher"
    return (
        f"{WORDS[result.recommendation]}: the candidate's log loss is {abs(loss.estimate):.4f} nats"
        f" per example {way} ({policy.confidence:.0%} interval of the difference, whenever one"
        f" looks: {loss.anytime_low:+.4f} to {loss.anytime_high:+.4f}), over {count} rounds and"
        f" {result.clients} clients."
    )
