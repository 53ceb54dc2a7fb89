"""Promotions: from a draft to a decision that two people answer for.

The model's row is locked before the promotion's, here and where decisions are applied, so that of
two decisions at once one wins and the other is told what it found.
"""

import hashlib
import json
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.errors import NotFoundError
from app.core.states import advance
from app.federations.tables import Federation
from app.registry import repository
from app.registry.canary import comparison
from app.registry.errors import (
    ChampionChangedError,
    EvidenceChangedError,
    FourEyesError,
    NotACandidateError,
    NotTheAuthorError,
    OpenPromotionError,
)
from app.registry.tables import Model, Promotion
from app.registry.versions import model_named, version_named

APPLY = "registry.apply_promotion"
ROLL_BACK = "registry.apply_rollback"


class PromotionState(StrEnum):
    """Where a promotion is."""

    DRAFT = "draft"
    AWAITING_REVIEW = "awaiting_review"
    APPROVED = "approved"  # decided, and not yet in force
    REJECTED = "rejected"
    APPLIED = "applied"
    ROLLED_BACK = "rolled_back"


P = PromotionState
NEXT: dict[PromotionState, frozenset[PromotionState]] = {
    P.DRAFT: frozenset({P.AWAITING_REVIEW, P.REJECTED}),
    P.AWAITING_REVIEW: frozenset({P.APPROVED, P.REJECTED}),
    P.APPROVED: frozenset({P.APPLIED, P.ROLLED_BACK}),
    P.REJECTED: frozenset(),
    P.APPLIED: frozenset({P.ROLLED_BACK}),
    P.ROLLED_BACK: frozenset(),
}


def draft_promotion(
    session: Session,
    federation: Federation,
    model_name: str,
    candidate: str,
    actor: str,
    why: str,
) -> Promotion:
    """Draft a promotion of a version that is not champion.

    Raises:
        NotFoundError: if there is no such model or version.
        NotACandidateError: if the version is the champion.
        OpenPromotionError: if the model has an open promotion.
    """
    version_named(session, federation.id, model_name, candidate)
    found = model_named(session, federation.id, model_name)
    model = repository.locked_model(session, found.id)
    assert model.champion is not None  # a model with a version has one
    if candidate == model.champion:
        raise NotACandidateError(candidate)
    _refuse_second(session, model)
    promotion = Promotion(
        federation_id=federation.id,
        model_id=model.id,
        candidate=candidate,
        champion=model.champion,
        submitted_by=actor,
        created_at=clock.now(),
    )
    session.add(promotion)
    session.flush()
    after = {"model": model.name, "candidate": candidate, "champion": model.champion}
    audit_step(session, promotion, actor, "draft", after, why)
    return promotion


def submit(session: Session, federation: Federation, promotion_id: UUID, actor: str) -> Promotion:
    """Freeze the evidence as it is now, and ask for a decision on it.

    Raises:
        NotTheAuthorError: if somebody else drafted it.
        ChampionChangedError: if the champion is another version than at the draft.
    """
    model, promotion = locked(session, federation.id, promotion_id)
    if not _same_person(actor, promotion.submitted_by):
        raise NotTheAuthorError(promotion.submitted_by)
    _move(promotion, P.AWAITING_REVIEW)
    _check_champion(model, promotion)
    evidence = comparison(session, federation, model.name, promotion.candidate)
    promotion.evidence = evidence.model_dump(mode="json")
    promotion.evidence_sha256 = evidence_hash(promotion.evidence)
    promotion.submitted_at = clock.now()
    session.add(promotion)
    after = {"evidence_sha256": promotion.evidence_sha256}
    audit_step(session, promotion, actor, "submit", after)
    return promotion


def approve(
    session: Session, federation: Federation, promotion_id: UUID, actor: str, reason: str
) -> Promotion:
    """Approve what was submitted; it is applied by a worker, once MLflow has it.

    Raises:
        FourEyesError: if the actor submitted it, or registered the candidate.
        ChampionChangedError: if the champion is another version than the evidence is about.
        EvidenceChangedError: if the evidence is not what was submitted.
    """
    model, promotion = locked(session, federation.id, promotion_id)
    _check_four_eyes(session, model, promotion, actor)
    _move(promotion, P.APPROVED)
    _check_champion(model, promotion)
    if evidence_hash(promotion.evidence) != promotion.evidence_sha256:
        raise EvidenceChangedError
    _decide(session, promotion, actor, reason, "approve")
    outbox.enqueue(session, APPLY, promotion.id)
    return promotion


def reject(
    session: Session, federation: Federation, promotion_id: UUID, actor: str, reason: str
) -> Promotion:
    """Reject a promotion, or a draft that stands in the way of another.

    Raises:
        FourEyesError: if the actor submitted it, or registered the candidate.
    """
    model, promotion = locked(session, federation.id, promotion_id)
    _check_four_eyes(session, model, promotion, actor)
    _move(promotion, P.REJECTED)
    _decide(session, promotion, actor, reason, "reject")
    return promotion


def roll_back(
    session: Session, federation: Federation, promotion_id: UUID, actor: str, reason: str
) -> Promotion:
    """Make the version before champion again, at once; MLflow's alias follows by a worker.

    An approved promotion that is not in force yet is taken back, and the champion stays.

    Raises:
        ChampionChangedError: if the candidate is no longer champion.
        OpenPromotionError: if a later promotion is being applied; that one is rolled back first.
    """
    model, promotion = locked(session, federation.id, promotion_id)
    before = {"state": promotion.state, "champion": model.champion}
    was_applied = promotion.state == P.APPLIED
    _move(promotion, P.ROLLED_BACK)
    if was_applied:
        _restore(session, model, promotion)
    session.add_all([model, promotion])
    after = {"state": promotion.state, "champion": model.champion}
    audit_step(session, promotion, actor, "roll_back", after, reason, before)
    outbox.enqueue(session, ROLL_BACK, promotion.id)
    return promotion


def promotions_of(session: Session, federation_id: UUID, limit: int = 50) -> list[Promotion]:
    """A federation's promotions, newest first."""
    return repository.promotions_of(session, federation_id, limit)


def get_promotion(session: Session, federation_id: UUID, promotion_id: UUID) -> Promotion:
    """A federation's promotion.

    Raises:
        NotFoundError: if it has none of this id.
    """
    found = repository.promotion_of(session, federation_id, promotion_id)
    if found is None:
        raise NotFoundError("promotion", promotion_id)
    return found


def promotion_with_id(session: Session, promotion_id: UUID) -> Promotion:
    """A promotion that an outbox row refers to.

    Raises:
        NotFoundError: if there is none of this id.
    """
    found = repository.promotion_with_id(session, promotion_id)
    if found is None:
        raise NotFoundError("promotion", promotion_id)
    return found


def model_of(session: Session, promotion: Promotion) -> Model:
    """The model that a promotion is of."""
    return repository.model_with_id(session, promotion.model_id)


def locked(session: Session, federation_id: UUID, promotion_id: UUID) -> tuple[Model, Promotion]:
    """A federation's promotion and its model as they are now, locked in the one order in use."""
    found = get_promotion(session, federation_id, promotion_id)
    model = repository.locked_model(session, found.model_id)
    return model, repository.locked_promotion(session, promotion_id)


def evidence_hash(evidence: dict[str, Any]) -> str:
    """SHA-256 (hex) of evidence as canonical JSON: sorted keys, no spaces, ASCII."""
    canonical = json.dumps(
        evidence, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def audit_step(
    session: Session,
    promotion: Promotion,
    actor: str,
    verb: str,
    after: dict[str, Any],
    why: str | None = None,
    before: dict[str, Any] | None = None,
) -> None:
    """Put one step of a promotion on record."""
    audit.record(
        session,
        actor=actor,
        action=f"promotion.{verb}",
        entity=f"promotion:{promotion.id}",
        federation_id=promotion.federation_id,
        before=before,
        after=after,
        why=why,
    )


def _move(promotion: Promotion, target: PromotionState) -> None:
    promotion.state = advance("promotion", NEXT, PromotionState(promotion.state), target)


def _decide(session: Session, promotion: Promotion, actor: str, reason: str, verb: str) -> None:
    promotion.decided_by, promotion.decided_at = actor, clock.now()
    promotion.reason = reason
    session.add(promotion)
    after = {"state": promotion.state, "evidence_sha256": promotion.evidence_sha256}
    audit_step(session, promotion, actor, verb, after, reason)


def _refuse_second(session: Session, model: Model) -> None:
    opened = repository.open_promotion(session, model)
    if opened is not None:
        raise OpenPromotionError(opened.id, opened.state)


def _check_champion(model: Model, promotion: Promotion) -> None:
    if model.champion != promotion.champion:
        raise ChampionChangedError(promotion.champion, model.champion)


def _check_four_eyes(session: Session, model: Model, promotion: Promotion, actor: str) -> None:
    candidate = repository.version_named(session, model, promotion.candidate)
    assert candidate is not None  # a promotion is drafted of a version, and versions stay
    if _same_person(actor, promotion.submitted_by):
        raise FourEyesError(actor, "submitted it")
    if _same_person(actor, candidate.registered_by):
        raise FourEyesError(actor, "registered the candidate")


def _same_person(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _restore(session: Session, model: Model, promotion: Promotion) -> None:
    if model.champion != promotion.candidate:
        raise ChampionChangedError(promotion.candidate, model.champion)
    later = repository.open_promotion(session, model)
    if later is not None and later.state == P.APPROVED:
        raise OpenPromotionError(later.id, later.state)
    model.champion = promotion.champion
