"""What Evidently measures itself: distances and errors on rows that are rebuilt from counts."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from app.reports.content import Sides
from app.reports.rows import frame, pairs
from app.reports.summaries import Distribution, Summary

if TYPE_CHECKING:
    from evidently.legacy.model.widget import BaseWidgetInfo

NUMERIC_DISTANCE, CATEGORICAL_DISTANCE = "wasserstein", "jensenshannon"
BINARY = 2
TRUTH, CALLED = "truth", "called"


@dataclass
class Measured:
    """What came of metrics: Evidently's own account of each, and their widgets by metric."""

    results: list[dict[str, Any]] = field(default_factory=list)
    widgets: dict[str, "list[BaseWidgetInfo]"] = field(default_factory=dict)


def total_variation(one: Distribution, other: Distribution) -> float:
    """Half the summed differences of shares, in [0, 1]; both on the same bins."""
    return float(np.abs(np.subtract(one.shares, other.shares)).sum() / 2)


def shared_subjects(sides: Sides) -> list[str]:
    """The subjects to draw that both sides have on the same bins, the one that moved most first."""
    before, now = sides.reference.distributions, sides.current.distributions
    moved = {
        name: total_variation(before[name], now[name])
        for name in now
        if name in before
        and before[name].bins == now[name].bins
        and (sides.subjects is None or name in sides.subjects)
    }
    return sorted(moved, key=lambda name: -moved[name])


def distances(sides: Sides, subjects: Sequence[str]) -> tuple[Mapping[str, float], Measured]:
    """Evidently's distance of each of these subjects; numeric ones by their order."""
    from evidently import DataDefinition  # noqa: PLC0415 - takes seconds, as all of Evidently

    from app.reports.metrics import Distance  # noqa: PLC0415

    if not subjects:
        return {}, Measured()
    numeric = [name for name in subjects if is_numeric(sides.current, name)]
    definition = DataDefinition(
        numerical_columns=numeric,
        categorical_columns=[name for name in subjects if name not in numeric],
    )
    metrics = [
        Distance(column=name, method=NUMERIC_DISTANCE if name in numeric else CATEGORICAL_DISTANCE)
        for name in subjects
    ]
    rows = [frame(side, list(subjects)) for side in (sides.current, sides.reference)]
    measured = _run(metrics, definition, rows[0], rows[1])
    found = {result["config"]["column"]: float(result["value"]) for result in measured.results}
    return found, measured


def is_numeric(side: Summary, subject: str) -> bool:
    """Whether a subject's bins have an order."""
    return bool(side.distributions[subject].bins.edges)


def errors(sides: Sides, labels: Sequence[str]) -> Measured:
    """Evidently's accuracy, recall and precision, of rows rebuilt from both confusion matrices.

    Of one row, truth and prediction belong together, so these are exact but for the rounding to
    whole rows. Nothing where a version told no matrix, or where a label never came true: Evidently
    would take it for one that does not exist.
    """
    from evidently import (  # noqa: PLC0415
        BinaryClassification,
        DataDefinition,
        MulticlassClassification,
    )
    from evidently.metrics import Accuracy, PrecisionByLabel, RecallByLabel  # noqa: PLC0415

    rows = [pairs(side, labels, TRUTH, CALLED) for side in (sides.current, sides.reference)]
    if any(one is None for one in rows):
        return Measured()
    columns = {"target": TRUTH, "prediction_labels": CALLED}
    task = (
        BinaryClassification(**columns, pos_label=labels[-1])
        if len(labels) == BINARY
        else MulticlassClassification(**columns)
    )
    definition = DataDefinition(classification=[task], categorical_columns=[TRUTH, CALLED])
    return _run([Accuracy(), RecallByLabel(), PrecisionByLabel()], definition, rows[0], rows[1])


def given(metrics: Sequence[Any]) -> Measured:
    """Metrics that bring their figures themselves, and need no rows."""
    import pandas as pd  # noqa: PLC0415
    from evidently import DataDefinition  # noqa: PLC0415

    nothing = pd.DataFrame({"nothing": [0]})
    return _run(metrics, DataDefinition(), nothing, nothing) if metrics else Measured()


def switch_telemetry_off() -> None:
    """Evidently would report its use to its makers; before it is imported."""
    os.environ["DO_NOT_TRACK"] = "1"


def _run(metrics: Sequence[Any], definition: Any, current: Any, reference: Any) -> Measured:  # noqa: ANN401 - Evidently ships no types
    from evidently import Dataset, Report  # noqa: PLC0415

    now, before = (Dataset.from_pandas(one, definition) for one in (current, reference))
    # Evidently's own pass or fail would be a second opinion on no evidence: no tests.
    snapshot = Report(metrics, include_tests=False).run(now, before)
    results = snapshot.metric_results
    widgets = {metric.metric_id: results[metric.metric_id].get_widgets() for metric in metrics}
    return Measured(snapshot.dict()["metrics"], widgets)
