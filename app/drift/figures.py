"""Figures on judging for Prometheus: what waits, what was judged, and how long that took.

The mean time of a judging over any window is `increase(vigie_evaluation_seconds_total[1h]) /
increase(vigie_evaluations_total[1h])`. No label names a federation, a model or a client.
"""

from sqlmodel import Session

from app.core import clock
from app.core.metrics import Sample, Source, by_label
from app.drift import repository
from app.rounds import service as rounds

ENDED = ("evaluated", "partial")


def _judged(session: Session) -> list[Sample]:
    """A series that is missing until something happens makes no rate."""
    none: dict[str, float] = dict.fromkeys(ENDED, 0)
    return by_label(none | repository.ended_by_state(session))


def _seconds(session: Session) -> list[Sample]:
    return [Sample(repository.seconds_of_judging(session))]


def _waiting(session: Session) -> list[Sample]:
    return [Sample(rounds.waiting(session).count)]


def _lag(session: Session) -> list[Sample]:
    since = rounds.waiting(session).since
    return [Sample(0.0 if since is None else (clock.now() - since).total_seconds())]


SOURCES = (
    Source("vigie_evaluations_total", "Judgings of rounds that ended.", _judged, ("state",)),
    Source("vigie_evaluation_seconds_total", "Seconds that judgings took, summed.", _seconds),
    Source("vigie_rounds_waiting", "Rounds that came in whole and are not judged.", _waiting),
    Source(
        "vigie_evaluation_lag_seconds",
        "Age of the oldest round that came in whole and is not judged; 0 if none is.",
        _lag,
    ),
)
