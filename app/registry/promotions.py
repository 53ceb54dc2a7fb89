"""Promotions: from a draft to evidence that is frozen and awaits a decision.

The model's row is locked before the promotion's, here and where decisions are made and applied, so
that of two decisions at once one wins and the other is told what it found.
"""

import hashlib
import json
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.errors import NotFoundError
from app.core.states import advance
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import repository
from app.registry.approving import require
from app.registry.canary import comparison
from app.registry.cohort_champions import champion_of, check_cohort
from app.registry.errors import (
    ChampionChangedError,
    NotACandidateError,
    NotTheAuthorError,
    OpenPromotionError,
)
from app.registry.identity import identity_of, same_person
from app.registry.integrity import check_integrity
from app.registry.tables import Model, Promotion, PromotionApproval, PromotionComment
from app.registry.versions import model_named, version_named


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
    cohort: str = "",
    *,
    kind: str | None = None,
) -> Promotion:
    """Draft a promotion of a version that is not champion, of all clients or of a cohort.

    Raises:
        NotFoundError: if there is no such model or version.
        UnknownCohortError, ManyTagsError: if the cohort cannot have a champion of its own.
        NotACandidateError: if the version is the champion.
        OpenPromotionError: if the model has an open promotion.
    """
    version_named(session, federation.id, model_name, candidate)
    found = model_named(session, federation.id, model_name)
    model = repository.locked_model(session, found.id)
    if cohort:
        check_cohort(session, federation, model, cohort)
    champion = champion_of(session, model, cohort)
    if candidate == champion:
        raise NotACandidateError(candidate)
    _refuse_second(session, model)
    promotion = Promotion(
        federation_id=federation.id,
        model_id=model.id,
        kind=kind or _kind(model, candidate, champion, cohort),
        cohort=cohort,
        candidate=candidate,
        champion=champion,
        why=why,
        submitted_by=actor,
        submitted_by_id=identity_of(actor),
        created_at=clock.now(),
    )
    session.add(promotion)
    session.flush()
    after = {"model": model.name, "candidate": candidate, "champion": champion, "cohort": cohort}
    audit_step(session, promotion, actor, "draft", after, why)
    return promotion


def submit(session: Session, federation: Federation, promotion_id: UUID, actor: str) -> Promotion:
    """Freeze the evidence as it is now, and ask for a decision on it.

    Raises:
        NotTheAuthorError: if somebody else drafted it.
        ChampionChangedError: if the champion is another version than at the draft.
        NotAsRegisteredError: if the candidate is not what was registered.
    """
    model, promotion = locked(session, federation.id, promotion_id)
    if not same_person(actor, promotion.submitted_by, promotion.submitted_by_id):
        raise NotTheAuthorError(promotion.submitted_by)
    move(promotion, P.AWAITING_REVIEW)
    check_champion(session, model, promotion)
    check_integrity(session, model, promotion)
    require(session, federation, model, promotion)
    hours = federations.policy_of(federation).promotion.expire_hours
    evidence = comparison(session, federation, model.name, promotion.candidate, promotion.cohort)
    promotion.evidence = evidence.model_dump(mode="json")
    promotion.evidence_sha256 = evidence_hash(promotion.evidence)
    promotion.submitted_at = clock.now()
    promotion.expires_at = promotion.submitted_at + timedelta(hours=hours)
    session.add(promotion)
    after = {
        "evidence_sha256": promotion.evidence_sha256,
        "required": promotion.required,
        "expires_at": promotion.expires_at.isoformat(),
    }
    audit_step(session, promotion, actor, "submit", after)
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


def approvals_of(session: Session, promotion: Promotion) -> list[PromotionApproval]:
    """Who approved a promotion, in their order."""
    return repository.approvals_of(session, promotion)


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


def say(session: Session, promotion: Promotion, author: str, text: str) -> PromotionComment:
    """Put a comment under a promotion."""
    said = PromotionComment(
        promotion_id=promotion.id,
        federation_id=promotion.federation_id,
        author=author,
        text=text,
        at=clock.now(),
    )
    session.add(said)
    audit_step(session, promotion, author, "comment", {"text": text})
    return said


def move(promotion: Promotion, target: PromotionState) -> None:
    """Take the step, if the table allows it."""
    promotion.state = advance("promotion", NEXT, PromotionState(promotion.state), target)


def champion_now(session: Session, model: Model, promotion: Promotion) -> str:
    """Whom the promotion is to replace, as of now."""
    return champion_of(session, model, promotion.cohort)


def check_champion(session: Session, model: Model, promotion: Promotion) -> None:
    """Raise ChampionChangedError if the champion is another than the promotion stands on."""
    champion = champion_now(session, model, promotion)
    if champion != promotion.champion:
        raise ChampionChangedError(promotion.champion, champion)


def open_promotion(session: Session, model: Model) -> Promotion | None:
    """The model's promotion that is not decided, or not in force yet."""
    return repository.open_promotion(session, model)


def _refuse_second(session: Session, model: Model) -> None:
    opened = open_promotion(session, model)
    if opened is not None:
        raise OpenPromotionError(opened.id, opened.state)


def _kind(model: Model, candidate: str, champion: str, cohort: str) -> str:
    """A cohort that gets a champion of its own is split off; one that loses it, merged."""
    if not cohort:
        return "promotion"
    if candidate == model.champion:
        return "merge"
    return "split" if champion == model.champion else "promotion"
