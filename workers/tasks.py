"""Every task under its name: the effects that outbox rows ask for, and the periodic ones."""

from functools import partial
from typing import Any
from uuid import UUID

from celery import Task

from app.core import outbox
from app.core.database import Database, database
from app.core.outbox import Delivery
from app.core.settings import settings
from app.drift import reporting
from app.incidents import alerts, notices
from app.incidents import service as incidents
from app.registry import mirroring, promoting, rolling_back
from app.registry.mlflow_registry import MlflowRegistry
from app.retraining import service as retraining
from workers.app import app
from workers.effects import Effect, External, Local
from workers.relay import relay_due
from workers.schedule import RELEASE_LEASES, REPEAT_ALERTS, SWEEP


def _database() -> Database:
    return database(settings().database)


def _mirror(wanted: mirroring.Wanted) -> mirroring.Mirrored:
    registry = MlflowRegistry(settings().mlflow, settings().artifacts_dir)
    return mirroring.perform(registry, wanted)


EFFECTS: dict[str, Effect] = {
    "incidents.on_round": Local(incidents.on_round),
    "incidents.on_promotion_applied": Local(incidents.on_promotion_applied),
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


for _name, _effect in EFFECTS.items():
    _register(_name, _effect)
