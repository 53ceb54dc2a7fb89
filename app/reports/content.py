"""What a report shows, gathered from the database: plain values, to be drawn without one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.drift.tables import RoundSubject, Verdict
from app.reports.summaries import Summary

EVERYBODY = "all clients"


@dataclass(frozen=True)
class VerdictLine:
    """One of Vigie's verdicts as the page shows it; effects in `unit`."""

    step: int  # of the round that it is on
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

    @classmethod
    def of(cls, verdict: Verdict) -> "VerdictLine":
        """The line of a verdict on a group."""
        return cls(
            step=verdict.global_step,
            subject=verdict.subject,
            scope=verdict.scope_key or verdict.scope,
            detector=verdict.detector,
            outcome=verdict.outcome,
            effect=verdict.effect,
            threshold=verdict.threshold,
            unit=verdict.effect_unit,
            statistic=verdict.statistic,
            p_value=verdict.p_value,
            q_value=verdict.q_value,
            minimum_detectable_effect=verdict.minimum_detectable_effect,
        )


@dataclass(frozen=True)
class Trail:
    """One subject in one scope, judged round by round: effects in `unit`, oldest round first."""

    subject: str
    scope: str
    unit: str
    detector: str  # whose effect the newest is
    threshold: float
    steps: tuple[int, ...]
    effects: tuple[float | None, ...]
    outcomes: tuple[str, ...]
    q_values: tuple[float | None, ...]

    @classmethod
    def of(cls, rows: Sequence[RoundSubject], outcomes: Sequence[str]) -> "Trail":
        """The trail of a series' rows, oldest first; `outcomes` name what the rows number."""
        last = rows[-1]
        return cls(
            subject=last.subject,
            scope=last.scope_key or EVERYBODY,
            unit=last.effect_unit,
            detector=last.detector,
            threshold=last.threshold,
            steps=tuple(row.global_step for row in rows),
            effects=tuple(row.effect for row in rows),
            outcomes=tuple(outcomes[row.outcome] for row in rows),
            q_values=tuple(row.q_value for row in rows),
        )


@dataclass(frozen=True)
class Sides:
    """A scope then and now, and which of its subjects are drawn: None for all that both have."""

    scope: str
    reference: Summary
    current: Summary
    subjects: frozenset[str] | None = None


@dataclass(frozen=True)
class Heading:
    """What every report begins with: its title, what it is about, and facts by name."""

    kind: str
    title: str
    about: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Drift:
    """A report on how things moved: of a round, an incident or a period."""

    heading: Heading
    sides: tuple[Sides, ...]
    trails: tuple[Trail, ...] = ()
    verdicts: tuple[VerdictLine, ...] = ()


@dataclass(frozen=True)
class Canary:
    """A report on a candidate beside a champion, on the same examples.

    `comparison` is the registry's, as JSON; of the `sides`, the champion is the reference.
    """

    heading: Heading
    comparison: Mapping[str, Any]
    labels: tuple[str, ...]
    sides: tuple[Sides, ...]


Content = Drift | Canary


@dataclass(frozen=True)
class Gathered:
    """A report's content, and the evidence that it is made from."""

    content: Content
    evidence_sha256: str


@dataclass(frozen=True)
class Drawn:
    """A report as a page and as JSON."""

    html: str
    document: dict[str, Any] = field(default_factory=dict)
