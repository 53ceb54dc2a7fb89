"""Verdicts as dashboards read them: one row for each subject in each scope."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from math import isfinite
from typing import Any

from app.drift.tables import RoundSubject, Verdict
from app.rounds.disclosure import Scope
from app.rounds.tables import Round

OUTCOMES = ("insufficient_evidence", "stable", "warning", "drift")  # the worst last
SPLIT = ("within_client", "participation_mix")
BREADTH = ("clients_judged", "clients_moved", "clients_drifting")


def rows_of(
    round_: Round, verdicts: Iterable[Verdict], shown: Collection[Scope]
) -> Iterator[RoundSubject]:
    """One row for each subject in each of the scopes that may be shown."""
    told = sorted((one for one in verdicts if (one.scope, one.scope_key) in shown), key=_place)
    for _, group in groupby(told, key=_place):
        yield _row(round_, list(group))


def worst_of(rows: Iterable[RoundSubject]) -> int:
    """The worst outcome on the whole federation; insufficient evidence where nothing was judged."""
    return max((row.outcome for row in rows if row.scope == "federation"), default=0)


def _place(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.scope, verdict.scope_key, verdict.subject


def _row(round_: Round, answers: Sequence[Verdict]) -> RoundSubject:
    counts = max(answers, key=_weight)
    worst = max(OUTCOMES.index(answer.outcome) for answer in answers)
    return RoundSubject(
        round_id=round_.id,
        scope=counts.scope,
        scope_key=counts.scope_key,
        subject=counts.subject,
        federation_id=round_.federation_id,
        model=round_.model,
        version=round_.version,
        global_step=round_.global_step,
        received_at=round_.received_at,
        family=counts.family,
        outcome=worst,
        detector=counts.detector,
        statistic=counts.statistic,
        effect=counts.effect,
        effect_unit=counts.effect_unit,
        effect_ratio=_ratio(counts),
        threshold=counts.threshold,
        q_value=counts.q_value,
        minimum_detectable_effect=counts.minimum_detectable_effect,
        **_explained(answers),
        error_budget=counts.error_budget,
        answers=[_answer(answer) for answer in answers],
    )


def _answer(verdict: Verdict) -> dict[str, Any]:
    return {
        "detector": verdict.detector,
        "outcome": verdict.outcome,
        "statistic": _finite(verdict.statistic),
        "p_value": _finite(verdict.p_value),
        "q_value": _finite(verdict.q_value),
    }


def _finite(value: float | None) -> float | None:
    """The number, as far as JSON knows it."""
    return value if value is not None and isfinite(value) else None


def _weight(verdict: Verdict) -> tuple[bool, int, float, str]:
    """Whose numbers are told; alarms of sequential detectors have none in the subject's unit."""
    outcome, ratio = OUTCOMES.index(verdict.outcome), _ratio(verdict)
    return verdict.threshold > 0, outcome, ratio or 0.0, verdict.detector


def _ratio(verdict: Verdict) -> float | None:
    if verdict.effect is None or not verdict.threshold:
        return None
    return abs(verdict.effect) / verdict.threshold


def _explained(answers: Sequence[Verdict]) -> dict[str, Any]:
    """What any of the answers tells of the split, and of how many clients moved."""
    told: dict[str, Any] = {}
    for verdict in answers:
        told = {**verdict.explanation, **told}
    return {name: told.get(name) for name in (*SPLIT, *BREADTH)}
