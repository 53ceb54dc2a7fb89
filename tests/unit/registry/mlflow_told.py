"""A model of which MLflow was told, without an MLflow, for tests of deviations."""

from sqlmodel import Session

from app.core import clock
from app.core.database import Database
from app.federations.tables import Federation
from app.registry import deviations, repository, service
from app.registry.deviations import Difference, Kind
from app.registry.tables import Deviation
from tests.unit.registry.lifecycle import MODEL, register_two

MOVED = Difference(Kind.ALIAS_MOVED, "", "champion", "1", "2")


def deviating(database: Database, federation: Federation) -> Deviation:
    """Versions 1 and 2 are registered, and the champion's alias was moved to 2 in MLflow."""
    register_two(database, federation)
    with database.session_scope() as session:
        return notice(session, federation)


def notice(session: Session, federation: Federation) -> Deviation:
    found = service.model_named(session, federation.id, MODEL)
    model = repository.locked_model(session, found.id)
    model.mirrored, model.mirrored_at = {"champion": "1", "canary": "2"}, clock.now()
    session.add(model)
    (deviation,) = deviations.note(session, model, [MOVED])
    return deviation
