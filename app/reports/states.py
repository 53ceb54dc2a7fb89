"""Where a report is, and of what kind."""

from datetime import timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What a report is about."""

    ROUND = "round"
    INCIDENT = "incident"
    CANDIDATE = "candidate"  # a version beside the champion, as of now
    PROMOTION = "promotion"  # the same by the evidence that was frozen
    PERIOD = "period"


class ReportState(StrEnum):
    """Where a report is."""

    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"


S = ReportState
NEXT: dict[ReportState, frozenset[ReportState]] = {
    S.BUILDING: frozenset({S.BUILDING, S.READY, S.FAILED}),
    S.READY: frozenset({S.BUILDING}),
    S.FAILED: frozenset({S.BUILDING}),
}
# How long a report that is not ready stands before an ask has it built again: a failure may have
# passed, and work that the outbox gave up on would otherwise be waited for for ever.
PATIENCE = {S.FAILED: timedelta(minutes=10), S.BUILDING: timedelta(hours=2)}
