"""Decisions on retraining: who may train, and what came of it; asking has files of its own."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlmodel import Session

from app.audit.service import Actor
from app.core import clock
from app.core.errors import NotFoundError
from app.federations.tables import Federation
from app.registry import service as registry
from app.registry.schemas import VersionIn
from app.retraining import outcomes, repository
from app.retraining.approving import approve, roll_back_instead
from app.retraining.asking import ANNOUNCE, by_hand, consider, request
from app.retraining.deciding import BY_INCIDENT, RetrainAsk
from app.retraining.errors import LeaseLostError
from app.retraining.outcomes import assess, forgetting, to_be_assessed
from app.retraining.records import record
from app.retraining.scheduling import consider_all_schedules, consider_schedule
from app.retraining.schemas import CompleteIn, ProgressIn, RequestState
from app.retraining.states import HELD, end, move
from app.retraining.tables import RetrainingDecision, RetrainingOutcome, RetrainRequest

S = RequestState
BY_CLOCK = "clock"

__all__ = [
    "ANNOUNCE",
    "BY_INCIDENT",
    "RetrainAsk",
    "allow_again",
    "approve",
    "assess",
    "by_hand",
    "cancel",
    "claim",
    "complete",
    "consider",
    "consider_all_schedules",
    "consider_schedule",
    "decisions_of",
    "fail",
    "forget",
    "forgetting",
    "get",
    "list_of",
    "of_incident",
    "outcome_of",
    "outcomes_of_incident",
    "progress",
    "release_expired",
    "request",
    "roll_back_instead",
    "to_be_assessed",
]


def claim(
    session: Session, federation: Federation, model: str, claimer: str, lease_seconds: int
) -> RetrainRequest | None:
    """Hand the model's waiting request to a claimer, under a lease; None when none waits.

    The holder of a lease that claims again gets its request back: a lost answer is harmless.
    """
    found = repository.open_of(session, federation.id, model)
    if found is None:
        return None
    if found.state in HELD and found.claimed_by == claimer:
        _renew(found)
        session.add(found)
        return found
    if found.state != S.REQUESTED:
        return None
    before = found.state
    move(found, S.CLAIMED)
    found.claimed_by = claimer
    found.progress = {"lease_seconds": lease_seconds}
    _renew(found)
    record(session, found, claimer, "claim", before)
    return found


def progress(
    session: Session, federation: Federation, request_id: UUID, body: ProgressIn
) -> RetrainRequest:
    """Note how far the training is, and renew the lease.

    Raises:
        LeaseLostError: if the claimer does not hold the request.
    """
    found = _held(session, federation, request_id, body.claimer)
    before = found.state
    move(found, S.RUNNING)
    found.progress = {
        "lease_seconds": _lease_seconds(found),
        "completed_rounds": body.completed_rounds,
        "total_rounds": body.total_rounds,
        "message": body.message,
    }
    _renew(found)
    session.add(found)
    if before != found.state:
        record(session, found, body.claimer, "start", before)
    return found


def complete(
    session: Session,
    federation: Federation,
    request_id: UUID,
    body: CompleteIn,
    caller: Actor | None = None,
) -> RetrainRequest:
    """Register the trained version as the model's candidate, made by whoever calls.

    The same claimer completing again with the same weights gets the same answer.

    Raises:
        LeaseLostError: if the claimer does not hold the request.
    """
    found = _locked(session, federation, request_id)
    if _is_done(session, found, body):
        return found
    _require_held(found, body.claimer)
    before = found.state
    version = registry.register(
        session,
        federation,
        found.model,
        VersionIn(
            run=body.run,
            weights_sha256=body.weights_sha256,
            parent_version=found.base_version,
            artifact_uri=body.artifact_uri,
            note=body.note,
        ),
        Actor(body.claimer, caller.id, caller.login) if caller else body.claimer,
        retrain_request_id=found.id,
        incident_id=found.incident_id,
    )
    found.result_version = version.version
    found.progress = {"completed_rounds": body.rounds, "total_rounds": body.rounds}
    end(found, S.COMPLETED)
    record(session, found, body.claimer, "complete", before)
    return found


def fail(
    session: Session, federation: Federation, request_id: UUID, claimer: str, reason: str
) -> RetrainRequest:
    """Note that the training failed, and why.

    Raises:
        LeaseLostError: if the claimer does not hold the request.
    """
    found = _held(session, federation, request_id, claimer)
    before = found.state
    found.failure = reason
    end(found, S.FAILED)
    record(session, found, claimer, "fail", before, reason)
    return found


def cancel(
    session: Session, federation: Federation, request_id: UUID, actor: str, reason: str
) -> RetrainRequest:
    """Withdraw a request that has not ended; a holder learns of it at its next progress call."""
    found = _locked(session, federation, request_id)
    before = found.state
    end(found, S.CANCELLED)
    record(session, found, actor, "cancel", before, reason)
    return found


def release_expired(session: Session) -> int:
    """Take requests back whose lease ran out, and end those that nobody claimed; how many."""
    at = clock.now()
    lapsed = repository.with_lapsed_lease(session, at)
    for found in lapsed:
        before = found.state
        move(found, S.REQUESTED)
        found.claimed_by = found.lease_until = found.progress = None
        record(session, found, BY_CLOCK, "release", before)
    expired = repository.unclaimed_past(session, at)
    for found in expired:
        before = found.state
        end(found, S.EXPIRED)
        record(session, found, BY_CLOCK, "expire", before)
    return len(lapsed) + len(expired)


def list_of(session: Session, federation_id: UUID, limit: int = 50) -> list[RetrainRequest]:
    """A federation's requests, newest first."""
    return repository.of_federation(session, federation_id, limit)


def of_incident(session: Session, federation_id: UUID, incident_id: UUID) -> list[RetrainRequest]:
    """The requests that an incident made, oldest first."""
    return repository.of_incident(session, federation_id, incident_id)


def decisions_of(
    session: Session, federation_id: UUID, *, incident_id: UUID | None = None, limit: int = 50
) -> list[RetrainingDecision]:
    """Whether retraining was asked for, and why or why not: newest first."""
    return repository.decisions_of(session, federation_id, incident_id, limit)


def outcome_of(session: Session, federation: Federation, request_id: UUID) -> RetrainingOutcome:
    """Whether a retraining helped.

    Raises:
        NotFoundError: while it is open, or if there is no such request.
    """
    found = repository.outcome_of(session, federation.id, request_id)
    if found is None:
        raise NotFoundError("outcome of retrain request", request_id)
    return found


def outcomes_of_model(session: Session, federation_id: UUID, model: str) -> list[RetrainingOutcome]:
    """What came of a model's retrainings, oldest first."""
    return repository.outcomes_of(session, federation_id, model)


def outcomes_of_incident(
    session: Session, federation_id: UUID, incident_id: UUID
) -> list[RetrainingOutcome]:
    """What came of the retrainings that an incident asked for, oldest first."""
    return repository.outcomes_of_incident(session, federation_id, incident_id)


def allow_again(
    session: Session, federation: Federation, request_id: UUID, actor: str, why: str
) -> RetrainingOutcome:
    """Let the policy try again after a retraining that did not help.

    Raises:
        NotFoundError: if the request has no outcome yet.
    """
    return outcomes.allow_again(session, outcome_of(session, federation, request_id), actor, why)


def get(session: Session, federation: Federation, request_id: UUID) -> RetrainRequest:
    """A federation's request by id."""
    found = repository.request_of(session, federation.id, request_id)
    if found is None:
        raise NotFoundError("retrain request", request_id)
    return found


def forget(session: Session, federation_id: UUID, clients: Collection[str]) -> None:
    """Take clients that withdrew out of those that open requests want to train."""
    for found in repository.with_trainees(session, federation_id):
        found.trainees = [one for one in found.trainees or () if one not in clients]
        session.add(found)


def _locked(session: Session, federation: Federation, request_id: UUID) -> RetrainRequest:
    found = repository.locked(session, federation.id, request_id)
    if found is None:
        raise NotFoundError("retrain request", request_id)
    return found


def _held(
    session: Session, federation: Federation, request_id: UUID, claimer: str
) -> RetrainRequest:
    found = _locked(session, federation, request_id)
    _require_held(found, claimer)
    return found


def _is_done(session: Session, found: RetrainRequest, body: CompleteIn) -> bool:
    """Whether this very version has completed the request: the answer to it was lost."""
    if found.result_version is None or found.claimed_by != body.claimer:
        return False
    made = registry.version_named(session, found.federation_id, found.model, found.result_version)
    return (made.run, made.weights_sha256) == (body.run, body.weights_sha256)


def _require_held(found: RetrainRequest, claimer: str) -> None:
    if found.state not in HELD or found.claimed_by != claimer:
        raise LeaseLostError(claimer, found.state)


def _renew(found: RetrainRequest) -> None:
    found.lease_until = clock.now() + timedelta(seconds=_lease_seconds(found))


def _lease_seconds(found: RetrainRequest) -> int:
    return int((found.progress or {}).get("lease_seconds", 60))
