"""What a report of each kind costs in a worker: its time, and the most memory that it takes.

`python -m benchmarks.reports --json`. A federation of 200 clients that tell 20 subjects (17
features, score, labels and predictions) is pushed and judged: 8 calm rounds, 8 that drift and 4 of
a canary. Each kind is then built from its outbox row in a worker's process of its own, twice:
the first one imports Evidently. Seconds are of processor time, the better of two processes, since
others may be at work.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from fastapi.testclient import TestClient
from numpy.random import Generator, default_rng
from sqlmodel import Session, col, select

from app.core import logging, migrations
from app.core.database import Database
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.incidents import service as incidents
from app.main import create_app
from app.registry import service as registry
from app.reports import of_candidate, of_incident, of_period, of_round, repository, service
from app.reports.states import Kind
from app.reports.tables import Report
from app.rounds import service as rounds
from benchmarks.harness import Case, Row, at_most, main
from tests.rounds import body, record

FEDERATION, MODEL, SEED = "flights", "late-arrival", 20_261_121
CLIENTS, FEATURES, BINS, EXAMPLES = 200, 17, 10, 500
CALM, DRIFTING, CANARY = range(1, 9), range(9, 17), range(17, 21)
LIMIT_SECONDS, LIMIT_MB, KILOBYTES_A_MB = 5.0, 500.0, 1024
HOME = f"/v1/federations/{FEDERATION}"
NAMES = [f"f{number}" for number in range(FEATURES)]
SPEC = {
    "labels": ["on time", "late"],
    "score": {"edges": [at / BINS for at in range(BINS + 1)]},
    "features": {
        name: {"kind": "numeric", "edges": list(range(BINS + 1)), "unit": "h"} for name in NAMES
    },
}


def costs() -> Iterator[Row]:
    """Time and memory of every kind."""
    with tempfile.TemporaryDirectory(prefix="vigie-reports-") as folder:
        _play(Path(folder))
        for kind in Kind:
            first, later, megabytes = np.min([_in_a_worker(folder, kind) for _ in range(2)], axis=0)
            yield at_most(f"{kind}: the first of a worker", float(first), LIMIT_SECONDS, "s")
            yield at_most(f"{kind}: each later one", float(later), LIMIT_SECONDS, "s")
            yield at_most(f"{kind}: peak memory of the worker", float(megabytes), LIMIT_MB, "MB")


def _in_a_worker(folder: str, kind: Kind) -> tuple[float, float, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
        return worker.submit(build_twice, folder, kind).result()


def build_twice(folder: str, kind: Kind) -> tuple[float, float, float]:
    """Processor seconds of two builds in a fresh worker process, and its peak in MB."""
    os.environ["VIGIE_DATA_DIR"] = folder
    from workers.tasks import EFFECTS  # noqa: PLC0415 - reads the settings

    settings = _settings(Path(folder))
    logging.configure(settings)  # to stderr: what is printed is the result
    database = Database(settings.database)
    times = []
    for _ in range(2):
        row_id = _ask(database, kind)
        start = time.process_time()
        EFFECTS[service.BUILD].run(database, row_id)
        times.append(time.process_time() - start)
    _require_ready(database, kind)
    database.dispose()
    return times[0], times[1], _peak_megabytes()


def _peak_megabytes() -> float:
    """The most memory that this process held; `getrusage` would count its parent's too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / KILOBYTES_A_MB
    raise LookupError("VmHWM, which Linux tells")


def _ask(database: Database, kind: Kind) -> UUID:
    """The outbox row of a report that is asked for, or asked for again."""
    with database.session_scope() as session:
        report = service.ask(session, _asked(session, kind), "benchmark")
        if report.state != "building":
            service.rebuild(session, report, "benchmark")
        session.flush()
        newest = col(OutboxRow.created_at).desc()
        rows = select(OutboxRow.id).where(OutboxRow.subject == report.id)
        found = session.exec(rows.where(OutboxRow.task == service.BUILD).order_by(newest)).first()
    assert found is not None  # it was just written
    return found


def _asked(session: Session, kind: Kind) -> Report:
    ours = federations.named(session, FEDERATION)
    if kind is Kind.ROUND:
        (newest,) = rounds.recent(session, ours.id, limit=1)
        return of_round.asked(session, ours, newest.id)
    if kind is Kind.INCIDENT:
        opened = max(incidents.list_of(session, ours.id), key=lambda one: len(one.evidence))
        return of_incident.asked(session, ours, opened.id)
    if kind is Kind.CANDIDATE:
        version = registry.version_named(session, ours.id, MODEL, "2")
        return of_candidate.asked_of_version(session, ours, version.id)
    if kind is Kind.PROMOTION:
        (promotion,) = registry.promotions_of(session, ours.id)
        return of_candidate.asked_of_promotion(session, ours, promotion.id)
    model = registry.model_named(session, ours.id, MODEL)
    found = of_period.asked(session, ours, model.id, "steps 1 to 20", (1, 20))
    assert found is not None  # it has rounds
    return found


def _require_ready(database: Database, kind: Kind) -> None:
    with database.read_scope() as session:
        ours = federations.named(session, FEDERATION)
        (report,) = repository.newest(session, ours.id, kind, None, 1, of_clients=True)
    assert report.state == "ready", report.error


def _settings(folder: Path) -> Settings:
    return Settings(data_dir=folder, secret="s" * 32, push_rate="1000000/second")


def _play(folder: Path) -> None:
    settings = _settings(folder)
    database = Database(settings.database)
    migrations.upgrade(database)
    app = create_app(settings)
    app.state.database = database
    server, owner = _keys(database, settings)
    with TestClient(app, headers=server) as api:
        spec = api.post(f"{HOME}/bin-specs", json=SPEC).json()["id"]
        rng = default_rng(SEED)
        _register(api, "spring", "1" * 64)
        for step in (*CALM, *DRIFTING):
            _push(api, step, "evaluate", _round(rng, step, spec, {"version": "1"}))
        _register(api, "summer", "2" * 64, parent_version="1")
        both = {"version": "1", "canary_version": "2"}
        for step in CANARY:
            _push(api, step, "canary", _round(rng, step, spec, both))
        _judge(folder, database)
        _submit(api, owner)
    database.dispose()


def _keys(database: Database, settings: Settings) -> list[dict[str, str]]:
    """The headers of an FL server and of an owner."""
    told = FederationIn(name=FEDERATION, title="Flights", cohort_tags={"hub": ["EWR", "JFK"]})
    with database.session_scope() as session:
        ours = federations.create(session, told, "benchmark")
        keys = [
            federations.issue_key(
                session, ours, KeyIn(holder=role, role=role), "benchmark", settings.secret_key
            )[1]
            for role in (Role.INGEST, Role.OWNER)
        ]
    return [{"Authorization": f"Bearer {key}"} for key in keys]


def _submit(api: TestClient, owner: dict[str, str]) -> None:
    told = {"model": MODEL, "candidate": "2", "why": "better"}
    drafted = api.post(f"{HOME}/promotions", json=told, headers=owner).json()["id"]
    api.post(f"{HOME}/promotions/{drafted}/submit", headers=owner).raise_for_status()


def _round(rng: Generator, step: int, spec: str, model: dict[str, str]) -> dict[str, Any]:
    drifted = step not in CALM
    clients = [_client(rng, name, drifted, "canary_version" in model) for name in range(CLIENTS)]
    return body(*clients, step=step, spec=spec, model={"name": MODEL, **model})


def _client(rng: Generator, name: int, drifted: bool, canary: bool) -> dict[str, Any]:
    late = int(rng.binomial(EXAMPLES, 0.4 if drifted else 0.2))
    shares = {at: _shares(at < FEATURES // 2 and drifted) for at in range(FEATURES)}
    told = record(name, EXAMPLES, late, cohorts={"hub": ("EWR", "JFK")[name % 2]})
    told["features"] = {
        NAMES[at]: rng.multinomial(EXAMPLES, shares[at]).tolist() for at in range(FEATURES)
    }
    told["score_histogram"] = rng.multinomial(EXAMPLES, _shares(drifted)).tolist()
    told["confusion"] = [[EXAMPLES - late, 0], [late // 2, late - late // 2]]
    if canary:
        told["canary"] = _candidate(rng, late)
    return told


def _candidate(rng: Generator, late: int) -> dict[str, Any]:
    loss = 0.3 + 0.9 * late / EXAMPLES - rng.normal(0.1, 0.01)
    right = EXAMPLES - late // 2
    metrics = {"loss_sum": EXAMPLES * loss, "loss_sumsq": 2 * EXAMPLES * loss**2}
    scores = rng.multinomial(EXAMPLES, _shares(steep=True)).tolist()
    return {
        "metrics": metrics | {"correct_count": right},
        "score_histogram": scores,
        "confusion": [[EXAMPLES - late, 0], [late // 2, late - late // 2]],
        "agreement": [[EXAMPLES - late, 0], [right - EXAMPLES + late, late // 2]],
    }


def _shares(steep: bool) -> list[float]:
    weights = [1.0 + (at if steep else 0) for at in range(BINS)]
    return [weight / sum(weights) for weight in weights]


def _register(api: TestClient, run: str, sha: str, **more: str) -> None:
    told = {"run": run, "weights_sha256": sha} | more
    api.post(f"{HOME}/models/{MODEL}/versions", json=told).raise_for_status()


def _push(api: TestClient, step: int, phase: str, push: dict[str, Any]) -> None:
    api.post(f"{HOME}/runs/serve/rounds/{step}/{phase}", json=push).raise_for_status()


def _judge(folder: Path, database: Database) -> None:
    """What a worker does with the rounds that wait."""
    os.environ["VIGIE_DATA_DIR"] = str(folder)
    from workers.tasks import EFFECTS  # noqa: PLC0415 - reads the settings

    with database.read_scope() as session:
        waiting = select(OutboxRow).where(OutboxRow.task == rounds.EVALUATE)
        rows = session.exec(waiting.order_by(col(OutboxRow.created_at))).all()
    for row in rows:
        EFFECTS[row.task].run(database, row.id)


if __name__ == "__main__":
    main("reports", [Case("costs", costs)])
