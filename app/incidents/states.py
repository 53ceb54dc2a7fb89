"""The life of an incident, as a table, and how it can end."""

from enum import StrEnum


class IncidentState(StrEnum):
    """Where an incident is; silence is beside it, not in it."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


S = IncidentState
NEXT: dict[IncidentState, frozenset[IncidentState]] = {
    S.OPEN: frozenset({S.ACKNOWLEDGED, S.RESOLVED}),
    S.ACKNOWLEDGED: frozenset({S.RESOLVED}),
    S.RESOLVED: frozenset(),
}


class Resolution(StrEnum):
    """Why an incident is over."""

    RETRAINED = "retrained"
    NEW_NORMAL = "new_normal"
    DATA_FAULT = "data_fault"
    FALSE_ALARM = "false_alarm"
    SUBSIDED = "subsided"
    WITHDRAWN = "withdrawn"  # the client that it was about left


class Severity(StrEnum):
    """How much it matters, the least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return list(Severity).index(self)


class Event(StrEnum):
    """A step of an incident that people are told of."""

    OPENED = "opened"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
