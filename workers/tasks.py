"""Every task under its name: the effects that outbox rows ask for, and the periodic ones."""

from functools import cache
from uuid import UUID

from app.core.database import Database, database
from app.core.outbox import Delivery
from app.core.settings import settings
from app.drift import reporting, retention
from app.incidents import delivery
from app.incidents import service as incidents
from app.incidents.alertmanager import post_alerts
from app.incidents.notices import DELIVER
from app.registry import mirroring, promoting, rolling_back
from app.registry.mlflow_registry import MlflowRegistry
from app.retraining import service as retraining
from app.rounds import service as rounds
from workers.app import app
from workers.effects import Effect, External, Local
from workers.relay import relay_due
from workers.schedule import (
    CLOSE_ROUNDS,
    FORGET_RECORDS,
    RELEASE_LEASES,
    REPEAT_ALERTS,
    SWEEP,
)


def _database() -> Database:
    return database(settings().database)


@cache
def _registry() -> MlflowRegistry:
    return MlflowRegistry(settings().mlflow, settings().artifacts_dir)


def _mirror(wanted: mirroring.Wanted) -> mirroring.Mirrored:
    return mirroring.perform(_registry(), wanted)


def _deliver() -> Effect:
    return External(
        lambda session, notice_id: delivery.prepare(session, notice_id, settings()),
        lambda message: delivery.perform(message, settings()),
        delivery.record,
    )


EFFECTS: dict[str, Effect] = {
    "incidents.on_round": Local(incidents.on_round),
    "incidents.on_promotion_applied": Local(incidents.on_promotion_applied),
    DELIVER: _deliver(),
    "registry.mirror_version": External(mirroring.prepare, _mirror, mirroring.record),
    "registry.apply_promotion": External(promoting.prepare, _mirror, promoting.record),
    "registry.apply_rollback": External(rolling_back.prepare, _mirror, rolling_back.record),
    reporting.BUILD: External(
        reporting.prepare,
        lambda work: reporting.perform(work, settings().reports_dir),
        reporting.record,
    ),
}


def _register(name: str, effect: Effect) -> None:
    @app.task(name=name)
    def run(row_id: str) -> None:
        effect.run(_database(), UUID(row_id))
        sweep()  # what the effect asked for need not wait for beat


def publish(delivery: Delivery) -> None:
    """Hand one row's id to the broker."""
    app.send_task(delivery.task, args=[str(delivery.row_id)])


@app.task(name=SWEEP)
def sweep() -> None:
    """Publish the outbox rows that are due."""
    relay_due(_database(), publish, settings().resend_seconds)


@app.task(name=RELEASE_LEASES)
def release_leases() -> None:
    """Give claimed requests whose lease ran out back, and expire unclaimed ones."""
    with _database().session_scope() as session:
        retraining.release_expired(session)


@app.task(name=CLOSE_ROUNDS)
def close_rounds() -> None:
    """End the rounds whose chunks did not all come in time."""
    with _database().session_scope() as session:
        rounds.close_overdue(session)


@app.task(name=FORGET_RECORDS)
def forget_records() -> None:
    """Drop client records that their federation keeps no longer."""
    with _database().session_scope() as session:
        retention.forget_expired(session)


@app.task(name=REPEAT_ALERTS)
def repeat_alerts() -> None:
    """Tell Alertmanager again of every incident that is neither resolved nor silent."""
    url = settings().alertmanager_url
    if url is None:
        return
    with _database().read_scope() as session:
        alerts = delivery.unresolved_alerts(session, settings())
    post_alerts(url, alerts)


for _name, _effect in EFFECTS.items():
    _register(_name, _effect)
