"""Figures on incidents and their delivery for Prometheus: counters, so that any window can be read.

MTTA over four weeks is `increase(vigie_incident_acknowledge_seconds_total[28d]) /
increase(vigie_incidents_acknowledged_total[28d])`; MTTR, alerts per week and the share of false
alarms likewise. No label names a federation, a model or a client: the API has those of one.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import Session

from app.core import clock
from app.core.metrics import Sample, Source, by_label
from app.federations.tables import Federation
from app.incidents import figures_repository as repository
from app.incidents.figures_repository import Span
from app.incidents.states import NoticeState, Resolution, Severity


@dataclass(frozen=True)
class Figures:
    """How a federation's incidents of some weeks were handled; None where nothing was."""

    weeks: int
    opened: int
    alerts_per_week: float
    mean_minutes_to_acknowledge: float | None
    mean_minutes_to_resolve: float | None
    false_alarm_share: float | None


def of_weeks(session: Session, federation: Federation, weeks: int) -> Figures:
    """Of the incidents that were opened in the newest weeks; alerts are their openings."""
    found = repository.handled_since(session, federation.id, clock.now() - timedelta(weeks=weeks))
    judged = found.false_alarms + found.confirmed
    return Figures(
        weeks=weeks,
        opened=found.opened,
        alerts_per_week=found.opened / weeks,
        mean_minutes_to_acknowledge=_minutes(found.to_acknowledge),
        mean_minutes_to_resolve=_minutes(found.to_resolve),
        false_alarm_share=found.false_alarms / judged if judged else None,
    )


def _minutes(span: Span) -> float | None:
    return span.seconds / span.count / 60 if span.count else None


def _opened(session: Session) -> list[Sample]:
    return by_label(_all(Severity) | repository.opened_by_severity(session))


def _resolved(session: Session) -> list[Sample]:
    return by_label(_all(Resolution) | repository.resolved_by_resolution(session))


def _acknowledged(session: Session) -> list[Sample]:
    return [Sample(repository.time_to_acknowledge(session).count)]


def _acknowledge_seconds(session: Session) -> list[Sample]:
    return [Sample(repository.time_to_acknowledge(session).seconds)]


def _resolve_seconds(session: Session) -> list[Sample]:
    return [Sample(repository.time_to_resolve(session).seconds)]


def _notices(session: Session) -> list[Sample]:
    return by_label(_all(NoticeState) | repository.notices_by_state(session))


def _attempts(session: Session) -> list[Sample]:
    return [Sample(repository.delivery_attempts(session))]


def _all(kind: type[Severity] | type[Resolution] | type[NoticeState]) -> dict[str, int]:
    """A series that is missing until something happens makes no rate."""
    return {value.value: 0 for value in kind}


SOURCES = (
    Source("vigie_incidents_opened_total", "Incidents opened.", _opened, ("severity",)),
    Source("vigie_incidents_resolved_total", "Incidents resolved.", _resolved, ("resolution",)),
    Source("vigie_incidents_acknowledged_total", "Incidents acknowledged.", _acknowledged),
    Source(
        "vigie_incident_acknowledge_seconds_total",
        "Seconds from opening to acknowledgement, summed.",
        _acknowledge_seconds,
    ),
    Source(
        "vigie_incident_resolve_seconds_total",
        "Seconds from opening to resolution, summed.",
        _resolve_seconds,
    ),
    Source("vigie_notices", "Notices by state.", _notices, ("state",)),
    Source("vigie_delivery_attempts_total", "Attempts to deliver notices.", _attempts),
)
