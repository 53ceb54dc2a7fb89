"""Decisions on retraining: whether to ask, who may train, what came of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.errors import NotFoundError
from app.core.states import advance
from app.federations import service as federations
from app.federations.policy import RetrainingPolicy
from app.federations.tables import Federation
from app.registry import service as registry
from app.registry.schemas import VersionIn
from app.retraining import repository
from app.retraining.errors import LeaseLostError, RequestOpenError
from app.retraining.schemas import CompleteIn, ProgressIn, RequestState
from app.retraining.tables import RetrainRequest
from app.rounds import service as rounds

S = RequestState
NEXT: dict[RequestState, frozenset[RequestState]] = {
    S.REQUESTED: frozenset({S.CLAIMED, S.EXPIRED, S.CANCELLED}),
    S.CLAIMED: frozenset({S.RUNNING, S.COMPLETED, S.FAILED, S.REQUESTED, S.CANCELLED}),
    S.RUNNING: frozenset({S.RUNNING, S.COMPLETED, S.FAILED, S.REQUESTED, S.CANCELLED}),
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.EXPIRED: frozenset(),
    S.CANCELLED: frozenset(),
}
HELD = frozenset({S.CLAIMED, S.RUNNING})
BY_POLICY, BY_CLOCK = "policy", "clock"
ANNOUNCE = "incidents.announce_request"  # people and FL servers are told of a request


@dataclass(frozen=True)
class RetrainAsk:
    """Why retraining is asked for: the version that drifted, how badly, in which round."""

    model: str
    base_version: str
    severity: str
    family: str
    step: int
    reason: str
    incident_id: UUID | None = None
    plan: dict[str, Any] = field(default_factory=dict)


def consider(session: Session, federation: Federation, ask: RetrainAsk) -> RetrainRequest | None:
    """Ask for retraining if the federation's policy says so; None if it does not.

    Nothing is asked while a request for the model is open, nor within the cooldown after one.
    """
    policy = federations.policy_of(federation).retraining
    wanted = (
        policy.automatic and ask.severity in policy.severities and ask.family in policy.families
    )
    if not wanted or repository.is_open(session, federation.id, ask.model):
        return None
    newest = repository.newest_of(session, federation.id, ask.model)
    if newest is not None and ask.step - newest.requested_step < policy.cooldown_rounds:
        return None
    return _ask(session, federation, ask, policy, BY_POLICY)


def by_hand(session: Session, federation: Federation, model: str, reason: str) -> RetrainAsk:
    """What a person asks for: the champion retrained on the newest rounds.

    Raises:
        NotFoundError: if the federation has no such model, or it has no version yet.
    """
    champion = registry.model_named(session, federation.id, model).champion
    if champion is None:
        raise NotFoundError("champion of", model)
    newest = rounds.recent(session, federation.id, model=model, limit=1)
    step = newest[0].global_step if newest else 0
    return RetrainAsk(model, champion, "info", "by hand", step, reason)


def request(
    session: Session, federation: Federation, ask: RetrainAsk, actor: str
) -> RetrainRequest:
    """Ask for retraining because a person wants it.

    Raises:
        RequestOpenError: while a request for the model is open.
    """
    policy = federations.policy_of(federation).retraining
    made = _ask(session, federation, ask, policy, actor)
    if made is None:
        raise RequestOpenError(ask.model)
    return made


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
    _move(found, S.CLAIMED)
    found.claimed_by = claimer
    found.progress = {"lease_seconds": lease_seconds}
    _renew(found)
    _audit(session, found, claimer, "claim", before)
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
    _move(found, S.RUNNING)
    found.progress = {
        "lease_seconds": _lease_seconds(found),
        "completed_rounds": body.completed_rounds,
        "total_rounds": body.total_rounds,
        "message": body.message,
    }
    _renew(found)
    session.add(found)
    if before != found.state:
        _audit(session, found, body.claimer, "start", before)
    return found


def complete(
    session: Session, federation: Federation, request_id: UUID, body: CompleteIn
) -> RetrainRequest:
    """Register the trained version as the model's candidate.

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
        body.claimer,
        retrain_request_id=found.id,
        incident_id=found.incident_id,
    )
    found.result_version = version.version
    found.progress = {"completed_rounds": body.rounds, "total_rounds": body.rounds}
    _end(found, S.COMPLETED)
    _audit(session, found, body.claimer, "complete", before)
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
    _end(found, S.FAILED)
    _audit(session, found, claimer, "fail", before, reason)
    return found


def cancel(
    session: Session, federation: Federation, request_id: UUID, actor: str, reason: str
) -> RetrainRequest:
    """Withdraw a request that has not ended; a holder learns of it at its next progress call."""
    found = _locked(session, federation, request_id)
    before = found.state
    _end(found, S.CANCELLED)
    _audit(session, found, actor, "cancel", before, reason)
    return found


def release_expired(session: Session) -> int:
    """Take requests back whose lease ran out, and end those that nobody claimed; how many."""
    at = clock.now()
    lapsed = repository.with_lapsed_lease(session, at)
    for found in lapsed:
        before = found.state
        _move(found, S.REQUESTED)
        found.claimed_by = found.lease_until = found.progress = None
        _audit(session, found, BY_CLOCK, "release", before)
    expired = repository.unclaimed_past(session, at)
    for found in expired:
        before = found.state
        _end(found, S.EXPIRED)
        _audit(session, found, BY_CLOCK, "expire", before)
    return len(lapsed) + len(expired)


def list_of(session: Session, federation_id: UUID, limit: int = 50) -> list[RetrainRequest]:
    """A federation's requests, newest first."""
    return repository.of_federation(session, federation_id, limit)


def get(session: Session, federation: Federation, request_id: UUID) -> RetrainRequest:
    """A federation's request by id."""
    found = repository.request_of(session, federation.id, request_id)
    if found is None:
        raise NotFoundError("retrain request", request_id)
    return found


def _ask(
    session: Session,
    federation: Federation,
    ask: RetrainAsk,
    policy: RetrainingPolicy,
    actor: str,
) -> RetrainRequest | None:
    """Make a request; None while one for the model is open, which the database itself checks."""
    at = clock.now()
    made = RetrainRequest(
        federation_id=federation.id,
        model=ask.model,
        base_version=ask.base_version,
        incident_id=ask.incident_id,
        reason=ask.reason,
        plan={
            "rounds": policy.rounds,
            "window_rounds": policy.window_rounds,
            "warm_start": ask.base_version,
            **ask.plan,
        },
        requested_by=actor,
        requested_step=ask.step,
        created_at=at,
        expires_at=at + timedelta(hours=policy.expire_hours),
    )
    if not repository.insert(session, made):
        return None
    _audit(session, made, actor, "request", None, ask.reason)
    outbox.enqueue(session, ANNOUNCE, made.id)
    return made


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


def _move(found: RetrainRequest, target: RequestState) -> None:
    found.state = advance("retrain request", NEXT, RequestState(found.state), target)


def _end(found: RetrainRequest, target: RequestState) -> None:
    _move(found, target)
    found.lease_until, found.ended_at = None, clock.now()


def _renew(found: RetrainRequest) -> None:
    found.lease_until = clock.now() + timedelta(seconds=_lease_seconds(found))


def _lease_seconds(found: RetrainRequest) -> int:
    return int((found.progress or {}).get("lease_seconds", 60))


def _audit(
    session: Session,
    found: RetrainRequest,
    actor: str,
    verb: str,
    before: str | None,
    why: str | None = None,
) -> None:
    session.add(found)
    lease: datetime | None = found.lease_until
    audit.record(
        session,
        actor=actor,
        action=f"retraining.{verb}",
        entity=f"retrain_request:{found.id}",
        federation_id=found.federation_id,
        before={"state": before} if before else None,
        after={
            "state": found.state,
            "model": found.model,
            "claimed_by": found.claimed_by,
            "lease_until": lease.isoformat() if lease else None,
            "result_version": found.result_version,
        },
        why=why,
    )
