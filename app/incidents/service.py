"""Decisions on incidents: judge a round, open, update and close, and ask for retraining."""

from collections.abc import Sequence
from heapq import nlargest
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.errors import NotFoundError
from app.core.states import advance
from app.drift import service as drift
from app.drift.tables import Evaluation, Verdict
from app.federations import service as federations
from app.federations.policy import Policy
from app.federations.tables import Federation
from app.incidents import feedback, repository
from app.incidents.asking import after_round, ask_of
from app.incidents.explaining import explained
from app.incidents.grouping import (
    DRIFT,
    Cause,
    Evidence,
    evidence_of,
    openable,
    ratio_of,
    speaks_of,
)
from app.incidents.notices import announce
from app.incidents.states import NEXT, Event, IncidentState, Resolution, Severity
from app.incidents.tables import Incident, IncidentVerdict, Notice
from app.registry import service as registry
from app.retraining import service as retraining
from app.rounds import service as rounds
from app.rounds.tables import Round

BY_EVIDENCE = "evidence"


def on_round(session: Session, round_id: UUID) -> None:
    """Judge a round, and let incidents and retrain requests follow from it.

    While another of the model's rounds is being judged in shards it waits: that one's end has it
    judged.
    """
    round_ = rounds.received(session, round_id)
    registry.ask_for_watch(session, round_)
    drift.hold(session, round_.federation_id, round_.model)
    busy = drift.under_way(session, round_.federation_id, round_.model)
    if busy is not None and busy.round_id != round_id:
        return
    # Locked before anything may be written to the audit log, in the order of all who change them.
    known = repository.unresolved_of_model(session, round_.federation_id, round_.model)
    again = round_.evaluated_at is not None
    evaluation = drift.begin(session, round_)
    registry.keep_look(session, round_)
    if evaluation is not None and evaluation.shards == 1:
        _conclude(session, round_, evaluation, known, again=again)
    after_round(session, round_)


def on_shards_judged(session: Session, evaluation_id: UUID) -> None:
    """Conclude a round whose clients were judged in shards, and have the next one judged."""
    evaluation = drift.evaluation_to_conclude(session, evaluation_id)
    if evaluation is None:
        return
    round_ = rounds.received(session, evaluation.round_id)
    drift.hold(session, round_.federation_id, round_.model)
    known = repository.unresolved_of_model(session, round_.federation_id, round_.model)
    again = round_.evaluated_at is not None
    _conclude(session, round_, evaluation, known, again=again)
    for waiting in rounds.to_be_judged(session, round_.federation_id, round_.model):
        outbox.enqueue(session, rounds.EVALUATE, waiting, step=f"after {evaluation.id}")


def _conclude(
    session: Session,
    round_: Round,
    evaluation: Evaluation,
    known: list[Incident],
    *,
    again: bool,
) -> None:
    verdicts = drift.conclude(session, evaluation)
    _follow_up(session, round_, verdicts, known, again=again)
    stale = drift.stale(session, evaluation)
    if stale is not None:
        outbox.enqueue(session, rounds.EVALUATE, stale, step=f"since {evaluation.id}")


def _follow_up(
    session: Session,
    round_: Round,
    verdicts: Sequence[Verdict],
    known: list[Incident],
    *,
    again: bool,
) -> None:
    """Let incidents, and what they ask for, follow from the verdicts on a round."""
    federation = federations.get(session, round_.federation_id)
    policy = federations.policy_of(federation)
    causes = evidence_of(verdicts)
    for incident in known:
        _follow(session, incident, round_, verdicts, causes, policy, again=again)
    covered = {incident.family for incident in known if incident.scope == "federation"}
    for evidence in openable(causes, policy.incidents, covered):
        if all(incident.cause != evidence.cause.key(round_.model) for incident in known):
            opened = _open_if_it_persists(session, federation, round_, evidence, policy)
            known = [*known, opened] if opened else known
    for incident in known:
        if incident.last_step == round_.global_step and incident.state != IncidentState.RESOLVED:
            retraining.consider(session, federation, ask_of(incident))


def on_promotion_applied(session: Session, promotion_id: UUID) -> None:
    """Resolve what was open about the version that is no longer champion."""
    promotion = registry.promotion_with_id(session, promotion_id)
    if promotion.cohort:  # the version before still serves everybody else
        return
    model = registry.model_of(session, promotion)
    actor = f"promotion of version {promotion.candidate}"
    for incident in repository.unresolved_of_version(
        session, promotion.federation_id, model.name, promotion.champion
    ):
        _resolve(session, incident, actor, Resolution.RETRAINED)


def acknowledge(
    session: Session, federation: Federation, incident_id: UUID, actor: str
) -> Incident:
    """Take an incident on; it stays open for the evidence.

    Raises:
        IllegalTransitionError: if it is acknowledged or resolved already.
    """
    incident = _locked(session, federation, incident_id)
    before = incident.state
    _move(incident, IncidentState.ACKNOWLEDGED)
    incident.acknowledged_at, incident.acknowledged_by = clock.now(), actor
    _audit(session, incident, actor, "acknowledge", before)
    return incident


def resolve(
    session: Session,
    federation: Federation,
    incident_id: UUID,
    actor: str,
    resolution: Resolution,
    why: str,
) -> Incident:
    """Close an incident, saying why.

    Raises:
        IllegalTransitionError: if it is resolved already.
    """
    incident = _locked(session, federation, incident_id)
    _resolve(session, incident, actor, resolution, why)
    return incident


def end(session: Session, incident: Incident, actor: str, resolution: Resolution) -> None:
    """Close an incident whose reason is gone."""
    _resolve(session, incident, actor, resolution)


def reopen(session: Session, incident: Incident, actor: str, why: str) -> None:
    """Open a resolved incident again, since what closed it did not help."""
    before = incident.state
    _move(incident, IncidentState.OPEN)
    incident.acknowledged_at = incident.acknowledged_by = None
    incident.resolved_at = incident.resolved_by = incident.resolution = None
    incident.quiet_rounds = 0
    _audit(session, incident, actor, "reopen", before, why)


def list_of(
    session: Session, federation_id: UUID, *, state: str | None = None, limit: int = 50
) -> list[Incident]:
    """A federation's incidents, newest first."""
    return repository.of_federation(session, federation_id, state, limit)


def get(session: Session, federation_id: UUID, incident_id: UUID) -> Incident:
    """A federation's incident by id."""
    found = repository.incident_of(session, federation_id, incident_id)
    if found is None:
        raise NotFoundError("incident", incident_id)
    return found


def verdicts_behind(session: Session, incident: Incident) -> list[Verdict]:
    """The verdicts that are evidence of an incident, oldest round first."""
    return repository.verdicts_behind(session, incident.id)


def clients_behind(session: Session, incident: Incident, limit: int) -> list[Verdict]:
    """Drift of single clients in the newest round with evidence, of the family; strongest first."""
    behind = repository.verdicts_behind(session, incident.id)
    if not behind or incident.scope == "client":
        return []
    found = (
        verdict
        for verdict in drift.client_verdicts(session, behind[-1].round_id)
        if verdict.outcome == DRIFT and verdict.family == incident.family
    )
    return nlargest(limit, found, key=ratio_of)


def notices_of(session: Session, incident: Incident) -> list[Notice]:
    """What was sent about an incident, oldest first."""
    return repository.notices_of(session, incident.id)


def open_by_severity(session: Session) -> dict[str, int]:
    """How many incidents of all federations are not resolved, by severity."""
    return repository.open_by_severity(session)


def _follow(
    session: Session,
    incident: Incident,
    round_: Round,
    verdicts: Sequence[Verdict],
    causes: dict[Cause, Evidence],
    policy: Policy,
    *,
    again: bool,
) -> None:
    """Update an incident with a round: new evidence, or one quiet round more.

    The round may be of another version than the one that it opened with: the cause is the same. A
    round that arrives late, or is judged `again`, is no sign of quiet.
    """
    cause = Cause(incident.family, incident.scope, incident.scope_key)
    evidence = causes.get(cause)
    if evidence is not None:
        _add_evidence(session, incident, round_, evidence, policy)
    elif not again and round_.global_step > incident.last_step and speaks_of(verdicts, cause):
        incident.quiet_rounds += 1
        session.add(incident)
        if incident.quiet_rounds >= policy.incidents.quiet_rounds:
            _resolve(session, incident, BY_EVIDENCE, Resolution.SUBSIDED)


def _add_evidence(
    session: Session,
    incident: Incident,
    round_: Round,
    evidence: Evidence,
    policy: Policy,
) -> None:
    _link(session, incident, evidence)
    if round_.global_step >= incident.last_step:
        incident.quiet_rounds, incident.last_step = 0, round_.global_step
        incident.version = round_.version
        incident.subject = evidence.strongest.subject
        incident.title = evidence.title(incident.onset_step)
        incident.evidence = explained(session, evidence)
    session.add(incident)
    severity = evidence.severity(policy, round_.model)
    if severity.rank > Severity(incident.severity).rank:
        incident.severity = severity.value
        _audit(session, incident, BY_EVIDENCE, "escalate", incident.state)
        announce(session, incident, Event.ESCALATED)


def _open_if_it_persists(
    session: Session,
    federation: Federation,
    round_: Round,
    evidence: Evidence,
    policy: Policy,
) -> Incident | None:
    """Open an incident if enough of the newest rounds drifted for this cause.

    Rounds up to the last evidence of the cause's previous incident count for that one alone.
    """
    previous = repository.last_of_cause(session, federation.id, evidence.cause.key(round_.model))
    drifting = [
        step
        for step in _drifting_steps(session, round_, evidence.cause, policy.incidents.window)
        if previous is None or step > previous.last_step
    ]
    if len(drifting) < policy.incidents.persistence:
        return None
    incident = _new(session, federation, round_, evidence, policy, min(drifting), previous)
    _link(session, incident, evidence)
    _audit(session, incident, BY_EVIDENCE, "open", None)
    announce(session, incident, Event.OPENED)
    return incident


def _drifting_steps(session: Session, round_: Round, cause: Cause, window: int) -> list[int]:
    """The global steps of the rounds that drifted for a cause: this one, and those before it."""
    history = drift.recent_rounds_with_verdicts(
        session, round_.federation_id, round_.model, round_.version, round_.global_step, window
    )
    # Of several rounds at one step any may be the newest; the one at hand is always counted.
    earlier = [(other, found) for other, found in history if other.id != round_.id]
    before = earlier[max(0, len(earlier) - window + 1) :]
    return [
        *(other.global_step for other, found in before if cause in evidence_of(found)),
        round_.global_step,
    ]


def _new(
    session: Session,
    federation: Federation,
    round_: Round,
    evidence: Evidence,
    policy: Policy,
    onset_step: int,
    previous: Incident | None,
) -> Incident:
    incident = Incident(
        federation_id=federation.id,
        model=round_.model,
        version=round_.version,
        cause=evidence.cause.key(round_.model),
        family=evidence.cause.family,
        scope=evidence.cause.scope,
        scope_key=evidence.cause.scope_key,
        subject=evidence.strongest.subject,
        title=evidence.title(onset_step),
        severity=evidence.severity(policy, round_.model).value,
        opened_round=round_.id,
        opened_step=round_.global_step,
        onset_step=onset_step,
        last_step=round_.global_step,
        evidence=explained(session, evidence),
        opened_at=clock.now(),
        previous_incident=previous.id if previous else None,
    )
    session.add(incident)
    session.flush()
    return incident


def _link(session: Session, incident: Incident, evidence: Evidence) -> None:
    session.add_all(
        IncidentVerdict(incident_id=incident.id, verdict_id=verdict.id)
        for verdict in evidence.behind
    )


def _locked(session: Session, federation: Federation, incident_id: UUID) -> Incident:
    found = repository.locked(session, federation.id, incident_id)
    if found is None:
        raise NotFoundError("incident", incident_id)
    return found


def _move(incident: Incident, target: IncidentState) -> None:
    incident.state = advance("incident", NEXT, IncidentState(incident.state), target)


def _resolve(
    session: Session,
    incident: Incident,
    actor: str,
    resolution: Resolution,
    why: str | None = None,
) -> None:
    before = incident.state
    _move(incident, IncidentState.RESOLVED)
    incident.resolved_at, incident.resolved_by = clock.now(), actor
    incident.resolution = resolution.value
    _audit(session, incident, actor, "resolve", before, why)
    if resolution is Resolution.FALSE_ALARM:
        feedback.note(session, incident, actor)
    announce(session, incident, Event.RESOLVED)


def _audit(
    session: Session,
    incident: Incident,
    actor: str,
    verb: str,
    before: str | None,
    why: str | None = None,
) -> None:
    session.add(incident)
    audit.record(
        session,
        actor=actor,
        action=f"incident.{verb}",
        entity=f"incident:{incident.id}",
        federation_id=incident.federation_id,
        before={"state": before} if before else None,
        after={
            "state": incident.state,
            "title": incident.title,
            "severity": incident.severity,
            "resolution": incident.resolution,
        },
        why=why,
    )
