"""Approvals: how many of which roles, as the policy asks by how critical the model is."""

from collections import Counter

from sqlmodel import Session

from app.core import clock
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.tables import Federation
from app.registry import repository
from app.registry.criticality import Criticality
from app.registry.errors import AlreadyApprovedError, NoVoteError
from app.registry.identity import identity_of, same_person
from app.registry.inventory import criticality_of
from app.registry.tables import Model, Promotion, PromotionApproval

UNASSESSED = Criticality.MEDIUM
ROLLBACK = "rollback"


def require(session: Session, federation: Federation, model: Model, promotion: Promotion) -> None:
    """Note whose approvals a promotion needs, as of now.

    Going back to a version that was champion before needs one, however critical the model is.
    """
    promotion.criticality = criticality_of(session, federation.id, model.name) or UNASSESSED
    asked = federations.policy_of(federation).promotion.approvals
    roles = getattr(asked, promotion.criticality, asked.high)
    needed = roles[:1] if promotion.kind == ROLLBACK else roles
    promotion.required = [role.value for role in needed]


def add_approval(
    session: Session, promotion: Promotion, actor: str, role: Role, reason: str
) -> list[str]:
    """Note an approval; return the roles whose approvals are still missing.

    Raises:
        AlreadyApprovedError: if this person approved before.
        NoVoteError: if no approval by this role is missing.
    """
    before = repository.approvals_of(session, promotion)
    if any(same_person(actor, one.actor, one.actor_id) for one in before):
        raise AlreadyApprovedError(actor)
    missing = missing_of(promotion, before)
    if role.value not in missing:
        raise NoVoteError(role.value, ", ".join(missing))
    assert promotion.evidence_sha256 is not None  # what awaits review was submitted
    approval = PromotionApproval(
        promotion_id=promotion.id,
        federation_id=promotion.federation_id,
        actor=actor,
        actor_id=identity_of(actor),
        role=role.value,
        reason=reason,
        evidence_sha256=promotion.evidence_sha256,
        at=clock.now(),
    )
    session.add(approval)
    session.flush()
    return missing_of(promotion, [*before, approval])


def missing_of(promotion: Promotion, approvals: list[PromotionApproval]) -> list[str]:
    """The roles whose approvals are asked for and not given."""
    missing = Counter(promotion.required) - Counter(one.role for one in approvals)
    return sorted(missing.elements())
