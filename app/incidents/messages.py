"""What a message says: what moved, where, since when, how sure, why perhaps, and what to do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.settings import Settings
from app.incidents.states import Event
from app.incidents.tables import Announcement, Incident
from app.retraining.tables import RetrainRequest

MOST_SUBJECTS = 5
MOST_IN_DIGEST = 50
RUNBOOKS = frozenset({"concept", "data", "participation", "drill", "registry", "review"})
CAUSES = {
    "concept": "what is to be predicted changed for the same inputs, or the labels did",
    "data": "the inputs changed: a feed, a unit, a category, or who the examples are of",
    "participation": "other clients take part than in the reference",
}
ORIGINS = {
    "virtual": "the inputs changed, and what is to be predicted from them did not",
    "label": "how often each label is changed, and nothing else",
    "real": "what is to be predicted changed for the same predictions",
    "mixed": "inputs or labels changed, and what is to be predicted with them",
}
NEXT_STEPS = {
    "concept": "check that the labels are sound; if so, acknowledge it and let retraining run",
    "data": "look at which inputs moved and at the feed behind them, then acknowledge it",
    "participation": "find out who is missing, and why, before trusting the federation's figures",
}


@dataclass(frozen=True)
class Telling:
    """A message before it has the form of its channel: a title, points and links, in order."""

    title: str
    points: Mapping[str, str]
    links: Mapping[str, str]

    def text(self) -> str:
        """Plain text, a line for each point and link."""
        lines = [f"{name}: {text}" for name, text in (*self.points.items(), *self.links.items())]
        return "\n".join(lines)


def told_of(
    incident: Incident,
    event: Event,
    federation: str,
    settings: Settings,
    last_time: Incident | None = None,
) -> Telling:
    """The message about a step of an incident; `last_time` is the one that it recurs of."""
    return Telling(
        title=f"{_head(incident, event)} {incident.title}",
        points=dict(_points(incident, event, last_time)),
        links=links_of(incident, federation, settings),
    )


def told_of_no_help(
    announcement: Announcement, incident: Incident | None, federation: str, settings: Settings
) -> Telling:
    """The message that a retraining did not help."""
    about = f": {incident.title}" if incident else ""
    links = links_of(incident, federation, settings) if incident else {}
    return Telling(
        title=f"Retraining did not help{about}",
        points={
            "Why": announcement.detail["why"],
            "Next": "look for another cause (wrong labels, a fault in the data); the policy does"
            " not ask again by itself until somebody allows it",
        },
        links=links or {"Console": home_of(federation, settings)},
    )


def told_of_request(
    request: RetrainRequest, event: Event, federation: str, settings: Settings
) -> Telling:
    """The message that retraining is asked for, or waits for a person's yes."""
    proposed = event is Event.RETRAINING_PROPOSED
    asked = "waits for a yes" if proposed else "is asked for"
    until = f"before {request.expires_at:%Y-%m-%d %H:%M} UTC"
    points = {
        "Why": request.reason,
        "What": f"start from version {request.base_version}; the plan is in the request",
        "Sum": (request.benefit or {}).get("sentence", ""),
        "Proposal": (request.proposal or {}).get("why", "") if proposed else "",
        "Next": f"approve it or cancel it {until}" if proposed else f"claim it {until}",
    }
    return Telling(
        title=f"Retraining of {request.model} {asked}",
        points={name: text for name, text in points.items() if text},
        links={"Console": home_of(federation, settings)},
    )


def told_of_digest(incidents: Sequence[Incident], federation: str, settings: Settings) -> Telling:
    """The one message about what was not worth one each."""
    lines = [
        f"[{incident.severity}, {incident.state}] {incident.title}"
        for incident in incidents[:MOST_IN_DIGEST]
    ]
    more = len(incidents) - MOST_IN_DIGEST
    return Telling(
        title=f"Digest: {len(incidents)} incidents of low severity",
        points={"What": "; ".join([*lines, *([f"{more} more"] if more > 0 else [])])},
        links={"Console": home_of(federation, settings)},
    )


def told_of_drill(drill: Announcement, federation: str, settings: Settings) -> Telling:
    """A message that nobody can take for a real one."""
    return Telling(
        title="[DRILL] This is a drill: no model has drifted",
        points={
            "What": f"{drill.detail['by']} tests whether alerts arrive; severity {drill.severity}",
            "Next": "tell them that you got this; there is nothing else to do",
        },
        links={"Console": home_of(federation, settings), "Runbook": runbook("drill", settings)},
    )


def told_of_test(announcement: Announcement, federation: str, settings: Settings) -> Telling:
    """The message by which one receiver is tried out."""
    return Telling(
        title="[TEST] A test of this webhook",
        points={"What": f"{announcement.detail['by']} tests it; nothing has happened"},
        links={"Console": home_of(federation, settings)},
    )


def links_of(incident: Incident, federation: str, settings: Settings) -> dict[str, str]:
    """Where to look on: the console, the report, the dashboard if there is one, the runbook."""
    home = home_of(federation, settings)
    links = {
        "Incident": f"{home}/incidents/{incident.id}",
        "Report": f"{home}/incidents/{incident.id}/report",
    }
    if settings.dashboard_url is not None:
        links["Dashboard"] = f"{settings.dashboard_url}?var-federation={federation}"
    return links | {"Runbook": runbook(incident.family, settings)}


def runbook(kind: str, settings: Settings) -> str:
    """The runbook of a kind of incident; the list of all for a kind without one."""
    page = kind if kind in RUNBOOKS else "README"
    return f"{settings.runbook_url.rstrip('/')}/{page}.md"


def home_of(federation: str, settings: Settings) -> str:
    """The federation's first page in the console."""
    return f"{settings.public_url.rstrip('/')}/f/{federation}"


def _head(incident: Incident, event: Event) -> str:
    if event is Event.ESCALATED:
        return f"[now {incident.severity}]"
    if event is Event.WORSENED:
        return f"[{incident.severity}, worse since step {incident.last_step}]"
    if event is Event.RESOLVED:
        return f"[resolved: {incident.resolution}]"
    if event is Event.UNACKNOWLEDGED:
        return f"[{incident.severity}, nobody acknowledged]"
    return f"[{incident.severity}]"


def again(last_time: Incident) -> str:
    """That something was there before, and how that ended."""
    resolution = (last_time.resolution or "").replace("_", " ")
    return f"last time resolved as {resolution} on {last_time.resolved_at:%Y-%m-%d}"


def _points(
    incident: Incident, event: Event, last_time: Incident | None
) -> Iterator[tuple[str, str]]:
    subjects = list(incident.evidence.get("subjects", []))
    explanation = incident.evidence.get("explanation") or {}
    yield "What", "; ".join(_moved(subjects)) or incident.subject
    if explanation:
        yield "Why", explanation["sentence"]
    yield "Where", _where(incident)
    yield "Since", f"{_onset(incident, explanation.get('onset'))}, {_known_for(incident)}"
    if last_time is not None:
        yield "Again", again(last_time)
    yield "How sure", "; ".join(_sureness(subjects)) or "see the verdicts"
    if event is Event.RESOLVED:
        return
    yield "Likely cause", _cause(incident)
    yield "Next", NEXT_STEPS.get(incident.family, "look at the evidence, then acknowledge it")


def _onset(incident: Incident, onset: Mapping[str, Any] | None) -> str:
    """When it began: between which rounds, if they were told apart."""
    if onset is None:
        return f"step {incident.onset_step}"
    first, low, high = onset["step"], onset["earliest_step"], onset["latest_step"]
    between = "" if low == high else f", between {low} and {high} with {onset['coverage']:.0%}"
    return f"step {first} ({onset['at'][:10]}){between}"


def _known_for(incident: Incident) -> str:
    opened = f"{incident.opened_at:%Y-%m-%d %H:%M} UTC"
    return f"known since {opened}; the newest evidence is of step {incident.last_step}"


def _moved(subjects: list[dict[str, Any]]) -> Iterator[str]:
    for subject in subjects[:MOST_SUBJECTS]:
        yield (
            f"{subject['subject']} by {subject['effect']:+.3g} {subject['effect_unit']}"
            f" ({subject['threshold']:.3g} matters)"
        )
    if len(subjects) > MOST_SUBJECTS:
        yield f"{len(subjects) - MOST_SUBJECTS} more"


def _where(incident: Incident) -> str:
    model = f"model {incident.model}, version {incident.version}"
    if incident.scope == "client":
        return f"one client; {model}"  # which one is for those who may see clients
    if incident.scope == "cohort":
        return f"cohort {incident.scope_key}; {model}"
    moved, judged = (incident.evidence.get(f"clients_{what}") for what in ("moved", "judged"))
    breadth = f", {moved} of {judged} clients moved the same way" if judged else ""
    return f"the whole federation{breadth}; {model}"


def _sureness(subjects: list[dict[str, Any]]) -> Iterator[str]:
    for subject in subjects[:MOST_SUBJECTS]:
        q_value, least = subject.get("q_value"), subject.get("minimum_detectable_effect")
        sure = f"q {q_value:.2g}" if q_value is not None else "no q-value"
        seen = f", could have seen {least:.2g}" if least is not None else ""
        yield f"{subject['subject']} {sure} by {subject['detector']}{seen}"


def _cause(incident: Incident) -> str:
    if _is_mix(incident.evidence):
        return "a change of who takes part, more than of what each client sees"
    origin = ((incident.evidence.get("explanation") or {}).get("origin") or {}).get("origin")
    cause = ORIGINS.get(origin or "") or CAUSES.get(incident.family, "not known")
    shared = {"cohort": " (something that this cohort shares)", "client": " (at this client alone)"}
    return cause + shared.get(incident.scope, "")


def _is_mix(evidence: Mapping[str, Any]) -> bool:
    within, mix = evidence.get("within_client"), evidence.get("participation_mix")
    return within is not None and mix is not None and abs(mix) > abs(within)
