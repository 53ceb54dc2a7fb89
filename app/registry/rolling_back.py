"""MLflow's alias after a promotion was rolled back: the task `registry.apply_rollback`."""

from uuid import UUID

from sqlmodel import Session

from app.registry import mirroring, repository
from app.registry.mirroring import Mirrored, Wanted

perform = mirroring.perform


def prepare(session: Session, promotion_id: UUID) -> Wanted | None:
    """MLflow with the aliases that the model has now."""
    promotion = repository.promotion_with_id(session, promotion_id)
    if promotion is None:
        return None
    model = repository.model_with_id(session, promotion.model_id)
    return mirroring.wanted_of(session, model)


def record(session: Session, promotion_id: UUID, mirrored: Mirrored) -> None:
    """Keep MLflow's numbers; if the model has moved on meanwhile, have it mirrored again."""
    promotion = repository.promotion_with_id(session, promotion_id)
    assert promotion is not None  # promotions are never deleted, and `prepare` found it
    model = repository.locked_model(session, promotion.model_id)
    mirroring.settle(session, model, mirrored)
