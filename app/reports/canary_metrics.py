"""The metrics of a candidate's report, from the registry's comparison. Imports Evidently."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from evidently.core.metric_types import SingleValueMetric

from app.drift.measurements import LABEL, SCORE
from app.reports.content import EVERYBODY, Canary
from app.reports.metrics import Calibration, PairedDifference, SequentialTest
from app.reports.summaries import Summary

BINARY = 2


def metrics_of(content: Canary) -> Iterator[SingleValueMetric]:
    """What there is evidence for: fewer than three clients tell no difference, for example."""
    found = content.comparison
    whole = {**found, "cohort": found.get("cohort") or EVERYBODY}
    told = [part for part in (whole, *found["cohorts"]) if part["difference"] is not None]
    if found["difference"] is not None:
        yield _paired(told, found["difference"])
        if found.get("history"):
            yield _sequential(found["history"], found["difference"]["margin"])
    rails = {one["name"]: one for one in found.get("guardrails", ())}
    gap = rails.get("calibration")
    if gap is not None and gap["value"] is not None:
        yield _calibration(gap, content)


def _paired(told: Sequence[Mapping[str, Any]], whole: Mapping[str, Any]) -> PairedDifference:
    differences = [part["difference"] for part in told]
    return PairedDifference(
        cohorts=[part["cohort"] for part in told],
        clients=[part["clients"] for part in told],
        estimates=[one["log_loss"] for one in differences],
        lower=[one["lower"] for one in differences],
        upper=[one["upper"] for one in differences],
        champion_errors=[part["champion_measured"]["error_rate"] for part in told],
        candidate_errors=[part["candidate_measured"]["error_rate"] for part in told],
        confidence=whole["confidence"],
        margin=whole["margin"],
    )


def _sequential(history: Sequence[Mapping[str, Any]], margin: float) -> SequentialTest:
    columns = {name: [one[name] for one in history] for name in history[0]}
    return SequentialTest(
        rounds=columns["rounds"],
        estimates=columns["log_loss"],
        lower=columns["lower"],
        upper=columns["upper"],
        e_superior=columns["e_superior"],
        e_non_inferior=columns["e_non_inferior"],
        margin=margin,
    )


def _calibration(gap: Mapping[str, Any], content: Canary) -> Calibration:
    sides = content.sides[0]
    return Calibration(
        worse_by=gap["value"],
        lower=gap["lower"],
        upper=gap["upper"],
        limit=gap["limit"],
        state=gap["state"],
        champion_mean=_mean_score(sides.reference),
        candidate_mean=_mean_score(sides.current),
        label_share=_second_label(sides.reference),
    )


def _mean_score(side: Summary) -> float | None:
    scores = side.distributions.get(SCORE)
    if scores is None or scores.bins.mid_points is None:
        return None
    return float(np.dot(scores.shares, scores.bins.mid_points))


def _second_label(side: Summary) -> float | None:
    labels = side.distributions.get(LABEL)
    return None if labels is None or len(labels.shares) != BINARY else labels.shares[1]
