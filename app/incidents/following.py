"""What follows from a judged round: incidents open, gather evidence and end; retraining is asked.

A round's drift is sorted into causes. What is known of becomes evidence of its incident; what is
new opens one once it persists, unless it is the flapping of one that was just resolved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlmodel import Session

from app.core import clock, tracing
from app.drift import service as drift
from app.drift.service import Series, Timeline
from app.drift.tables import Verdict
from app.federations import service as federations
from app.federations.policy import Policy
from app.federations.tables import Federation
from app.incidents import repository, steps
from app.incidents.asking import ask_of
from app.incidents.causes import Cause, Sorting, drifting_of
from app.incidents.explaining import explained
from app.incidents.grouping import Evidence, evidence_of, speaks_of
from app.incidents.notices import announce
from app.incidents.severity import criticality_of, ratio_of
from app.incidents.states import Event, IncidentState, Resolution, Severity
from app.incidents.tables import Incident, IncidentSeries, IncidentVerdict
from app.incidents.worsening import Level
from app.registry import service as registry
from app.retraining import service as retraining
from app.rounds.tables import Round

BY_EVIDENCE = "evidence"
Onsets = Mapping[Series, int]


@dataclass(frozen=True)
class Judged:
    """A judged round and all that it is looked at with."""

    session: Session
    federation: Federation
    policy: Policy
    round: Round
    verdicts: Sequence[Verdict]
    rounds: Timeline

    @cached_property
    def criticality(self) -> str:
        """How much rests on the model."""
        known = registry.criticality_of(self.session, self.federation.id, self.round.model)
        return known or criticality_of(self.policy, self.round.model)

    def severity(self, evidence: Evidence) -> Severity:
        """How bad it is."""
        return evidence.severity(self.policy, self.round.model, self.criticality)

    def document(self, evidence: Evidence) -> dict[str, object]:
        """What an incident keeps of its newest evidence."""
        weighed = evidence.weighed(self.policy, self.criticality)
        return {**explained(self.session, evidence), "severity": weighed.document()}


class Open:
    """An incident that is not resolved, with its series."""

    def __init__(self, incident: Incident, series: Sequence[IncidentSeries]) -> None:
        self.incident = incident
        self.rows = {Series(one.scope, one.scope_key, one.subject): one for one in series}
        self.turned: set[Series] = set()  # went back, and drift the other way now

    @property
    def place(self) -> tuple[str, str]:
        """Its scope and the key of that."""
        return self.incident.scope, self.incident.scope_key

    @property
    def onset_step(self) -> int:
        """Since when it has been going on."""
        return self.incident.onset_step

    @property
    def families(self) -> dict[Series, str]:
        """Its series, each with its family."""
        return {
            series: row.family for series, row in self.rows.items() if series not in self.turned
        }

    def turn(self, drifting: Mapping[Series, Sequence[Verdict]], onsets: Onsets) -> None:
        """Let go of what was stable meanwhile and drifts the other way now: for another cause."""
        self.turned = {
            series
            for series, row in self.rows.items()
            if series in drifting
            and row.direction * _direction(drifting[series][0]) < 0
            and onsets[series] > row.last_step
        }


def follow(
    session: Session,
    round_: Round,
    verdicts: Sequence[Verdict],
    known: Sequence[Incident],
    *,
    again: bool,
) -> None:
    """Let incidents, and what they ask for, follow from the verdicts on a round.

    `known` are the model's unresolved ones, locked; `again` is whether it was judged before.
    """
    federation = federations.get(session, round_.federation_id)
    rounds = drift.timeline(session, federation.id, round_.model, round_.global_step)
    policy = federations.policy_of(federation)
    judged = Judged(session, federation, policy, round_, verdicts, rounds)
    rows = repository.series_of(session, [incident.id for incident in known])
    open_ = [Open(incident, rows.get(incident.id, [])) for incident in known]
    sorted_ = _sorted(judged, open_)
    for one, cause in zip(open_, sorted_.under_way, strict=True):
        _update(judged, one, cause, again=again)
    opened = [_open_if_it_should(judged, cause) for cause in sorted_.new]
    for incident in (*known, *(one for one in opened if one is not None)):
        if incident.last_step == round_.global_step and incident.state != IncidentState.RESOLVED:
            retraining.consider(session, federation, ask_of(session, incident))


def _sorted(judged: Judged, known: Sequence[Open]) -> Sorting:
    drifting = drifting_of(judged.verdicts)
    first = [found[0] for found in drifting.values()]
    onsets = drift.onsets(judged.session, first, judged.rounds)
    for one in known:
        one.turn(drifting, onsets)
    return Sorting(judged.verdicts, known, onsets, judged.rounds, judged.policy.incidents)


def _update(judged: Judged, one: Open, cause: Cause, *, again: bool) -> None:
    """Update an incident with a round: new evidence, or one quiet round more.

    The round may be of another version than the one that it opened with: the cause is the same. A
    round that arrives late, or is judged `again`, is no sign of quiet.
    """
    incident = one.incident
    if cause.drifting:
        _add_evidence(judged, one, cause)
        return
    places = {(s.scope, s.scope_key, family) for s, family in one.families.items()}
    newer = judged.round.global_step > incident.last_step
    if not again and newer and speaks_of(judged.verdicts, places):
        incident.quiet_rounds += 1
        judged.session.add(incident)
        if incident.quiet_rounds >= judged.policy.incidents.quiet_rounds:
            steps.resolve(judged.session, incident, BY_EVIDENCE, Resolution.SUBSIDED)


def _add_evidence(judged: Judged, one: Open, cause: Cause) -> None:
    incident, evidence = one.incident, _evidence(cause)
    _link(judged, incident, evidence)
    newest = judged.round.global_step >= incident.last_step
    jumped = _note_series(judged, one.rows, incident, cause) if newest else False
    if newest:
        incident.quiet_rounds, incident.last_step = 0, judged.round.global_step
        incident.version = judged.round.version
        incident.subject = evidence.lead.subject
        if incident.subject == cause.feature:  # what its errors come from is known by now
            incident.family = evidence.lead.family
        incident.title = evidence.title(incident.onset_step)
        incident.evidence = judged.document(evidence)
    judged.session.add(incident)
    severity = judged.severity(evidence)
    if severity.rank > Severity(incident.severity).rank:
        incident.severity = severity.value
        steps.audit_step(judged.session, incident, BY_EVIDENCE, "escalate", incident.state)
        announce(judged.session, incident, Event.ESCALATED)
    elif jumped:
        steps.audit_step(judged.session, incident, BY_EVIDENCE, "worsen", incident.state)
        announce(judged.session, incident, Event.WORSENED, judged.round.global_step)


def _note_series(
    judged: Judged, rows: dict[Series, IncidentSeries], incident: Incident, cause: Cause
) -> bool:
    """Keep how far each of an incident's series has moved; whether one has jumped once more."""
    policy, jumps = judged.policy.incidents, False
    for series, verdicts in cause.drifting.items():
        row = rows.get(series) or _member(incident, series, verdicts[0], judged)
        ratio = max(map(ratio_of, verdicts))
        level = Level(row.level, row.newest)
        jumped = level.jumps_to(ratio, policy.worse_ratio)
        after = level.after(ratio, policy.onset_rounds, jumped=jumped)
        row.level, row.newest = after.settled, list(after.newest)
        row.last_step, row.direction = judged.round.global_step, _direction(verdicts[0])
        judged.session.add(row)
        jumps = jumps or jumped
    return jumps


def _member(incident: Incident, series: Series, verdict: Verdict, judged: Judged) -> IncidentSeries:
    """A series that an incident has from now on."""
    onset = drift.onsets(judged.session, [verdict], judged.rounds)[series]
    return IncidentSeries(
        incident_id=incident.id,
        scope=series.scope,
        scope_key=series.scope_key,
        subject=series.subject,
        family=verdict.family,
        onset_step=onset,
        last_step=judged.round.global_step,
    )


def _direction(verdict: Verdict) -> int:
    effect = verdict.effect or 0.0
    return (effect > 0) - (effect < 0)


def _open_if_it_should(judged: Judged, cause: Cause) -> Incident | None:
    """Open an incident if enough of the newest rounds drifted, and it is no flapping."""
    session, round_ = judged.session, judged.round
    previous = repository.last_resolved(
        session, judged.federation.id, round_.model, set(cause.drifting)
    )
    evidence = _evidence(cause)
    since = -1 if previous is None or previous.resolved_step is None else previous.resolved_step
    if round_.global_step <= since:
        return None
    if previous is not None and _flaps(judged, previous, evidence):
        _link(judged, previous, evidence)
        return None
    if not _persists(judged, cause, since):
        return None
    return _open(judged, cause, evidence, previous)


def _flaps(judged: Judged, previous: Incident, evidence: Evidence) -> bool:
    """Whether it is what was just resolved, of the same version, and no more severe."""
    if previous.resolved_step is None or previous.version != judged.round.version:
        return False
    apart = judged.rounds.apart(previous.resolved_step, judged.round.global_step)
    milder = judged.severity(evidence).rank <= Severity(previous.severity).rank
    return milder and apart <= judged.policy.incidents.hold_off_rounds


def _persists(judged: Judged, cause: Cause, since: int) -> bool:
    """Whether enough of the newest rounds after a step drifted for this cause."""
    policy = judged.policy.incidents
    if policy.persistence == 1:
        return True
    round_ = judged.round
    history = drift.recent_rounds_with_verdicts(
        judged.session,
        round_.federation_id,
        round_.model,
        round_.version,
        round_.global_step,
        policy.rounds_looked_at,
    )
    # Of several rounds at one step any may be the newest; the one at hand is always counted.
    earlier = [(other, found) for other, found in history if other.id != round_.id]
    drifted = sum(
        other.global_step > since and bool(drifting_of(found).keys() & cause.drifting.keys())
        for other, found in earlier[max(0, len(earlier) - policy.rounds_looked_at + 1) :]
    )
    return drifted + 1 >= policy.persistence


def _open(judged: Judged, cause: Cause, evidence: Evidence, previous: Incident | None) -> Incident:
    session, round_ = judged.session, judged.round
    onset = cause.onset_step
    if previous is not None and previous.resolved_step is not None:
        onset = min(
            (step for step in judged.rounds.steps if step > max(onset - 1, previous.resolved_step)),
            default=round_.global_step,
        )
    scope, scope_key = cause.place
    family = evidence.lead.family
    incident = Incident(
        federation_id=judged.federation.id,
        model=round_.model,
        version=round_.version,
        cause="/".join((round_.model, family, scope, scope_key, evidence.lead.subject, str(onset))),
        family=family,
        scope=scope,
        scope_key=scope_key,
        subject=evidence.lead.subject,
        title=evidence.title(onset),
        severity=judged.severity(evidence).value,
        opened_round=round_.id,
        opened_step=round_.global_step,
        onset_step=onset,
        last_step=round_.global_step,
        evidence=judged.document(evidence),
        opened_at=clock.now(),
        recurs_of=previous.id if previous else None,
    )
    session.add(incident)
    session.flush()
    _note_series(judged, {}, incident, cause)
    _link(judged, incident, evidence)
    with tracing.span("open incident", {"vigie.incident.id": str(incident.id)}):
        steps.audit_step(session, incident, BY_EVIDENCE, "open", None)
        announce(session, incident, Event.OPENED)
    return incident


def _evidence(cause: Cause) -> Evidence:
    drifting = (one for found in cause.drifting.values() for one in found)
    return evidence_of(cause.place, [*drifting, *cause.beside], cause.feature)


def _link(judged: Judged, incident: Incident, evidence: Evidence) -> None:
    judged.session.add_all(
        IncidentVerdict(incident_id=incident.id, verdict_id=verdict.id)
        for verdict in evidence.behind
    )
