"""Decisions on incidents: judge a round, open, update and close, and ask for retraining."""

from heapq import nlargest
from uuid import UUID

from sqlmodel import Session

from app.core import clock, context, outbox
from app.core.errors import NotFoundError
from app.drift import service as drift
from app.drift.tables import Evaluation, Verdict
from app.federations import service as federations
from app.federations.tables import Federation
from app.incidents import delivery_repository, following, repository, steps
from app.incidents.asking import after_round
from app.incidents.severity import ratio_of
from app.incidents.states import IncidentState, Resolution
from app.incidents.tables import Incident, IncidentSeries, Notice
from app.registry import service as registry
from app.rounds import service as rounds
from app.rounds.tables import Round


def on_round(session: Session, round_id: UUID) -> None:
    """Judge a round, and let incidents and retrain requests follow from it.

    While another of the model's rounds is being judged in shards it waits: that one's end has it
    judged.
    """
    round_ = _known(session, round_id)
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
    round_ = _known(session, evaluation.round_id)
    drift.hold(session, round_.federation_id, round_.model)
    known = repository.unresolved_of_model(session, round_.federation_id, round_.model)
    again = round_.evaluated_at is not None
    _conclude(session, round_, evaluation, known, again=again)
    for waiting in rounds.to_be_judged(session, round_.federation_id, round_.model):
        step = f"after {evaluation.id}"
        outbox.enqueue(session, rounds.EVALUATE, waiting, step=step, as_before=True)


def _known(session: Session, round_id: UUID) -> Round:
    """The round, which the work is about from here on."""
    round_ = rounds.received(session, round_id)
    context.note("federation", federations.get(session, round_.federation_id).name)
    context.note("round_id", round_id)
    return round_


def _conclude(
    session: Session,
    round_: Round,
    evaluation: Evaluation,
    known: list[Incident],
    *,
    again: bool,
) -> None:
    verdicts = drift.conclude(session, evaluation)
    following.follow(session, round_, verdicts, known, again=again)
    stale = drift.stale(session, evaluation)
    if stale is not None:
        step = f"since {evaluation.id}"
        outbox.enqueue(session, rounds.EVALUATE, stale, step=step, as_before=True)


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
        steps.resolve(session, incident, actor, Resolution.RETRAINED)


def acknowledge(
    session: Session, federation: Federation, incident_id: UUID, actor: str
) -> Incident:
    """Take an incident on; it stays open for the evidence.

    Raises:
        IllegalTransitionError: if it is acknowledged or resolved already.
    """
    incident = locked(session, federation, incident_id)
    before = incident.state
    steps.move(incident, IncidentState.ACKNOWLEDGED)
    incident.acknowledged_at, incident.acknowledged_by = clock.now(), actor
    steps.audit_step(session, incident, actor, "acknowledge", before)
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
    incident = locked(session, federation, incident_id)
    steps.resolve(session, incident, actor, resolution, why)
    return incident


def end(session: Session, incident: Incident, actor: str, resolution: Resolution) -> None:
    """Close an incident whose reason is gone."""
    steps.resolve(session, incident, actor, resolution)


def reopen(session: Session, incident: Incident, actor: str, why: str) -> None:
    """Open a resolved incident again, since what closed it did not help."""
    before = incident.state
    steps.move(incident, IncidentState.OPEN)
    incident.acknowledged_at = incident.acknowledged_by = None
    incident.resolved_at = incident.resolved_by = incident.resolution = None
    incident.resolved_step, incident.quiet_rounds = None, 0
    steps.audit_step(session, incident, actor, "reopen", before, why)


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


def series_of(session: Session, incident: Incident) -> list[IncidentSeries]:
    """The subjects and scopes that belong to an incident, the oldest first."""
    found = repository.series_of(session, [incident.id]).get(incident.id, [])
    return sorted(found, key=lambda one: (one.onset_step, one.scope, one.scope_key, one.subject))


def last_time(session: Session, incident: Incident) -> Incident | None:
    """The incident that another one recurs of."""
    return repository.last_time(session, incident)


def clients_behind(session: Session, incident: Incident, limit: int) -> list[Verdict]:
    """Drift of single clients in the newest round with evidence, of the family; strongest first."""
    behind = repository.verdicts_behind(session, incident.id)
    if not behind or incident.scope == "client":
        return []
    found = (
        verdict
        for verdict in drift.client_verdicts(session, behind[-1].round_id, drifting=True)
        if verdict.family == incident.family
    )
    return nlargest(limit, found, key=ratio_of)


def notices_of(session: Session, incident: Incident) -> list[Notice]:
    """What was sent about an incident, oldest first."""
    return delivery_repository.notices_of(session, incident.id)


def open_by_severity(session: Session) -> dict[str, int]:
    """How many incidents of all federations are not resolved, by severity."""
    return repository.open_by_severity(session)


def locked(session: Session, federation: Federation, incident_id: UUID) -> Incident:
    """A federation's incident by id, to be changed."""
    found = repository.locked(session, federation.id, incident_id)
    if found is None:
        raise NotFoundError("incident", incident_id)
    return found
