"""One look at every model in MLflow's registry, outside any transaction."""

import structlog

from app.core.database import Database
from app.registry import reconciling
from app.registry.mlflow_registry import MlflowRegistry
from app.registry.reconciling import Told
from workers.outages import Gate

log = structlog.get_logger(__name__)


def look_at_all(database: Database, registry: MlflowRegistry, gate: Gate) -> None:
    """Compare each model with what MLflow was told of it; an outage ends the look.

    Nothing is lost by that: the next look is soon.
    """
    if gate.closed:
        return
    with database.read_scope() as session:
        work = reconciling.prepare(session)
    for told in work:
        try:
            _look_at(database, registry, told)
        except Exception as error:
            if gate.is_outage(error):
                log.warning("reconciliation.mlflow_unavailable", error=type(error).__name__)
                return
            log.exception("reconciliation.failed", model=told.name)


def _look_at(database: Database, registry: MlflowRegistry, told: Told) -> None:
    found = reconciling.perform(registry, told)
    if found or told.deviates:
        with database.session_scope() as session:
            reconciling.record(session, told, found)
