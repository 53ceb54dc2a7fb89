"""Notices: one row for each step of an incident and each channel, written with the step."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel import Session

from app.core import clock, outbox
from app.core.settings import settings
from app.incidents import repository
from app.incidents.states import Event
from app.incidents.tables import Incident, Notice, Silence

LOG, ALERTMANAGER = "log", "alertmanager"
DELIVER = "incidents.deliver_notice"


def announce(session: Session, incident: Incident, event: Event) -> None:
    """Write a notice for every channel and have it delivered, unless a silence holds."""
    at = clock.now()
    silent = is_silent(
        incident, repository.silences_in_force(session, [incident.federation_id], at)
    )
    for channel in _channels(session, incident):
        notice = Notice(
            federation_id=incident.federation_id,
            incident_id=incident.id,
            event=event.value,
            channel=channel,
            state="silenced" if silent else "pending",
            at=at,
        )
        session.add(notice)
        session.flush()
        if not silent:
            outbox.enqueue(session, DELIVER, notice.id)


def is_silent(incident: Incident, silences: Iterable[Silence]) -> bool:
    """Whether one of these silences, which hold now, matches the incident."""
    return any(
        silence.federation_id == incident.federation_id and _matches(silence.matchers, incident)
        for silence in silences
    )


def describe(incident: Incident, event: Event, link: str) -> tuple[str, str]:
    """Title and text of a message: what moved, where, since when, how sure, what to do next."""
    heads = {
        Event.OPENED: f"[{incident.severity}] {incident.title}",
        Event.ESCALATED: f"[now {incident.severity}] {incident.title}",
        Event.RESOLVED: f"[resolved: {incident.resolution}] {incident.title}",
    }
    lines = [f"Model {incident.model}, version {incident.version}."]
    lines += [_subject_line(subject) for subject in incident.evidence.get("subjects", [])]
    if event is not Event.RESOLVED:
        lines.append("Next: look at the evidence, then acknowledge, silence or resolve it.")
    lines.append(link)
    return heads[event], "\n".join(lines)


def _channels(session: Session, incident: Incident) -> list[str]:
    own = [channel.name for channel in repository.channels_of(session, incident.federation_id)]
    # Alertmanager belongs to the installation, not to a federation.
    shared = [LOG, ALERTMANAGER] if settings().alertmanager_url else [LOG]
    return shared + [name for name in own if name not in shared]


def _matches(matchers: Mapping[str, str], incident: Incident) -> bool:
    return all(getattr(incident, name) == value for name, value in matchers.items())


def _subject_line(subject: Mapping[str, Any]) -> str:
    effect = subject["effect"]
    sure = f"q {subject['q_value']:.2g}" if subject["q_value"] is not None else "no q-value"
    return (
        f"- {subject['subject']} ({subject['detector']}): {effect:+.3g} {subject['effect_unit']},"
        f" {sure}; practical from {subject['threshold']:.3g}"
    )
