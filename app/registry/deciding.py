"""Decisions on promotions: approved, rejected, rolled back, expired, and what is said of them."""

from uuid import UUID

from sqlmodel import Session

from app.core import clock, outbox
from app.core.states import advance
from app.federations.roles import Role
from app.federations.tables import Federation
from app.registry import approving, repository
from app.registry.cohort_champions import crown
from app.registry.errors import (
    ChampionChangedError,
    EvidenceChangedError,
    OpenPromotionError,
    PromotionExpiredError,
    SeenEvidenceError,
)
from app.registry.four_eyes import check_four_eyes
from app.registry.identity import identity_of
from app.registry.integrity import check_integrity
from app.registry.promotions import (
    NEXT,
    P,
    audit_step,
    champion_now,
    check_champion,
    evidence_hash,
    get_promotion,
    locked,
    move,
    say,
)
from app.registry.tables import Model, Promotion, PromotionComment

APPLY = "registry.apply_promotion"
ROLL_BACK = "registry.apply_rollback"
CLOCK = "expiry"  # who rejects what nobody decided in time


def approve(
    session: Session,
    federation: Federation,
    promotion_id: UUID,
    actor: str,
    reason: str,
    *,
    role: Role,
    evidence_sha256: str,
) -> Promotion:
    """Approve what was submitted; with the last approval that is asked for, a worker applies it.

    `evidence_sha256` is that of the evidence that the approver saw.

    Raises:
        FourEyesError: if the actor submitted it, registered the candidate or develops the model.
        ChampionChangedError: if the champion is another version than the evidence is about.
        PromotionExpiredError: if it waited for too long.
        EvidenceChangedError: if the evidence is not what was submitted.
        SeenEvidenceError: if the approver saw other evidence.
        NotAsRegisteredError: if the candidate is not, or no longer, what was registered.
        AlreadyApprovedError, NoVoteError: if the approval does not count.
    """
    model, promotion = locked(session, federation.id, promotion_id)
    check_four_eyes(session, model, promotion, actor)
    approved = advance("promotion", NEXT, P(promotion.state), P.APPROVED)
    check_champion(session, model, promotion)
    check_integrity(session, model, promotion)
    _check_evidence(promotion, evidence_sha256)
    missing = approving.add_approval(session, promotion, actor, role, reason)
    if missing:
        after = {"evidence_sha256": evidence_sha256, "role": role.value, "missing": missing}
        audit_step(session, promotion, actor, "support", after, reason)
        return promotion
    promotion.state = approved
    _decide(session, promotion, actor, reason, "approve")
    outbox.enqueue(session, APPLY, promotion.id)
    return promotion


def reject(
    session: Session, federation: Federation, promotion_id: UUID, actor: str, reason: str
) -> Promotion:
    """Reject a promotion, or a draft that stands in the way of another.

    Raises:
        FourEyesError: if the actor submitted it, registered the candidate or develops the model.
    """
    model, promotion = locked(session, federation.id, promotion_id)
    check_four_eyes(session, model, promotion, actor)
    move(promotion, P.REJECTED)
    _decide(session, promotion, actor, reason, "reject")
    return promotion


def expire_due(session: Session) -> int:
    """Reject what awaited a decision for longer than its policy allowed; return how many."""
    expired = repository.expired_promotions(session, clock.now())
    for found in expired:
        _, promotion = locked(session, found.federation_id, found.id)
        if promotion.state == P.AWAITING_REVIEW:
            move(promotion, P.REJECTED)
            reason = "Nobody decided in time, and its evidence is too old by now."
            _decide(session, promotion, CLOCK, reason, "expire")
    return len(expired)


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
    before = {"state": promotion.state, "champion": champion_now(session, model, promotion)}
    was_applied = promotion.state == P.APPLIED
    move(promotion, P.ROLLED_BACK)
    if was_applied:
        _restore(session, model, promotion)
    session.add_all([model, promotion])
    after = {"state": promotion.state, "champion": champion_now(session, model, promotion)}
    audit_step(session, promotion, actor, "roll_back", after, reason, before)
    outbox.enqueue(session, ROLL_BACK, promotion.id)
    return promotion


def comment(
    session: Session, federation: Federation, promotion_id: UUID, actor: str, text: str
) -> PromotionComment:
    """Say something of a promotion, whatever its state."""
    return say(session, get_promotion(session, federation.id, promotion_id), actor, text)


def comments_of(
    session: Session, federation: Federation, promotion_id: UUID
) -> list[PromotionComment]:
    """What was said of a promotion, in its order."""
    promotion = get_promotion(session, federation.id, promotion_id)
    return repository.comments_of(session, promotion)


def _check_evidence(promotion: Promotion, seen: str) -> None:
    if promotion.expires_at is not None and promotion.expires_at <= clock.now():
        raise PromotionExpiredError(promotion.expires_at.isoformat())
    if evidence_hash(promotion.evidence) != promotion.evidence_sha256:
        raise EvidenceChangedError
    if seen != promotion.evidence_sha256:
        raise SeenEvidenceError(promotion.evidence_sha256)


def _decide(session: Session, promotion: Promotion, actor: str, reason: str, verb: str) -> None:
    promotion.decided_by, promotion.decided_by_id = actor, identity_of(actor)
    promotion.decided_at = clock.now()
    promotion.reason = reason
    session.add(promotion)
    after = {"state": promotion.state, "evidence_sha256": promotion.evidence_sha256}
    audit_step(session, promotion, actor, verb, after, reason)


def _restore(session: Session, model: Model, promotion: Promotion) -> None:
    champion = champion_now(session, model, promotion)
    if champion != promotion.candidate:
        raise ChampionChangedError(promotion.candidate, champion)
    later = repository.open_promotion(session, model)
    if later is not None and later.state == P.APPROVED:
        raise OpenPromotionError(later.id, later.state)
    if promotion.cohort:
        crown(session, model, promotion.cohort, promotion.champion)
    else:
        model.champion = promotion.champion
