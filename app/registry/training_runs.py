"""FL runs as MLflow runs: the effect of the outbox task `registry.log_rounds`.

A run of a model is one MLflow run in the experiment `<federation>.<model>`, each of its rounds a
step of it. Logged is what may be shown of a round's clients together (`app/rounds/aggregating.py`),
once: what was logged is kept, and a round that is judged again adds only what has changed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.core import clock
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import repository
from app.registry.mlflow_runs import MlflowRuns
from app.registry.tables import LoggedRound
from app.registry.twins import registered_name
from app.rounds import service as rounds
from app.rounds.disclosure import FEDERATION
from app.rounds.tables import Round, RoundAggregate

LOG = rounds.LOG
MOST_ROUNDS = 200  # of a run, at a time
OF_TAKING_PART = ("available", "sampled", "replied", "timed_out")
OF_CLIENTS = ("latency_p50_ms", "latency_p95_ms", "bytes_up", "bytes_down")


@dataclass(frozen=True)
class Point:
    """A round to be logged: all that it says, and what of that MLflow does not know."""

    round_id: UUID
    step: int
    at: datetime
    evaluated_at: datetime
    metrics: dict[str, float]
    new: dict[str, float]


@dataclass(frozen=True)
class TrainingRun:
    """A run with the rounds of it that are to be logged."""

    experiment: str
    key: str
    name: str
    params: dict[str, str]
    tags: dict[str, str]
    points: tuple[Point, ...]


@dataclass(frozen=True)
class LoggedRun:
    """What was logged, and the id that MLflow gave the run."""

    run: TrainingRun
    mlflow_run: str


def prepare(session: Session, round_id: UUID) -> TrainingRun | None:
    """The run of a round, with all rounds of it that MLflow does not know; None without any."""
    round_ = rounds.received(session, round_id)
    found = repository.rounds_to_log(session, round_, MOST_ROUNDS)
    if not found:
        return None
    federation = federations.get(session, round_.federation_id)
    aggregates = rounds.aggregates_by_round(session, [one.id for one, _ in found])
    points = tuple(_point(one, logged, aggregates[one.id]) for one, logged in found)
    name = registered_name(federation.name, round_.model)
    newest = found[-1][0]
    return TrainingRun(
        experiment=name,
        key=run_key(federation, round_.model, round_.run),
        name=round_.run,
        params=_params(federation.name, federation.min_cohort_size, found[0][0]),
        tags={
            **_told("vigie.", _strategy(newest)),
            "vigie.version": newest.version,
            "vigie.privacy": str((newest.envelope.get("privacy") or {}).get("mechanism", "none")),
        },
        points=points,
    )


def perform(store: MlflowRuns, run: TrainingRun) -> LoggedRun:
    """Log the rounds; done twice it changes nothing."""
    started = min(point.at for point in run.points)
    mlflow_run = store.ensure_run(run.experiment, run.key, run.name, started)
    metrics = [
        (name, value, point.at, point.step)
        for point in run.points
        for name, value in point.new.items()
    ]
    store.log(mlflow_run, metrics, run.params, run.tags)
    return LoggedRun(run, mlflow_run)


def record(session: Session, round_id: UUID, logged: LoggedRun) -> None:
    """Keep what MLflow knows of each round."""
    round_ = rounds.received(session, round_id)
    for point in logged.run.points:
        row = repository.logged_round(session, point.round_id) or LoggedRound(
            round_id=point.round_id,
            federation_id=round_.federation_id,
            model=round_.model,
            run=round_.run,
            mlflow_run=logged.mlflow_run,
            metrics={},
            evaluated_at=point.evaluated_at,
            logged_at=clock.now(),
        )
        row.metrics, row.mlflow_run = point.metrics, logged.mlflow_run
        row.evaluated_at, row.logged_at = point.evaluated_at, clock.now()
        session.add(row)


def run_key(federation: Federation, model: str, run: str) -> str:
    """By what MLflow's run of an FL run of a model is found."""
    return f"{federation.id}/{model}/{run}"


def metrics_of(round_: Round, aggregates: Sequence[RoundAggregate]) -> dict[str, float]:
    """What may be shown of a round's clients together, by metric, such as `evaluate/log_loss`."""
    whole = [one for one in aggregates if (one.scope, one.scope_key) == FEDERATION]
    told: dict[str, float] = {"global_step": float(round_.global_step)}
    for aggregate in whole:
        of = "candidate_" if aggregate.measured == "canary" else ""
        for name, value in _sums(aggregate):
            told[f"{round_.phase}/{of}{name}"] = value
    participation = round_.envelope.get("participation") or {}
    for name in (*OF_TAKING_PART, *(OF_CLIENTS if whole else ())):
        if participation.get(name) is not None:
            told[f"{round_.phase}/{name}"] = float(participation[name])
    return told


def _sums(aggregate: RoundAggregate) -> Iterator[tuple[str, float]]:
    yield "clients", float(aggregate.clients)
    yield "examples", float(aggregate.examples)
    if aggregate.loss_examples:
        yield "log_loss", aggregate.loss_sum / aggregate.loss_examples
    if aggregate.correct_examples:
        yield "error_rate", 1 - aggregate.correct_count / aggregate.correct_examples


def _point(round_: Round, logged: LoggedRound | None, found: Sequence[RoundAggregate]) -> Point:
    assert round_.evaluated_at is not None  # only such rounds are asked for
    metrics = metrics_of(round_, found)
    known = {} if logged is None else logged.metrics
    # MLflow shows of one step what came last: what corrects an earlier value is of a later time.
    corrects = logged is not None or round_.attempt > 1
    return Point(
        round_id=round_.id,
        step=round_.number,
        at=round_.evaluated_at if corrects else round_.ended_at,
        evaluated_at=round_.evaluated_at,
        metrics=metrics,
        new={name: value for name, value in metrics.items() if known.get(name) != value},
    )


def _params(federation: str, k: int, first: Round) -> dict[str, str]:
    told = {"federation": federation, "model": first.model, "run": first.run}
    return {**told, "min_cohort_size": str(k), **_told("", _strategy(first))}


def _strategy(round_: Round) -> dict[str, Any]:
    strategy = round_.envelope.get("strategy") or {}
    return {"strategy": strategy.get("name"), "config_sha256": strategy.get("config_sha256")}


def _told(prefix: str, facts: dict[str, Any]) -> dict[str, str]:
    return {f"{prefix}{name}": str(fact) for name, fact in facts.items() if fact is not None}
