"""An Evidently page on one round against its reference, from pooled counts instead of rows.

Evidently measures distances between rows that are rebuilt from the counts, which is exact up to the
bins. What rebuilt rows cannot carry (p-values, scores per example, correlations) is not asked of
it: Vigie's own verdicts stand in the page's table instead. The page loads nothing from anywhere.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from app.drift.report_data import Bins, Distribution, Summary
from app.drift.report_rows import MOST_ROWS, frame

if TYPE_CHECKING:
    from evidently.legacy.model.widget import BaseWidgetInfo

# Drawing is what costs time; the subjects that moved most are drawn.
MOST_SUBJECTS = 60
# Evidently's script and styles are in the page; whatever else it might ask for is not loaded.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline';"
    " font-src data:; img-src data: blob:; base-uri 'none'; form-action 'none'"
)
NUMERIC_DISTANCE, CATEGORICAL_DISTANCE = "wasserstein", "jensenshannon"
DISTANCES = {
    NUMERIC_DISTANCE: "Wasserstein distance {:.3g} sd of the reference",
    CATEGORICAL_DISTANCE: "Jensen-Shannon distance {:.3g} of at most 0.83",
}
VERDICT_COLUMNS = (
    "subject",
    "scope",
    "detector",
    "outcome",
    "effect (threshold)",
    "statistic",
    "p",
    "q",
    "smallest effect to be seen",
)


@dataclass(frozen=True)
class VerdictLine:
    """One of Vigie's verdicts as the page shows it; effects in `unit`."""

    subject: str
    scope: str
    detector: str
    outcome: str
    effect: float | None
    threshold: float
    unit: str
    statistic: float | None
    p_value: float | None
    q_value: float | None
    minimum_detectable_effect: float | None


def build_html(
    reference: Summary, current: Summary, title: str, verdicts: Sequence[VerdictLine] = ()
) -> str:
    """The page, whole and self-contained: no network is needed to build or to read it."""
    _switch_telemetry_off()
    from evidently.core.metric_types import render_widgets  # noqa: PLC0415 - takes seconds

    shared = _shared_subjects(reference, current)
    drawn = shared[:MOST_SUBJECTS]
    distances = _distances(reference, current, drawn) if drawn else {}
    widgets = [
        _preface(title, reference, current, len(drawn), len(shared)),
        _performance(reference, current),
        _verdict_table(verdicts),
        *(_comparison(subject, reference, current, distances[subject]) for subject in drawn),
    ]
    return _sealed(render_widgets(widgets), title)


def total_variation(one: Distribution, other: Distribution) -> float:
    """Half the summed differences of shares, in [0, 1]; both on the same bins."""
    return float(np.abs(np.subtract(one.shares, other.shares)).sum() / 2)


def _switch_telemetry_off() -> None:
    os.environ["DO_NOT_TRACK"] = "1"


def _shared_subjects(reference: Summary, current: Summary) -> list[str]:
    """The subjects that both sides have on the same bins, the one that moved most first."""
    before, now = reference.distributions, current.distributions
    moved = {
        name: total_variation(before[name], now[name])
        for name in now
        if name in before and before[name].bins == now[name].bins
    }
    return sorted(moved, key=lambda name: -moved[name])


def _distances(reference: Summary, current: Summary, subjects: list[str]) -> Mapping[str, float]:
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415
    from evidently.metrics import ValueDrift  # noqa: PLC0415

    numeric = [name for name in subjects if current.distributions[name].bins.edges]
    definition = DataDefinition(
        numerical_columns=numeric,
        categorical_columns=[name for name in subjects if name not in numeric],
    )
    before, now = (
        Dataset.from_pandas(frame(side, subjects), definition) for side in (reference, current)
    )
    metrics = [ValueDrift(column=name, method=_method(current, name)) for name in subjects]
    # Evidently's own pass or fail would be a second opinion on no evidence: no tests.
    results = Report(metrics, include_tests=False).run(now, before).dict()["metrics"]
    return {result["config"]["column"]: float(result["value"]) for result in results}


def _method(side: Summary, subject: str) -> str:
    return NUMERIC_DISTANCE if side.distributions[subject].bins.edges else CATEGORICAL_DISTANCE


def _preface(
    title: str, reference: Summary, current: Summary, drawn: int, shared: int
) -> "BaseWidgetInfo":
    from evidently.legacy.renderers.html_widgets import text_widget  # noqa: PLC0415

    text = f"""
**{current.name}** ({current.n:,} examples, {current.clients} clients) against
**{reference.name}** ({reference.n:,} examples, {reference.clients} clients).

**Reconstructed from binned counts.** The clients' rows never left them. This page is made from
counts on shared bins, pooled over clients, so nothing narrower than a bin can be seen in it; the
width of the widest bin stands under each subject. Evidently's distances are computed on at most
{MOST_ROWS:,} rebuilt rows a side, every example at its bin's middle, scaled without randomness.
They say how far, not how sure: a p-value of the rebuilt sample would mean nothing, so none is
shown, and the rows have no joint meaning.

**Verdicts are Vigie's**, from the counts themselves, client by client and under one error budget;
they stand in the table. Counts with declared privacy noise are used as sent, negative ones as 0.

Subjects that both sides have on the same bins: {shared}; drawn, the most moved first: {drawn}.
"""
    return text_widget(title=title, text=text)


def _performance(reference: Summary, current: Summary) -> "BaseWidgetInfo":
    from evidently.legacy.renderers.html_widgets import table_data  # noqa: PLC0415

    rows = [
        ("examples", reference.n, current.n),
        ("log loss (nats per example)", _number(reference.log_loss), _number(current.log_loss)),
        ("error rate", _number(reference.error_rate), _number(current.error_rate)),
    ]
    return table_data(
        title="Performance, exact from pooled sums",
        column_names=["", reference.name, current.name],
        data=rows,
    )


def _verdict_table(verdicts: Sequence[VerdictLine]) -> "BaseWidgetInfo":
    from evidently.legacy.renderers.html_widgets import table_data  # noqa: PLC0415

    return table_data(
        title=f"Vigie's verdicts ({len(verdicts)})",
        column_names=list(VERDICT_COLUMNS),
        data=[_verdict_row(verdict) for verdict in verdicts],
    )


def _verdict_row(verdict: VerdictLine) -> list[str]:
    unit = f" {verdict.unit}".rstrip()
    return [
        verdict.subject,
        verdict.scope,
        verdict.detector,
        verdict.outcome.replace("_", " "),
        f"{_number(verdict.effect)}{unit} ({_number(verdict.threshold)})",
        _number(verdict.statistic),
        _number(verdict.p_value),
        _number(verdict.q_value),
        _number(verdict.minimum_detectable_effect),
    ]


def _comparison(
    subject: str, reference: Summary, current: Summary, distance: float
) -> "BaseWidgetInfo":
    from evidently.legacy.options import ColorOptions  # noqa: PLC0415
    from evidently.legacy.renderers import html_widgets as widgets  # noqa: PLC0415

    bins = current.distributions[subject].bins
    figure = widgets.get_histogram_figure(
        primary_hist=_bars("current", current.distributions[subject]),
        secondary_hist=_bars("reference", reference.distributions[subject]),
        color_options=ColorOptions(),
    )
    # A category may look like a number or a date; as an axis of those it would be misplaced.
    axis = {"type": "category", "title": _resolution(bins)}
    figure.update_layout(xaxis=axis, yaxis_title="share of examples")
    title = f"{subject}: {DISTANCES[_method(current, subject)].format(distance)}"
    return widgets.plotly_figure(title=title, figure=figure, size=widgets.WidgetSize.HALF)


def _resolution(bins: Bins) -> str:
    return "" if bins.width is None else f"{bins.unit}, in bins up to {bins.width:g} wide"


def _bars(name: str, distribution: Distribution) -> Any:  # noqa: ANN401 - Evidently ships no types
    import pandas as pd  # noqa: PLC0415
    from evidently.legacy.metric_results import HistogramData  # noqa: PLC0415

    shares = pd.Series(distribution.shares)
    return HistogramData(name=name, x=pd.Series(distribution.bins.names), count=shares)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def _sealed(html: str, title: str) -> str:
    """The page with a title, barred from the network, its data unable to end the script it is in.

    Evidently writes texts into a script as JSON, in which `<` may stand for itself: a text with
    `</script>` would break out.
    """
    start = html.index("<script>") + len("<script>")
    end = html.index("</script>\n    </head>")  # JSON has no line feed within a text
    data = html[start:end].replace("<", "\\u003c")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">'
    head = html[:start].replace("<head>", f"<head>{policy}<title>{escape(title)}</title>", 1)
    return head + data + html[end:]
