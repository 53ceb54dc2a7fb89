"""Rounds in a real MLflow: a run for each FL run, each round once, none of too few clients."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from app.core.database import Database
from app.core.outbox import OutboxRow
from app.federations.tables import Federation
from app.registry import cards, training_runs
from app.registry.mlflow_registry import MlflowRegistry
from app.registry.mlflow_runs import MlflowRuns
from app.registry.tables import LoggedRound
from app.rounds import service as rounds
from app.rounds.tables import Round, RoundAggregate
from tests.unit.registry.lifecycle import AT, MODEL, register, stored_round
from workers.effects import External

Log = Callable[[], None]
STRATEGY = {"name": "FedAvg", "config_sha256": "c" * 64}


@pytest.fixture
def runs(registry: MlflowRegistry) -> MlflowRuns:
    return MlflowRuns(registry._uri, Path(registry._artifacts_dir))


@pytest.fixture
def log(database: Database, runs: MlflowRuns) -> Log:
    """Log what is asked for, each row twice, as if its message was delivered twice."""
    effect = External(
        training_runs.prepare,
        lambda run: training_runs.perform(runs, run),
        training_runs.record,
    )

    def do() -> None:
        with database.read_scope() as session:
            rows = session.exec(select(OutboxRow).where(OutboxRow.task == training_runs.LOG)).all()
        for row in [*rows, *rows]:
            effect.run(database, row.id)
        with database.read_scope() as session:
            assert {row.last_error for row in session.exec(select(OutboxRow))} == {None}

    return do


def judged(
    session: Session, federation: Federation, number: int, loss: float, **more: Any
) -> Round:
    """A round whose clients, if they were enough to be shown, lost `loss` per example."""
    envelope = {"strategy": STRATEGY, "participation": {"sampled": 9, "latency_p95_ms": 80.0}}
    at = AT + timedelta(hours=number)
    told = {"run": "spring", "envelope": envelope, "ended_at": at, "body_sha256": f"{number:064x}"}
    round_ = stored_round(federation, number, "evaluate", **(told | more))
    session.add(round_)
    session.flush()
    if loss:
        session.add(aggregate(round_, loss))
    rounds.mark_evaluated(session, round_)
    return round_


def aggregate(round_: Round, loss: float) -> RoundAggregate:
    return RoundAggregate(
        round_id=round_.id,
        measured="model",
        scope="federation",
        scope_key="",
        clients=8,
        examples=800,
        loss_clients=8,
        loss_examples=800,
        loss_sum=800 * loss,
        correct_clients=8,
        correct_examples=800,
        correct_count=600.0,
        counts={},
    )


def history(runs: MlflowRuns, run: str, metric: str) -> list[tuple[int, float]]:
    return [(one.step, one.value) for one in runs._client.get_metric_history(run, metric)]


def mlflow_run(database: Database) -> str:
    with database.read_scope() as session:
        (run,) = set(session.exec(select(LoggedRound.mlflow_run)))
    return run


def test_rounds_are_steps_of_one_run_each_logged_once(
    database: Database, federation: Federation, runs: MlflowRuns, log: Log, name: str
) -> None:
    with database.session_scope() as session:
        for number in range(1, 4):
            judged(session, federation, number, 0.5 + number / 10)
    log()
    run = mlflow_run(database)
    assert history(runs, run, "evaluate/log_loss") == [
        (1, pytest.approx(0.6)),
        (2, pytest.approx(0.7)),
        (3, pytest.approx(0.8)),
    ]
    assert history(runs, run, "evaluate/error_rate") == [(n, 0.25) for n in (1, 2, 3)]
    assert history(runs, run, "evaluate/latency_p95_ms") == [(n, 80.0) for n in (1, 2, 3)]
    seen = runs._client.get_run(run)
    assert (seen.data.params["strategy"], seen.data.params["min_cohort_size"]) == ("FedAvg", "3")
    assert seen.data.tags["vigie.config_sha256"] == "c" * 64
    assert seen.info.run_name == "spring"
    assert runs._client.get_experiment(seen.info.experiment_id).name == name
    with database.session_scope() as session:
        judged(session, federation, 4, 0.9)
    log()
    assert mlflow_run(database) == run  # one run, however often more rounds come
    assert [step for step, _ in history(runs, run, "evaluate/log_loss")] == [1, 2, 3, 4]


def test_a_crash_after_logging_logs_nothing_twice(
    database: Database, federation: Federation, runs: MlflowRuns, log: Log
) -> None:
    with database.session_scope() as session:
        round_ = judged(session, federation, 1, 0.6)
    for _ in range(2):  # logged, and the worker died before it could record
        with database.read_scope() as session:
            work = training_runs.prepare(session, round_.id)
        assert work is not None
        training_runs.perform(runs, work)
    log()
    assert history(runs, mlflow_run(database), "evaluate/log_loss") == [(1, pytest.approx(0.6))]


def test_what_was_corrected_is_added_and_shown_and_the_rest_is_not_repeated(
    database: Database, federation: Federation, runs: MlflowRuns, log: Log
) -> None:
    with database.session_scope() as session:
        round_ = judged(session, federation, 1, 0.6)
    log()
    with database.session_scope() as session:
        again = rounds.get(session, federation.id, round_.id)
        kept = session.exec(
            select(RoundAggregate).where(RoundAggregate.round_id == round_.id)
        ).one()
        kept.loss_sum = 800 * 0.7  # labels came late
        session.add(kept)
        rounds.mark_evaluated(session, again)
    log()
    run = mlflow_run(database)
    values = [value for _, value in history(runs, run, "evaluate/log_loss")]
    assert values == [pytest.approx(0.6), pytest.approx(0.7)]
    assert runs._client.get_run(run).data.metrics["evaluate/log_loss"] == pytest.approx(0.7)
    assert len(history(runs, run, "evaluate/error_rate")) == 1


def test_of_fewer_clients_than_may_be_shown_nothing_is_logged(
    database: Database, federation: Federation, runs: MlflowRuns, log: Log
) -> None:
    with database.session_scope() as session:
        judged(session, federation, 1, 0.0)  # no aggregate was kept
    log()
    seen = runs._client.get_run(mlflow_run(database)).data.metrics
    assert set(seen) == {"global_step", "evaluate/sampled"}


def test_another_model_or_run_is_another_run(
    database: Database, federation: Federation, log: Log
) -> None:
    with database.session_scope() as session:
        judged(session, federation, 1, 0.6)
        judged(session, federation, 2, 0.6, run="summer")
        judged(session, federation, 3, 0.6, model="other")
    log()
    with database.read_scope() as session:
        rows = session.exec(select(LoggedRound)).all()
    assert len({row.mlflow_run for row in rows}) == 3
    assert {row.model for row in rows} == {MODEL, "other"}


def test_the_model_card_is_an_artifact_of_the_run_its_version_came_from(
    database: Database, federation: Federation, runs: MlflowRuns, log: Log, tmp_path: Path
) -> None:
    with database.session_scope() as session:
        version = register(session, federation, 1)
        judged(session, federation, 1, 0.6, run=version.run)
    log()
    with database.read_scope() as session:
        card = cards.prepare(session, version.id)
    assert card is not None
    for _ in range(2):
        cards.perform(runs, card)
    run = mlflow_run(database)
    folder = runs._client.download_artifacts(run, "versions/1", str(tmp_path))
    assert {path.name for path in Path(folder).iterdir()} == {"model-card.md", "model-card.html"}
    assert "version 1" in (Path(folder) / "model-card.md").read_text()
