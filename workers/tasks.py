"""Every task under its name: the effects that outbox rows ask for, and the periodic ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar
from uuid import UUID, uuid4

from celery.signals import worker_shutdown, worker_shutting_down
from sqlmodel import Session

from app.core import outbox, tracing
from app.core.database import Database, database, one_at_a_time
from app.core.outbox import MAX_IN_FLIGHT, Delivery
from app.core.pressure import MEBIBYTE
from app.core.settings import settings
from app.drift import retention, shards, wide
from app.incidents import aftermath, delivery, governance, notices, oncall, proposals, trying
from app.incidents import service as incidents
from app.incidents.alertmanager import post_alerts
from app.incidents.asking import ASSESS
from app.incidents.feedback import PROPOSE
from app.incidents.notices import ANNOUNCE, ANNOUNCE_REQUEST, DELIVER
from app.incidents.sending import Limits
from app.registry import (
    cards,
    deciding,
    deviations,
    inventory,
    mirroring,
    promoting,
    reconciling,
    rolling_back,
    shadow,
    training_runs,
    versions,
    weights_elsewhere,
)
from app.registry import service as registry
from app.registry.mlflow_registry import MlflowRegistry
from app.registry.mlflow_runs import MlflowRuns
from app.registry.outages import is_outage
from app.reports import artifacts, building
from app.reports import retention as report_files
from app.reports import scheduling as report_schedule
from app.reports import service as reports
from app.retraining import service as retraining
from app.rounds import service as rounds
from workers.app import app
from workers.effects import Effect, External, Local
from workers.ending import Ending
from workers.lanes import InLanes, Lanes
from workers.outages import Behind, Gate
from workers.reconciliation import look_at_all
from workers.relay import relay_due
from workers.schedule import (
    ASK_BY_CALENDAR,
    CATCH_UP,
    CLOSE_ROUNDS,
    FORGET_RECORDS,
    FORGET_REPORTS,
    FORGET_WORK,
    MAKE_REPORTS,
    RECONCILE,
    REFRESH_CARDS,
    RELEASE_LEASES,
    REMIND_OF_REVIEWS,
    REPEAT_ALERTS,
    SEND_OVERDUE,
    SWEEP,
)

Work = TypeVar("Work")
Store = TypeVar("Store")
Result = TypeVar("Result")

LANES = Lanes()
MLFLOW_LANE = Lanes(most_lanes=1, most_waiting=MAX_IN_FLIGHT)
ENDING = Ending()
MLFLOW = Gate(
    "mlflow",
    is_outage,
    (*reconciling.CHANGES_ALIASES, training_runs.LOG, mirroring.LOG_CARD, artifacts.LOG),
)
STORES = Gate("weights", lambda _error: False, (versions.CHECK_WEIGHTS,))
RECONCILIATION = uuid4()  # one at a time waits in the lane
BACKTEST_ATTEMPTS = 2
SHARD_ATTEMPTS = 3  # a shard that fails as often is left out of its round


def _database() -> Database:
    return database(settings().database, settings().pool)


@contextmanager
def _turn(name: str) -> Iterator[Session]:
    """A transaction for a periodic task: asked for twice at once, the second finds nothing due."""
    with _database().session_scope() as session:
        one_at_a_time(session, name)
        yield session


@cache
def _registry() -> MlflowRegistry:
    return MlflowRegistry(settings().mlflow, settings().artifacts_dir)


@cache
def _runs() -> MlflowRuns:
    return MlflowRuns(settings().mlflow, settings().artifacts_dir)


def _in_mlflow(
    prepare: Callable[[Session, UUID], Work | None],
    perform: Callable[[Store, Work], Result],
    record: Callable[[Session, UUID, Result], None],
    store: Callable[[], Store],
) -> Effect:
    """An effect on MLflow, which waits while MLflow is out and holds up nothing else."""
    effect = External(prepare, lambda work: perform(store(), work), record, held=MLFLOW.holds)
    return Behind(MLFLOW, effect, MLFLOW_LANE)


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
    rounds.EVALUATE: Local(incidents.on_round),
    shards.EVALUATE_SHARD: External(
        shards.prepare, shards.perform, shards.record, shards.quarantine, SHARD_ATTEMPTS
    ),
    wide.EVALUATE_WIDE: External(
        wide.prepare, wide.perform, wide.record, shards.quarantine, SHARD_ATTEMPTS
    ),
    shards.CONCLUDE: Local(incidents.on_shards_judged),
    promoting.ON_APPLIED: Local(incidents.on_promotion_applied),
    ASSESS: Local(aftermath.assess),
    PROPOSE: Local(proposals.on_false_alarm),
    proposals.BACKTEST: External(
        proposals.prepare,
        proposals.perform,
        proposals.record,
        proposals.give_up,
        BACKTEST_ATTEMPTS,
    ),
    trying.TRY: External(
        trying.prepare, trying.perform, trying.record, trying.give_up, BACKTEST_ATTEMPTS
    ),
    ANNOUNCE: Local(_announce),
    deviations.ANNOUNCE: Local(governance.announce_deviation),
    inventory.REMIND: Local(governance.announce_review),
    ANNOUNCE_REQUEST: Local(notices.announce_request),
    DELIVER: _deliver(),
    mirroring.MIRROR: _in_mlflow(mirroring.prepare, mirroring.perform, mirroring.record, _registry),
    deciding.APPLY: _in_mlflow(promoting.prepare, promoting.perform, promoting.record, _registry),
    deciding.ROLL_BACK: _in_mlflow(
        rolling_back.prepare, rolling_back.perform, rolling_back.record, _registry
    ),
    training_runs.LOG: _in_mlflow(
        training_runs.prepare, training_runs.perform, training_runs.record, _runs
    ),
    shadow.WATCH: Local(shadow.watch),
    mirroring.LOG_CARD: _in_mlflow(cards.prepare, cards.perform, cards.record, _runs),
    versions.CHECK_WEIGHTS: Behind(
        STORES,
        External(
            weights_elsewhere.prepare,
            lambda address: weights_elsewhere.perform(
                address, settings().max_weights_mb * MEBIBYTE
            ),
            weights_elsewhere.record,
        ),
        LANES,
    ),
    reports.BUILD: External(
        building.prepare,
        lambda work: building.perform(work, settings().reports_dir),
        building.record,
    ),
    artifacts.LOG: _in_mlflow(
        lambda session, report_id: artifacts.prepare(session, report_id, settings().reports_dir),
        artifacts.perform,
        artifacts.record,
        _runs,
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
    """Give claimed requests whose lease ran out back; expire unclaimed ones, and promotions."""
    with _turn(RELEASE_LEASES) as session:
        retraining.release_expired(session)
    with _turn(RELEASE_LEASES) as session:
        registry.expire_due(session)


@app.task(name=ASK_BY_CALENDAR)
def ask_by_calendar() -> None:
    """Ask for the retraining that time makes due: by calendar, or after quiet hours."""
    with _turn(ASK_BY_CALENDAR) as session:
        aftermath.ask_again(session)
    with _turn(ASK_BY_CALENDAR) as session:
        retraining.consider_all_schedules(session)
    sweep()


@app.task(name=CLOSE_ROUNDS)
def close_rounds() -> None:
    """End the rounds whose chunks did not all come in time."""
    with _turn(CLOSE_ROUNDS) as session:
        rounds.close_overdue(session)


@app.task(name=FORGET_RECORDS)
def forget_records() -> None:
    """Drop client records that their federation keeps no longer."""
    with _turn(FORGET_RECORDS) as session:
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
    with _turn(SEND_OVERDUE) as session:
        delivery.send_overdue(session)
    sweep()


@app.task(name=CATCH_UP)
def catch_up() -> None:
    """Remind of what nobody acknowledged, tell what is silent no more, and send digests."""
    with _turn(CATCH_UP) as session:
        oncall.catch_up(session)


@app.task(name=RECONCILE)
def reconcile() -> None:
    """Look whether MLflow's registry is as it was told to be."""
    with _database().read_scope() as session:
        outdated = reconciling.outdated(session)
    if outdated:
        with _turn(RECONCILE) as session:
            reconciling.catch_up(session, outdated)
    MLFLOW_LANE.submit(
        MLFLOW.name, RECONCILIATION, lambda: look_at_all(_database(), _registry(), MLFLOW)
    )


@app.task(name=REMIND_OF_REVIEWS)
def remind_of_reviews() -> None:
    """Tell of the models whose review is overdue."""
    with _turn(REMIND_OF_REVIEWS) as session:
        inventory.remind(session)


@app.task(name=REFRESH_CARDS)
def refresh_cards() -> None:
    """Have the model cards in MLflow brought up to date."""
    with _turn(REFRESH_CARDS) as session:
        cards.refresh(session)


@app.task(name=MAKE_REPORTS)
def make_reports() -> None:
    """Ask for the reports of the periods that have closed."""
    with _database().session_scope() as session:
        report_schedule.ask_for_closed(session)
    sweep()


@app.task(name=FORGET_REPORTS)
def forget_reports() -> None:
    """Delete the files of reports that their federation keeps no longer."""
    with _turn(FORGET_REPORTS) as session:
        report_files.forget_files(session, settings().reports_dir)
    report_files.drop_unfinished(settings().reports_dir)


@app.task(name=FORGET_WORK)
def forget_work() -> None:
    """Delete the rows of the outbox that were done long ago, a thousand in a transaction."""
    more = True
    while more:
        with _turn(FORGET_WORK) as session:
            more = outbox.forget_done(session)


@worker_shutting_down.connect
def _begin_to_end(**_signal: object) -> None:
    ENDING.begin(settings().delivery_seconds)


@worker_shutdown.connect
def _end(**_signal: object) -> None:
    _begin_to_end()  # unless a signal did
    ENDING.close(LANES, MLFLOW_LANE)
    tracing.close()


for _name, _effect in EFFECTS.items():
    _register(_name, _effect)
