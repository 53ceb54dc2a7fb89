"""Reports by calendar: one for each period of a model that has closed, as the policy says.

Periods lie at fixed places, whenever one looks: of steps they begin at multiples of their length
plus 1, of days at midnight UTC of every so many days since 1970-01-01. Of those that have no report
the newest are made, `MOST_PERIODS` at most, so that a policy that is set late asks for no flood.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlmodel import Session

from app.core import clock
from app.drift import service as drift
from app.federations import service as federations
from app.federations.policy import ReportPolicy
from app.federations.tables import Federation
from app.registry import service as registry
from app.registry.tables import Model
from app.reports import of_period, pooling, repository, service
from app.rounds import service as rounds

SCHEDULE = "schedule"
MOST_PERIODS = 10
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Period:
    """A closed period: its name, and its global steps, both included."""

    name: str
    steps: tuple[int, int]


def ask_for_closed(session: Session) -> int:
    """Ask for the report of every model's newest closed periods; how many were new."""
    return sum(
        _ask(session, federation, model, policy)
        for federation in federations.everyone(session)
        if (policy := federations.policy_of(federation).reports).every_rounds or policy.every_days
        for model in registry.models_of(session, federation.id)
    )


def _ask(session: Session, federation: Federation, model: Model, policy: ReportPolicy) -> int:
    made, known = 0, repository.periods_of(session, federation.id, model.id)
    for period in _closed(session, federation, model, policy):
        if period.name in known:
            continue
        asked = of_period.asked(session, federation, model.id, period.name, period.steps)
        if asked is not None:
            service.ask(session, asked, SCHEDULE)
            made += 1
    return made


def _closed(
    session: Session, federation: Federation, model: Model, policy: ReportPolicy
) -> Iterator[Period]:
    if policy.every_rounds is not None:
        newest = drift.newest_judged_step(session, federation.id, model.name)
        yield from closed_steps(newest or 0, policy.every_rounds)
    for first, end in closed_days(clock.now(), policy.every_days or 0):
        found = rounds.received_between(session, federation.id, model.name, first, end)
        steps = [round_.global_step for round_ in pooling.judged(found)]
        if steps and len(steps) == len(found):  # what is not judged yet is waited for
            yield Period(_days(first, end), (min(steps), max(steps)))


def closed_steps(newest: int, length: int) -> Iterator[Period]:
    """The newest periods of so many steps that lie before a judged step, the newest first.

    >>> [period.name for period in closed_steps(newest=25, length=10)]
    ['steps 11 to 20', 'steps 1 to 10']
    """
    end = (newest - 1) // length * length
    for last in range(end, max(end - MOST_PERIODS * length, 0), -length):
        yield Period(f"steps {last - length + 1} to {last}", (last - length + 1, last))


def closed_days(now: datetime, length: int) -> Iterator[tuple[datetime, datetime]]:
    """When the newest closed periods of so many days began and ended; none of no days."""
    for back in range(MOST_PERIODS if length else 0):
        end = EPOCH + timedelta(days=((now - EPOCH) // timedelta(days=length) - back) * length)
        yield end - timedelta(days=length), end


def _days(first: datetime, end: datetime) -> str:
    last = end - timedelta(days=1)
    return f"{first:%Y-%m-%d}" if first == last else f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
