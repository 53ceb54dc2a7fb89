"""Nobody decides on their own work: not who submitted it, nor who made the candidate."""

from sqlmodel import Session

from app.audit.service import Actor
from app.registry import repository
from app.registry.errors import FourEyesError
from app.registry.identity import folded, same_person
from app.registry.inventory import developer_of
from app.registry.tables import Model, Promotion


def check_four_eyes(session: Session, model: Model, promotion: Promotion, actor: str) -> None:
    """Raise FourEyesError for whoever may not decide on the promotion."""
    if why := own_work(session, model, promotion, actor):
        raise FourEyesError(actor, why)


def own_work(session: Session, model: Model, promotion: Promotion, actor: str) -> str | None:
    """What makes it the actor's own: that they submitted it, or made the candidate."""
    candidate = repository.candidate_of(session, promotion)
    if same_person(actor, promotion.submitted_by, promotion.submitted_by_id):
        return "submitted it"
    if same_person(actor, candidate.registered_by, candidate.registered_by_id):
        return "registered the candidate"
    developer = developer_of(session, model)
    login = actor.login if isinstance(actor, Actor) else None
    if developer is not None and folded(developer) in {folded(actor), login}:
        return "develops the model"
    return None
