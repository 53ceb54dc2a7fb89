"""The page's parts that Evidently does not measure: words, tables, and drawn counts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.reports.content import Heading, Sides, VerdictLine
from app.reports.measuring import is_numeric
from app.reports.plots import GREY, ORANGE, bars, plot
from app.reports.summaries import Bins

if TYPE_CHECKING:
    from evidently.legacy.model.widget import BaseWidgetInfo

DISTANCES = {
    True: "Wasserstein distance {:.3g} sd of the reference",
    False: "Jensen-Shannon distance {:.3g} of at most 0.83",
}
MOST_VERDICTS = 500  # rows of a table; all of them are in the JSON
VERDICT_COLUMNS = (
    "step",
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


def preface(heading: Heading, words: str) -> "BaseWidgetInfo":
    """The title, what the report is about, and what it is made from."""
    from evidently.legacy.renderers.html_widgets import text_widget  # noqa: PLC0415

    return text_widget(title=heading.title, text=f"**{heading.about}**\n{words}")


def performance(sides: Sides) -> "BaseWidgetInfo":
    """Both sides' rates, from pooled sums."""
    reference, current = sides.reference, sides.current
    rows = [
        ("rounds", reference.rounds, current.rounds),
        ("clients (the most in a round)", reference.clients, current.clients),
        ("examples", reference.n, current.n),
        ("log loss (nats per example)", number(reference.log_loss), number(current.log_loss)),
        ("error rate", number(reference.error_rate), number(current.error_rate)),
    ]
    title = f"Performance of {sides.scope}, from pooled sums"
    return _table(title, ["", reference.name, current.name], rows)


def verdicts(found: Sequence[VerdictLine]) -> "BaseWidgetInfo":
    """Vigie's verdicts, in the order in which they are given."""
    shown = found[:MOST_VERDICTS]
    more = "" if len(shown) == len(found) else f"; the first {len(shown)}, the JSON has all"
    title = f"Vigie's verdicts ({len(found)}{more})"
    return _table(title, VERDICT_COLUMNS, [_verdict(one) for one in shown])


def _verdict(verdict: VerdictLine) -> list[str]:
    unit = f" {verdict.unit}".rstrip()
    return [
        str(verdict.step),
        verdict.subject,
        verdict.scope,
        verdict.detector,
        verdict.outcome.replace("_", " "),
        f"{number(verdict.effect)}{unit} ({number(verdict.threshold)})",
        number(verdict.statistic),
        number(verdict.p_value),
        number(verdict.q_value),
        number(verdict.minimum_detectable_effect),
    ]


def confusion(matrices: Mapping[str, Any], labels: Sequence[str]) -> "BaseWidgetInfo":
    """Both confusion matrices as shares of each truth, and how they differ."""
    size = len(matrices["champion"])
    names = labels if len(labels) == size else [f"class {at}" for at in range(size)]
    rows = [
        [
            truth,
            *(
                f"{_share(matrices['champion'][at], to):.1%} to"
                f" {_share(matrices['candidate'][at], to):.1%}"
                for to in range(size)
            ),
        ]
        for at, truth in enumerate(names)
    ]
    title = "Confusion: of each truth, the share that is called so, champion to candidate"
    return _table(title, ["truth", *(f"called {name}" for name in names)], rows)


def guardrails(found: Sequence[Mapping[str, Any]]) -> "BaseWidgetInfo":
    """What may not get worse, and whether it did."""
    rows = [
        [
            one["name"].replace("_", " "),
            one["state"],
            "unknown" if one["value"] is None else f"{number(one['value'])} {one['unit']}",
            interval(one["lower"], one["upper"]),
            number(one["limit"]),
            ", ".join(one["cohorts"]),
        ]
        for one in found
    ]
    columns = ["guardrail", "state", "worse by", "interval", "limit", "cohorts"]
    return _table("Guardrails: candidate less champion, above 0 is worse", columns, rows)


def histogram(sides: Sides, subject: str, distance: float) -> "BaseWidgetInfo":
    """A subject's shares then and now, with Evidently's distance of the two."""
    current, reference = (side.distributions[subject] for side in (sides.current, sides.reference))
    names = current.bins.names
    traces = [
        bars(sides.reference.name, names, reference.shares, GREY),
        bars(sides.current.name, names, current.shares, ORANGE),
    ]
    where = "" if sides.scope == "all clients" else f", {sides.scope}"
    told = DISTANCES[is_numeric(sides.current, subject)].format(distance)
    title = f"{subject}{where}: {told}"
    # A category may look like a number or a date; as an axis of those it would be misplaced.
    axis = {"type": "category", "title": {"text": _resolution(current.bins)}}
    more = {"xaxis": axis, "showlegend": True, "legend": {"orientation": "h", "y": 1.2}}
    return plot(title, traces, x="", y="share of examples", half=True, more=more)


def number(value: float | None) -> str:
    """Three digits, or `none`."""
    return "none" if value is None else f"{value:.3g}"


def interval(lower: float | None, upper: float | None) -> str:
    """From here to there, or `none`."""
    if lower is None or upper is None:
        return "none"
    return f"{number(lower)} to {number(upper)}"


def _share(row: Sequence[float], to: int) -> float:
    total = sum(max(one, 0.0) for one in row)
    return max(row[to], 0.0) / total if total else 0.0


def _resolution(bins: Bins) -> str:
    return "" if bins.width is None else f"{bins.unit}, in bins up to {bins.width:g} wide"


def _table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> "BaseWidgetInfo":
    from evidently.legacy.renderers.html_widgets import table_data  # noqa: PLC0415

    return table_data(title=title, column_names=list(columns), data=[list(row) for row in rows])
