"""From findings to verdicts: what is stored of an answer, and told."""

from collections.abc import Iterable, Iterator
from heapq import nsmallest
from operator import itemgetter
from typing import Any
from uuid import UUID, uuid5

import numpy as np

from app.core import clock
from app.drift.client_findings import DRIFT, IN_WORDS, OUTCOMES, ClientFindings, Missing
from app.drift.findings import Finding
from app.drift.tables import Evaluation, Verdict
from detectors import Outcome

GRAVITY = {
    Outcome.DRIFT: 0,
    Outcome.WARNING: 1,
    Outcome.INSUFFICIENT_EVIDENCE: 2,
    Outcome.STABLE: 3,
}


def of_finding(finding: Finding, evaluation: Evaluation, level: float) -> Verdict:
    """The verdict that a finding on the federation or a cohort is stored as."""
    return Verdict(
        **_common(evaluation, level),
        subject=finding.subject,
        family=finding.family,
        scope=finding.scope.kind,
        scope_key=finding.scope.key,
        detector=finding.detector,
        outcome=finding.outcome.value,
        statistic=finding.statistic,
        effect=finding.effect,
        effect_unit=finding.effect_unit,
        p_value=finding.p_value,
        q_value=finding.q_value,
        minimum_detectable_effect=finding.minimum_detectable_effect,
        threshold=finding.threshold,
        explanation=dict(finding.explanation),
    )


def of_clients(
    decided: Iterable[ClientFindings], evaluation: Evaluation, level: float, *, drifting: bool
) -> Iterator[Verdict]:
    """Clients' verdicts: those that drift, which are stored as rows too, or all of them.

    A verdict has the same id whenever it is asked for.
    """
    common = _common(evaluation, level)
    for one in decided:
        chosen = one.outcomes == DRIFT if drifting else np.ones(len(one.clients), dtype=np.bool_)
        for at in np.flatnonzero(chosen).tolist():
            yield _of_client(one, at, common, evaluation.id)


def gravest_of_clients(
    decided: Iterable[ClientFindings], evaluation: Evaluation, level: float, most: int
) -> list[Verdict]:
    """So many verdicts on clients, the gravest outcome first, then by client and subject.

    Rounds of many clients have thousands, of which a page shows few: the others are not made.
    """
    common = _common(evaluation, level)
    places = (
        (GRAVITY[OUTCOMES[outcome]], client, one.subject, one.detector, at, one)
        for one in decided
        for at, (outcome, client) in enumerate(
            zip(one.outcomes.tolist(), one.clients.tolist(), strict=True)
        )
    )
    chosen = nsmallest(most, places, key=itemgetter(0, 1, 2, 3))
    return [_of_client(one, at, common, evaluation.id) for *_, at, one in chosen]


def _of_client(
    one: ClientFindings, at: int, common: dict[str, Any], evaluation_id: UUID
) -> Verdict:
    client, missing = one.clients[at].decode(), Missing(one.missing[at])
    return Verdict(
        **common,
        id=uuid5(evaluation_id, f"{one.subject} {one.detector} {client}"),
        subject=one.subject,
        family=one.family,
        scope="client",
        scope_key=client,
        detector=one.detector,
        outcome=OUTCOMES[one.outcomes[at]].value,
        statistic=_number(one.answers.statistics[at]),
        effect=_number(one.answers.effects[at]),
        effect_unit=one.effect_unit,
        p_value=_number(one.answers.p_values[at]),
        q_value=_number(one.q_values[at]),
        minimum_detectable_effect=_number(one.answers.minimum_detectable_effects[at]),
        threshold=one.threshold,
        explanation={"missing": IN_WORDS[missing]} if missing else {},
    )


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _common(evaluation: Evaluation, level: float) -> dict[str, Any]:
    return {
        "federation_id": evaluation.federation_id,
        "round_id": evaluation.round_id,
        "reference_id": evaluation.reference_id,
        "model": evaluation.model,
        "version": evaluation.version,
        "global_step": evaluation.global_step,
        "error_budget": level,
        "policy_version": evaluation.policy_version,
        "at": evaluation.ended_at or clock.now(),
    }
