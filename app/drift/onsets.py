"""Since when a subject is out of stable: the first round of its present run.

The one place where an onset is taken from.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from app.drift import repository
from app.drift.tables import Verdict

LOOK_BACK = 50  # judged rounds; a run that is longer began at the first of them
OUT = frozenset({"warning", "drift"})
STABLE = "stable"
Outcomes = Mapping[int, Collection[str]]  # of all detectors, by global step


@dataclass(frozen=True, order=True)
class Series:
    """One subject in one scope, over rounds."""

    scope: str
    scope_key: str
    subject: str

    @staticmethod
    def of(verdict: Verdict) -> "Series":
        """The series that a verdict belongs to."""
        return Series(verdict.scope, verdict.scope_key, verdict.subject)


@dataclass(frozen=True)
class Timeline:
    """The global steps of a model's newest judged rounds, in order."""

    steps: Sequence[int]

    def apart(self, one: int, other: int) -> int:
        """How many judged rounds lie between two steps, the later one counted."""
        low, high = sorted((one, other))
        return sum(low < step <= high for step in self.steps)


def timeline(session: Session, federation_id: UUID, model: str, last_step: int) -> Timeline:
    """A model's newest judged rounds up to a step, which is one of them."""
    found = repository.judged_steps(session, federation_id, model, last_step, LOOK_BACK)
    return Timeline(sorted({*found, last_step}))


def onsets(session: Session, verdicts: Sequence[Verdict], rounds: Timeline) -> dict[Series, int]:
    """By series, the step since which it is out of stable against its reference.

    `verdicts` are of one round, and say which series are asked for.
    """
    if not verdicts:
        return {}
    told: dict[Series, dict[int, set[str]]] = {}
    for subject, scope, key, step, outcome in repository.outcomes(
        session, verdicts, rounds.steps[0]
    ):
        told.setdefault(Series(scope, key, subject), {}).setdefault(step, set()).add(outcome)
    now = verdicts[0].global_step
    earlier = [step for step in rounds.steps if step < now]
    return {
        series: _onset(series, told.get(series, {}), earlier, now)
        for series in map(Series.of, verdicts)
    }


def _onset(series: Series, told: Outcomes, earlier: Sequence[int], now: int) -> int:
    """Rounds that say nothing of it (too little evidence) neither end the run nor begin it."""
    run = [now, *_run(series, told, earlier)]
    return run[-1]


def _run(series: Series, told: Outcomes, earlier: Sequence[int]) -> Iterator[int]:
    for step in reversed(earlier):
        outcomes = frozenset(told.get(step, ()))
        if outcomes & OUT:
            yield step
        elif STABLE in outcomes or series.scope == "client":  # of these only drift is stored
            return
