"""Every task under its name: the effects that outbox rows ask for, and the periodic ones."""

from functools import cache
from uuid import UUID, uuid4

from celery.signals import worker_shutdown
from sqlmodel import Session

from app.core.database import Database, database
from app.core.outbox import Delivery
from app.core.settings import settings
from app.drift import reporting, retention, shards
from app.incidents import delivery, notices, oncall, proposals
from app.incidents import service as incidents
from app.incidents.alertmanager import post_alerts
from app.incidents.feedback import PROPOSE
from app.incidents.notices import ANNOUNCE, ANNOUNCE_REQUEST, DELIVER
from app.incidents.sending import Limits
from app.registry import mirroring, promoting, rolling_back
from app.registry.mlflow_registry import MlflowRegistry
from app.retraining import service as retraining
from app.rounds import service as rounds
from workers.app import app
from workers.effects import Effect, External, Local
from workers.lanes import InLanes, Lanes
from workers.relay import relay_due
from workers.schedule import (
    CATCH_UP,
    CLOSE_ROUNDS,
    FORGET_RECORDS,
    RELEASE_LEASES,
    REPEAT_ALERTS,
    SEND_OVERDUE,
    SWEEP,
)

LANES = Lanes()
BACKTEST_ATTEMPTS = 2
SHARD_ATTEMPTS = 3  # a shard that fails as often is left out of its round


def _database() -> Database:
    return database(settings().database)


@cache
def _registry() -> MlflowRegistry:
    return MlflowRegistry(settings().mlflow, settings().artifacts_dir)


def _mirror(wanted: mirroring.Wanted) -> mirroring.Mirrored:
    return mirroring.perform(_registry(), wanted)


def _announce(session: Session, announcement_id: UUID) -> None:
    notices.spread(session, announcement_id, settings())


def _deliver() -> Effect:
    one_attempt = External(
        lambda session, notice_id: delivery.prepare(session, notice_id, settings()),
        lambda carrier: delivery.perform(carrier, settings()),
        delivery.record,
        delivery.give_up,
    )
    # Waiting and one attempt end before the row is sent again, perhaps to another worker.
    patience = max(1.0, 0.75 * (settings().resend_seconds - settings().delivery_seconds))
    return InLanes(one_attempt, delivery.lane_of, delivery.put_off, LANES, patience)


EFFECTS: dict[str, Effect] = {
    "incidents.on_round": Local(incidents.on_round),
    shards.EVALUATE_SHARD: External(
        shards.prepare, shards.perform, shards.record, shards.quarantine, SHARD_ATTEMPTS
    ),
    shards.CONCLUDE: Local(incidents.on_shards_judged),
    "incidents.on_promotion_applied": Local(incidents.on_promotion_applied),
    PROPOSE: Local(proposals.on_false_alarm),
    proposals.BACKTEST: External(
        proposals.prepare,
        proposals.perform,
        proposals.record,
        proposals.give_up,
        BACKTEST_ATTEMPTS,
    ),
    ANNOUNCE: Local(_announce),
    ANNOUNCE_REQUEST: Local(notices.announce_request),
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
        if name != DELIVER:  # which asks for nothing, and goes on in its lane
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
    limits = Limits(settings().delivery_seconds)
    LANES.submit("alertmanager", uuid4(), lambda: post_alerts(url, alerts, limits))


@app.task(name=SEND_OVERDUE)
def send_overdue() -> None:
    """Try the deliveries again whose next attempt is due."""
    with _database().session_scope() as session:
        delivery.send_overdue(session)
    sweep()


@app.task(name=CATCH_UP)
def catch_up() -> None:
    """Remind of what nobody acknowledged, tell what is silent no more, and send digests."""
    with _database().session_scope() as session:
        oncall.catch_up(session)


@worker_shutdown.connect
def _end_deliveries(**_signal: object) -> None:
    LANES.close(settings().delivery_seconds)


for _name, _effect in EFFECTS.items():
    _register(_name, _effect)
