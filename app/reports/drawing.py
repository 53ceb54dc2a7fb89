"""From gathered content to an Evidently page and its JSON, from pooled counts instead of rows.

Evidently measures on rows that are rebuilt from the counts, where that is honest. What rebuilt rows
cannot carry (p-values, effects over rounds, paired differences) is not asked of it: Vigie's own
figures stand in the page as metrics of Vigie's. The page loads nothing from anywhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

from app.reports import measuring, widgets
from app.reports.content import Canary, Content, Drawn, Drift, Sides
from app.reports.measuring import Measured
from app.reports.rows import MOST_ROWS, rows_of
from app.reports.sealing import sealed

if TYPE_CHECKING:
    from evidently.legacy.model.widget import BaseWidgetInfo

# Drawing is what costs time; the subjects that moved most are drawn.
MOST_SUBJECTS = 60
MADE_FROM = f"""
**Reconstructed from binned counts.** The clients' rows never left them. This page is made from
counts on shared bins, pooled over clients, so nothing narrower than a bin can be seen in it; the
width of the widest bin stands under each subject. Evidently's distances are computed on at most
{MOST_ROWS:,} rebuilt rows a side, every example at its bin's middle, scaled by largest remainders.
Nothing is drawn at random, so there is no seed. They say how far, not how sure: a p-value of the
rebuilt sample would mean nothing, so none is shown, and the rows have no joint meaning.

**Verdicts are Vigie's**, from the counts themselves, client by client and under one error budget;
they stand in the table, and effects over rounds are theirs. Counts with declared privacy noise are
used as sent, negative ones as 0. What too few clients told is left out, and all else is rounded as
the minimum cohort size asks.
"""
PAIRED = """
**Differences are Vigie's**: both versions were measured on the same examples, the client is the
unit, and the intervals hold at every look. Evidently's accuracy, recall and precision are computed
on rows rebuilt from the confusion matrices; there, truth and prediction of one row do belong
together, so they are exact but for the rounding to whole rows.
"""


def draw(content: Content) -> Drawn:
    """The page, whole and self-contained, and the same as JSON.

    No network is needed to build or to read it.
    """
    measuring.switch_telemetry_off()
    from evidently.core.metric_types import render_widgets  # noqa: PLC0415 - takes seconds

    sheet = _Sheet(content)
    sheet.draw()
    html = render_widgets(sheet.widgets)
    return Drawn(sealed(html, content.heading.title), sheet.document())


class _Sheet:
    """A page that is being drawn: its widgets so far, and what Evidently measured for them."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.widgets: list[BaseWidgetInfo] = []
        self.measured: list[dict[str, Any]] = []
        self.samples: list[dict[str, Any]] = []

    def draw(self) -> None:
        """Draw it all: what it is made from first."""
        drawn = _shared_out(self.content.sides)
        self.widgets.append(widgets.preface(self.content.heading, self._words(drawn)))
        if isinstance(self.content, Canary):
            self._canary(self.content)
        else:
            self._drift(self.content)
        for sides, subjects in zip(self.content.sides, drawn, strict=True):
            self._distributions(sides, subjects)
        if isinstance(self.content, Drift):
            self.widgets.append(widgets.verdicts(self.content.verdicts))

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        import evidently  # noqa: PLC0415

        heading, told = self.content.heading, asdict(self.content)
        del told["heading"]
        told["sides"] = [_side_document(sides) for sides in self.content.sides]
        document = {
            **asdict(heading),
            "made_from": " ".join(self._notes().split()),
            "seed": None,
            "samples": self.samples,
            **told,
            "evidently": {"version": evidently.__version__, "metrics": self.measured},
        }
        return {name: _finite(value) for name, value in document.items()}

    def _notes(self) -> str:
        return MADE_FROM + (PAIRED if isinstance(self.content, Canary) else "")

    def _words(self, drawn: Sequence[Sequence[str]]) -> str:
        shared = sum(len(measuring.shared_subjects(sides)) for sides in self.content.sides)
        number = sum(map(len, drawn))
        told = f"Subjects that both sides have on the same bins: {shared}; drawn, the most moved"
        return f"{self._notes()}\n{told} first: {number}.\n"

    def _drift(self, content: Drift) -> None:
        from app.reports.metrics import effect_over_rounds  # noqa: PLC0415 - imports Evidently

        self.widgets += [widgets.performance(sides) for sides in content.sides]
        self._take(measuring.given([effect_over_rounds(trail) for trail in content.trails]))

    def _canary(self, content: Canary) -> None:
        from app.reports.canary_metrics import metrics_of  # noqa: PLC0415 - imports Evidently

        self._take(measuring.given(list(metrics_of(content))))
        labels = content.labels
        if content.comparison.get("confusion"):
            self.widgets.append(widgets.confusion(content.comparison["confusion"], labels))
        self._take(measuring.errors(content.sides[0], labels))
        self.widgets.append(widgets.guardrails(content.comparison["guardrails"]))

    def _distributions(self, sides: Sides, subjects: Sequence[str]) -> None:
        found, measured = measuring.distances(sides, subjects)
        self.measured += measured.results
        names = {"reference": sides.reference, "current": sides.current}
        rows = {f"{name}_rows": rows_of(side) for name, side in names.items()}
        self.samples.append({"scope": sides.scope, "subjects": list(subjects), **rows})
        self.widgets += [widgets.histogram(sides, name, found[name]) for name in subjects]

    def _take(self, measured: Measured) -> None:
        self.measured += measured.results
        self.widgets += [widget for some in measured.widgets.values() for widget in some]


def _finite(value: Any) -> Any:  # noqa: ANN401 - whatever JSON may hold
    """The same with null in place of numbers that JSON does not know."""
    if isinstance(value, dict):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _shared_out(sides: Sequence[Sides]) -> list[list[str]]:
    """Which subjects are drawn of each scope: `MOST_SUBJECTS` in all, the first scope first."""
    left, found = MOST_SUBJECTS, []
    for one in sides:
        found.append(measuring.shared_subjects(one)[:left])
        left -= len(found[-1])
    return found


def _side_document(sides: Sides) -> dict[str, Any]:
    return {"scope": sides.scope, "reference": dict(_plain(sides, "reference"))} | {
        "current": dict(_plain(sides, "current"))
    }


def _plain(sides: Sides, name: str) -> Iterator[tuple[str, Any]]:
    side = getattr(sides, name)
    for what in ("name", "n", "clients", "rounds", "log_loss", "error_rate"):
        yield what, getattr(side, what)
    shown = measuring.shared_subjects(sides)
    yield (
        "distributions",
        {
            subject: {
                "bins": list(side.distributions[subject].bins.names),
                "unit": side.distributions[subject].bins.unit,
                "shares": list(side.distributions[subject].shares),
            }
            for subject in shown
        },
    )
