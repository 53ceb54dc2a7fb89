"""Vigie's own figures as Evidently metrics, for all that rebuilt rows cannot carry.

Each metric holds the figures that Vigie has worked out, in its fields, and measures nothing on the
rows that Evidently hands it. Evidently is imported here: import this module where it is used.
"""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from evidently.core.datasets import Dataset
from evidently.core.metric_types import SingleValue, SingleValueCalculation, SingleValueMetric
from evidently.core.report import Context
from evidently.legacy.renderers import html_widgets
from evidently.metrics import ValueDrift
from evidently.metrics.column_statistics import ValueDriftCalculation

from app.reports.content import Trail
from app.reports.plots import BLUE, GREY, ORANGE, YELLOW, level, plot, points, upright
from app.reports.widgets import interval

COLOURS = {"drift": ORANGE, "warning": YELLOW, "stable": BLUE, "insufficient_evidence": GREY}
NOT_TOLD = -1.0  # of a figure that nobody told: Evidently knows no missing value


class Distance(ValueDrift):  # type: ignore[misc]  # Evidently ships no types
    """Evidently's distance of one column then and now, undrawn: the page draws the counts."""


class EffectOverRounds(SingleValueMetric):  # type: ignore[misc]
    """How far one subject was from its reference, round by round; the value is the newest."""

    subject: str
    scope: str
    unit: str
    detector: str
    threshold: float
    steps: list[int]
    effects: list[float | None]
    outcomes: list[str]
    q_values: list[float | None]


class PairedDifference(SingleValueMetric):  # type: ignore[misc]
    """Log loss of the candidate less the champion's on the same examples, by cohort; nats."""

    cohorts: list[str]
    clients: list[int]
    estimates: list[float]
    lower: list[float]
    upper: list[float]
    champion_errors: list[float]
    candidate_errors: list[float]
    confidence: float
    margin: float


class SequentialTest(SingleValueMetric):  # type: ignore[misc]
    """How the evidence grew, look by look; the value is the newest e-value of being better."""

    rounds: list[int]
    estimates: list[float]
    lower: list[float]
    upper: list[float]
    e_superior: list[float]
    e_non_inferior: list[float]
    margin: float


class Calibration(SingleValueMetric):  # type: ignore[misc]
    """How much farther the candidate's mean score is from the share that came true; probability.

    Clients tell scores and labels apart, so whether a score of 0.7 comes true in 70% of cases
    cannot be seen: this is calibration in the large.
    """

    worse_by: float
    lower: float | None
    upper: float | None
    limit: float
    state: str
    champion_mean: float | None
    candidate_mean: float | None
    label_share: float | None


class DistanceCalculation(ValueDriftCalculation, ABC):  # type: ignore[misc]  # ABC: bound below
    """Evidently's own, without its drawing, which takes most of its time."""

    def _render(self, *_drift_and_options: object) -> list[Any]:
        return []


Distance.__calculation_type__ = DistanceCalculation

Given = TypeVar("Given", bound=SingleValueMetric)


class _Calculation(SingleValueCalculation[Given], Generic[Given], ABC):  # type: ignore[misc]
    """A value that the metric brings, with its own widgets."""

    def calculate(
        self,
        context: Context,  # noqa: ARG002 - Evidently's signature
        current_data: Dataset,  # noqa: ARG002
        reference_data: Dataset | None,  # noqa: ARG002
    ) -> SingleValue:
        """The value, whatever the rows."""
        result: SingleValue = self.result(self.value())
        result.widget = self.widgets()
        return result

    @abstractmethod
    def value(self) -> float:
        """The one value."""

    @abstractmethod
    def widgets(self) -> list[Any]:
        """What the page shows of it."""


class EffectOverRoundsCalculation(_Calculation[EffectOverRounds]):
    """A line over the rounds, coloured by outcome, with the threshold both ways."""

    def display_name(self) -> str:
        """The subject and the scope."""
        one = self.metric
        return f"{one.subject}, {one.scope}: effect over rounds, {one.unit} ({one.detector})"

    def value(self) -> float:
        """The newest effect; `NOT_TOLD` where there is none."""
        effect = self.metric.effects[-1]
        return NOT_TOLD if effect is None else effect

    def widgets(self) -> list[Any]:
        """One figure."""
        one = self.metric
        trail = points(
            one.steps,
            one.effects,
            text=[outcome.replace("_", " ") for outcome in one.outcomes],
            mode="lines+markers",
            line={"color": GREY, "width": 1},
            marker={"color": [COLOURS.get(told, GREY) for told in one.outcomes], "size": 8},
            hovertemplate="step %{x}: %{y:.4g}, %{text}<extra></extra>",
        )
        sides = (
            (1, -1) if any(effect is not None and effect < 0 for effect in one.effects) else (1,)
        )
        limits = [level(side * one.threshold) for side in sides if one.threshold]
        title, unit = self.display_name(), one.unit or "effect"
        return [plot(title, [trail], x="global step", y=unit, lines=limits, half=True)]


class PairedDifferenceCalculation(_Calculation[PairedDifference]):
    """A forest of intervals, and the error rates of both versions."""

    def display_name(self) -> str:
        """What the figures are."""
        return "Log loss of the candidate less the champion's, nats per example"

    def value(self) -> float:
        """The difference over all clients."""
        return float(self.metric.estimates[0])

    def widgets(self) -> list[Any]:
        """A figure and a table."""
        one = self.metric
        intervals = points(
            one.estimates,
            [f"{name} ({n})" for name, n in zip(one.cohorts, one.clients, strict=True)],
            mode="markers",
            marker={"color": BLUE, "size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": _less(one.upper, one.estimates),
                "arrayminus": _less(one.estimates, one.lower),
            },
        )
        figure = plot(
            self.display_name(),
            [intervals],
            x="below 0 the candidate is better; dotted: the margin",
            lines=[upright(0), upright(one.margin, "dot", ORANGE)],
            more={"yaxis": {"autorange": "reversed", "automargin": True}},
        )
        rows = zip(
            one.cohorts,
            one.clients,
            map(_short, one.champion_errors),
            map(_short, one.candidate_errors),
            map(_short, one.estimates),
            [f"{_short(a)} to {_short(b)}" for a, b in zip(one.lower, one.upper, strict=True)],
            strict=True,
        )
        table = html_widgets.table_data(
            title=f"Error by cohort; intervals hold at all looks, {one.confidence:.0%}",
            column_names=[
                "cohort",
                "clients",
                "champion's error rate",
                "candidate's error rate",
                "log loss difference (nats)",
                "interval",
            ],
            data=[list(row) for row in rows],
        )
        return [figure, table]


class SequentialTestCalculation(_Calculation[SequentialTest]):
    """The difference with its interval, look by look."""

    def display_name(self) -> str:
        """What the figure is."""
        return "The sequential test: difference and interval after each look, nats per example"

    def value(self) -> float:
        """The newest e-value against a candidate no better."""
        return float(self.metric.e_superior[-1])

    def widgets(self) -> list[Any]:
        """One figure."""
        one, thin = self.metric, {"color": GREY, "width": 1}
        ends = [
            points(one.rounds, some, mode="lines", line=thin) for some in (one.lower, one.upper)
        ]
        middle = points(one.rounds, one.estimates, mode="lines+markers", line={"color": BLUE})
        lines = [level(0), level(one.margin, "dot", ORANGE)]
        traces, unit = [*ends, middle], "nats per example"
        return [plot(self.display_name(), traces, x="canary rounds", y=unit, lines=lines)]


class CalibrationCalculation(_Calculation[Calibration]):
    """A table of both mean scores and the share that came true."""

    def display_name(self) -> str:
        """What the figures are."""
        return "Calibration in the large: mean score against the share that came true"

    def value(self) -> float:
        """How much farther off the candidate is."""
        return float(self.metric.worse_by)

    def widgets(self) -> list[Any]:
        """A table."""
        one = self.metric
        rows = [
            ["mean score of the champion", _told(one.champion_mean)],
            ["mean score of the candidate", _told(one.candidate_mean)],
            ["share of the second label", _told(one.label_share)],
            [
                "the candidate is farther off by",
                f"{_short(one.worse_by)} (interval {interval(one.lower, one.upper)})",
            ],
            ["limit of the policy, and where this is", f"{_short(one.limit)}: {one.state}"],
        ]
        return [
            html_widgets.table_data(
                title=self.display_name(), column_names=["", "probability"], data=rows
            )
        ]


def effect_over_rounds(trail: Trail) -> EffectOverRounds:
    """The metric of a trail."""
    return EffectOverRounds(
        subject=trail.subject,
        scope=trail.scope,
        unit=trail.unit,
        detector=trail.detector,
        threshold=trail.threshold,
        steps=list(trail.steps),
        effects=list(trail.effects),
        outcomes=list(trail.outcomes),
        q_values=list(trail.q_values),
    )


def _less(ends: list[float], starts: list[float]) -> list[float]:
    return [end - start for end, start in zip(ends, starts, strict=True)]


def _short(value: float) -> str:
    return f"{value:.4g}"


def _told(value: float | None) -> str:
    return "not told" if value is None else _short(value)
