"""A million client-metric streams advanced by one round: seconds and memory, by worker processes.

100,000 clients tell ten rates each (log loss, error rate, the shares of eight labels), pushed in
chunks to the whole service on SQLite. The pieces of a judgement go to worker processes as a broker
would hand them out; what counts is the time from the first to the stored verdicts, state loaded and
stored, and the largest memory that a worker ever had.
"""

import hashlib
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.core import backup, logging, migrations
from app.core.database import Database
from app.core.outbox import Delivery
from app.core.settings import Settings
from app.federations.roles import Role
from app.main import create_app
from app.rounds.arrow_stream import ENVELOPE, MEDIA_TYPE
from benchmarks.worlds import service
from benchmarks.worlds.service import MODEL, RUN, VERSION
from benchmarks.worlds.world import Setting

CLIENTS, OF_A_CHUNK, LABELS, EXAMPLES = 100_000, 20_000, 8, 200
STREAMS_OF_A_CLIENT = LABELS + 2
REFERENCE, WARM = 8, 4  # the second process begins when there are two things to do
KIB = 2**10
SETTING = Setting(
    name="million",
    bin_spec={"labels": [f"label {at}" for at in range(LABELS)], "score": {"edges": [0.0, 1.0]}},
)


@dataclass(frozen=True)
class Advanced:
    """What one round took: seconds, and the largest resident memory of a worker, in bytes."""

    seconds: float
    peak_bytes: int


def advance(workers: int, clients: int = CLIENTS) -> Advanced:
    """Advance every stream by one round with so many worker processes."""
    with _pushed(workers, clients) as (pool, database):
        start = time.perf_counter()
        peak = _judge(pool, database)
        return Advanced(time.perf_counter() - start, peak)


def advance_apart(services: int, clients: int = CLIENTS) -> float:
    """Advance every stream of so many services at once, each by a process of its own: seconds.

    They share nothing but the machine, so that no workers of one service can do better on it.
    """
    with _pushed(services, clients) as (pool, database):
        urls = [_copied(database, str(number)) for number in range(services)]
        start = time.perf_counter()
        for done in [pool.submit(_perform_all, url) for url in urls]:
            done.result()
        return time.perf_counter() - start


@contextmanager
def _pushed(workers: int, clients: int) -> Iterator[tuple[Executor, Database]]:
    """Worker processes that are warm, and a database with a round that is to be judged."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _pushing(Path(folder)) as (pusher, database),
        ProcessPoolExecutor(workers, get_context("spawn")) as pool,
    ):
        for step in range(1, REFERENCE + WARM + 1):
            pusher.push(step, clients)
            _judge(pool, database)
        pusher.push(REFERENCE + WARM + 1, clients)
        yield pool, database


def _copied(database: Database, name: str) -> str:
    """The address of a copy beside it."""
    path = Path(database.engine.url.database or "").with_name(f"{name}.db")
    backup.backup(database, path, lambda _done, _total: None)
    return f"sqlite:///{path}"


def _judge(pool: Executor, database: Database) -> int:
    """Have everything done that is due, and what follows from it; the workers' peak memory."""
    peak, running = 0, set()
    while True:
        running |= {pool.submit(_perform, database.url, one) for one in service.claim(database)}
        if not running:
            return peak
        done, running = wait(running, return_when=FIRST_COMPLETED)
        peak = max(peak, *(each.result() for each in done))


def _perform(url: str, delivery: Delivery) -> int:
    service.perform(_database(url), delivery)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def _perform_all(url: str) -> None:
    service.evaluate_due(_database(url))


@cache
def _database(url: str) -> Database:
    logging.configure(Settings(log_level="ERROR"))  # what is printed is the result
    return Database(url)


class _Pusher:
    """The FL server, with its key and the bin spec."""

    def __init__(self, api: TestClient, key: str) -> None:
        self._api, self._rng = api, np.random.default_rng(1)
        self._headers = {"Authorization": f"Bearer {key}"}
        self._base = f"/v1/federations/{SETTING.name}"
        self._spec = self._post("/bin-specs", json.dumps(SETTING.bin_spec).encode())["id"]

    def push(self, step: int, clients: int) -> None:
        """Push a round in chunks, and close it."""
        path = f"/runs/{RUN}/rounds/{step}/evaluate"
        firsts = range(0, clients, OF_A_CHUNK)
        for chunk, first in enumerate(firsts):
            batch = _records(self._rng, range(first, min(first + OF_A_CHUNK, clients)))
            body = _stream(batch, self._envelope(step))
            receipt = self._post(f"{path}?chunk={chunk}", body, MEDIA_TYPE)
            assert not receipt["quarantined"], receipt["refusals"][:3]
        self._post(f"{path}/close", json.dumps({"chunks": len(firsts)}).encode())

    def _envelope(self, step: int) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "global_step": step,
            "model": {"name": MODEL, "version": VERSION},
            "started_at": "2026-11-01T00:00:00Z",
            "ended_at": "2026-11-01T01:00:00Z",
            "bin_spec": self._spec,
        }

    def _post(self, path: str, body: bytes, media: str = "application/json") -> Any:  # noqa: ANN401
        headers = {**self._headers, "Content-Type": media}
        answer = self._api.post(self._base + path, content=body, headers=headers)
        if not answer.is_success:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()


@contextmanager
def _pushing(folder: Path) -> Iterator[tuple[_Pusher, Database]]:
    settings = Settings(
        data_dir=folder, secret=SecretStr("s" * 32), max_backlog=900_000_000, log_level="ERROR"
    )
    database = Database(settings.database)
    migrations.upgrade(database)
    keys = service.founded(database, settings, SETTING)
    app = create_app(settings)
    app.state.database = database
    with TestClient(app) as api:
        yield _Pusher(api, keys[Role.INGEST]), database
    database.dispose()


def _records(rng: np.random.Generator, clients: range) -> pa.RecordBatch:
    """Records of these clients, whose labels differ in their shares."""
    size = len(clients)
    shares = 1.0 + np.arange(LABELS) + np.array(clients)[:, np.newaxis] % LABELS
    labels = rng.multinomial(EXAMPLES, shares / shares.sum(axis=1, keepdims=True))
    flat = pa.array(labels.astype(np.int32).ravel())
    loss = rng.normal(0.5, 0.03, size)
    return pa.record_batch(
        {
            "client": pa.array([_name(client) for client in clients]),
            "status": pa.array(["ok"] * size),
            "num_examples": pa.array(np.full(size, EXAMPLES, dtype=np.int64)),
            "metrics.loss_sum": pa.array(EXAMPLES * loss),
            "metrics.loss_sumsq": pa.array(1.5 * EXAMPLES * loss**2),
            "metrics.correct_count": pa.array(rng.binomial(EXAMPLES, 0.8, size) * 1.0),
            "label_counts": pa.FixedSizeListArray.from_arrays(flat, LABELS),
        }
    )


@cache
def _name(client: int) -> str:
    """A pseudonym as spread out as real ones, which are digests, too."""
    return f"c_{hashlib.sha256(str(client).encode()).hexdigest()[:32]}"


def _stream(batch: pa.RecordBatch, envelope: dict[str, Any]) -> bytes:
    batch = batch.replace_schema_metadata({ENVELOPE: json.dumps(envelope).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())
