"""A person's word on what the policy proposes: train, or roll back instead."""

from datetime import timedelta
from uuid import UUID

from sqlmodel import Session

from app.core import clock, outbox
from app.core.errors import NotFoundError
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import service as registry
from app.registry.tables import Promotion
from app.retraining import repository
from app.retraining.asking import ANNOUNCE
from app.retraining.errors import NoRollbackProposedError, NotProposedError
from app.retraining.records import record
from app.retraining.schemas import RequestState
from app.retraining.states import end, move
from app.retraining.tables import RetrainRequest


def approve(
    session: Session, federation: Federation, request_id: UUID, actor: str, reason: str
) -> RetrainRequest:
    """Let a proposed request be claimed; its time to be claimed begins now.

    Raises:
        NotFoundError: if there is none of this id.
        NotProposedError: if it does not wait for a person.
    """
    found = _locked(session, federation, request_id)
    before = found.state
    if (
        before != RequestState.PROPOSED
    ):  # a lost lease goes the same way, and is nobody's to approve
        raise NotProposedError(before)
    move(found, RequestState.REQUESTED)
    found.approved_by = actor
    hours = federations.policy_of(federation).retraining.expire_hours
    found.expires_at = clock.now() + timedelta(hours=hours)
    record(session, found, actor, "approve", before, reason)
    outbox.enqueue(session, ANNOUNCE, found.id, step="approved")
    return found


def roll_back_instead(
    session: Session, federation: Federation, request_id: UUID, actor: str, reason: str
) -> Promotion:
    """Take the proposed rollback: draft the promotion of that version, and withdraw the request.

    Who decides on the draft is another person, as for every version that goes live.

    Raises:
        NotFoundError: if there is none of this id.
        NoRollbackProposedError: if it proposes none, or waits for nobody any more.
        OpenPromotionError: if the model has an open promotion.
    """
    found = _locked(session, federation, request_id)
    version = (found.proposal or {}).get("roll_back_to")
    if found.state != RequestState.PROPOSED or version is None:
        raise NoRollbackProposedError(found.state)
    draft = registry.draft_promotion(session, federation, found.model, version, actor, reason)
    end(found, RequestState.CANCELLED)
    record(session, found, actor, "roll_back", RequestState.PROPOSED, reason)
    return draft


def _locked(session: Session, federation: Federation, request_id: UUID) -> RetrainRequest:
    found = repository.locked(session, federation.id, request_id)
    if found is None:
        raise NotFoundError("retrain request", request_id)
    return found
