"""What incidents are worth: which known changes they found, how late, and how many were false."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.worlds.world import Change

Incident = dict[str, Any]
# An incident that opens so many rounds after a change is over may still be about it.
GRACE = 2
# An incident about something else that opens so soon after a change may be its consequence.
SETTLING = 8
FAMILIES = {"virtual": {"data"}, "label": {"concept", "label"}, "real": {"concept"}}


@dataclass(frozen=True)
class Found:
    """What became of a change: the incident that tells of it first, and how many rounds late.

    Without an incident the change was missed. `right_kind` is whether its kind (or, where it tells
    none, its family) is the change's.
    """

    change: Change
    incident: Incident | None
    delay: int | None
    right_kind: bool


def found(change: Change, incidents: Sequence[Incident], rounds: Sequence[str]) -> Found:
    """The first incident that opens in the change's scope, on one of its subjects, while it lasts.

    What is added to an incident that was open before tells nobody, and finds nothing.
    """
    first = _round_of(change.first, rounds)
    for incident in sorted(incidents, key=lambda one: int(one["opened_step"])):
        if _tells_of(incident, change, rounds):
            delay = int(incident["opened_step"]) - 1 - first
            return Found(change, incident, delay, _right_kind(incident, change))
    return Found(change, None, None, right_kind=False)


def false_alarms(
    incidents: Sequence[Incident], changes: Sequence[Change], rounds: Sequence[str]
) -> list[Incident]:
    """The incidents that nothing known explains: no change of their subjects goes on as they open.

    For a few rounds a change may show in other subjects and scopes than its own, too.
    """
    return [
        incident
        for incident in incidents
        if not any(
            (_while(incident, change, rounds) and _moved(incident, change))
            or _just_after(incident, change, rounds)
            for change in changes
        )
    ]


def _tells_of(incident: Incident, change: Change, rounds: Sequence[str]) -> bool:
    same_place = incident["scope"] == change.scope and (
        not change.clients or incident["scope_key"] in change.clients
    )
    return same_place and _moved(incident, change) and _while(incident, change, rounds)


def _moved(incident: Incident, change: Change) -> bool:
    return any(subject.startswith(change.subjects) for subject in subjects_of(incident))


def subjects_of(incident: Incident) -> set[str]:
    """All that ever drifted for an incident in its own scope."""
    behind = {
        str(verdict["subject"])
        for verdict in incident.get("verdicts", [])
        if verdict["scope"] == incident["scope"]
    }
    return behind | {str(incident["subject"])}


def _while(incident: Incident, change: Change, rounds: Sequence[str]) -> bool:
    last = len(rounds) if change.last is None else _round_of(change.last, rounds) + GRACE
    return _round_of(change.first, rounds) <= int(incident["opened_step"]) - 1 <= last


def _just_after(incident: Incident, change: Change, rounds: Sequence[str]) -> bool:
    return 0 <= int(incident["opened_step"]) - 1 - _round_of(change.first, rounds) <= SETTLING


def _round_of(time: str, rounds: Sequence[str]) -> int:
    """The last round that begins no later than a time."""
    return max((at for at, name in enumerate(rounds) if name <= time), default=0)


def _right_kind(incident: Incident, change: Change) -> bool:
    kind = incident["evidence"].get("kind")
    return kind == change.kind if kind else incident["family"] in FAMILIES[change.kind]
