"""A promotion as it is shown, with who approved it and whose approvals are missing."""

from sqlmodel import Session

from app.registry.approving import missing_of
from app.registry.promotion_schemas import PromotionOut
from app.registry.promotions import approvals_of, model_of
from app.registry.tables import Promotion


def shown(session: Session, promotion: Promotion) -> PromotionOut:
    """The promotion for people and programs."""
    approvals = approvals_of(session, promotion)
    model = model_of(session, promotion).name
    return PromotionOut.of(promotion, model, approvals, missing_of(promotion, approvals))
