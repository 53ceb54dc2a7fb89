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
    S.RESOLVED: frozenset({S.OPEN}),  # only where retraining closed it and did not help
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
    """A step that people are told of."""

    OPENED = "opened"
    ESCALATED = "escalated"  # it became more severe
    WORSENED = "worsened"  # a subject of it jumped once more
    UNACKNOWLEDGED = "unacknowledged"  # nobody took it on in time
    RESOLVED = "resolved"
    RETRAINING_REQUESTED = "retraining_requested"
    REGISTRY_DEVIATED = "registry_deviated"  # MLflow was changed behind Vigie's back
    REVIEW_OVERDUE = "review_overdue"  # of a model, by the inventory
    RETRAINING_PROPOSED = "retraining_proposed"  # a person has to say yes first
    RETRAINING_DID_NOT_HELP = "retraining_did_not_help"
    DIGEST = "digest"  # what waited for the day's one message
    DRILL = "drill"
    TEST = "test"  # of one webhook


class WebhookEvent(StrEnum):
    """What a webhook may ask for, under the `type` that its messages have."""

    OPENED = "incident.opened"
    ESCALATED = "incident.escalated"
    WORSENED = "incident.worsened"
    UNACKNOWLEDGED = "incident.unacknowledged"
    RESOLVED = "incident.resolved"
    RETRAINING_REQUESTED = "retraining.requested"
    REGISTRY_DEVIATED = "registry.deviated"
    REVIEW_OVERDUE = "inventory.review_overdue"
    RETRAINING_PROPOSED = "retraining.proposed"
    RETRAINING_DID_NOT_HELP = "retraining.did_not_help"


class ProposalState(StrEnum):
    """Where a proposed change of policy is."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


P = ProposalState
NEXT_OF_PROPOSAL: dict[ProposalState, frozenset[ProposalState]] = {
    P.PROPOSED: frozenset({P.ACCEPTED, P.DISMISSED}),
    P.ACCEPTED: frozenset(),
    P.DISMISSED: frozenset(),
}


class NoticeState(StrEnum):
    """Where a notice is."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"  # no attempt is left, or the receiver is gone
    DROPPED = "dropped"  # needless before it was sent: its receiver was removed or disabled
    SILENCED = "silenced"
    HELD = "held"  # for the next digest
    DIGESTED = "digested"


N = NoticeState
NEXT_OF_NOTICE: dict[NoticeState, frozenset[NoticeState]] = {
    N.PENDING: frozenset({N.SENT, N.FAILED, N.DROPPED}),
    N.SILENCED: frozenset({N.PENDING}),
    N.HELD: frozenset({N.DIGESTED}),
    N.SENT: frozenset(),
    N.FAILED: frozenset(),
    N.DROPPED: frozenset(),
    N.DIGESTED: frozenset(),
}
