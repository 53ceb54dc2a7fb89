"""What a push costs training: `python -m benchmarks.push`, 1,000 clients of 10 metrics and 50 bins.

The peer encodes the same round on training's own thread and waits until it is on disk. What the
thread behind spends afterwards, encoding, packing, sending and filing the receipt, is a row, too.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
from vigie_client import RoundReporter

from benchmarks.harness import Case, Row, at_most, main

CLIENTS, METRICS, BINS = 1_000, 10, 50
REPEATS = 15
LIMIT_MS, SPENT_MS, GOAL = 5.0, 50.0, 3.0
PATIENCE = 60.0

RECEIPT = {
    "receipt_id": "r", "round_id": "r", "federation": "f", "run": "run", "round": 1,
    "phase": "fit", "attempt": 1, "body_sha256": "", "received_at": "2026-01-01T00:00:00Z",
    "accepted": CLIENTS, "quarantined": 0, "refusals": [],
}  # fmt: skip


def _body(seed: int = 7) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    metrics, counts = rng.random((CLIENTS, METRICS)), rng.integers(0, 100, (CLIENTS, BINS))
    records = [
        {
            "client": f"c_{number:032x}",
            "num_examples": int(counts[number].sum()),
            "metrics": {f"m{i}": float(value) for i, value in enumerate(metrics[number])},
            "score_histogram": counts[number].tolist(),
        }
        for number in range(CLIENTS)
    ]
    return {"schema_version": 1, "attempt": 1, "global_step": 1, "clients": records}


@contextmanager
def _reporter() -> Iterator[RoundReporter]:
    service = httpx.MockTransport(lambda _request: httpx.Response(202, json=RECEIPT))
    with (
        tempfile.TemporaryDirectory() as spool,
        RoundReporter("http://vigie.test", "key", "f", spool, transport=service) as reporter,
    ):
        yield reporter


def _hand_over() -> Iterable[Row]:
    body = _body()
    with _reporter() as reporter, tempfile.TemporaryDirectory() as folder:

        def push() -> None:
            reporter.push("run", 1, "fit", body)

        ours, peer = [], []
        for _ in range(REPEATS + 1):
            ours.append(_milliseconds(push))
            reporter.flush(PATIENCE)  # training goes on in between
            peer.append(_milliseconds(lambda: _encode_and_wait(body, Path(folder) / "round")))
    mine, theirs = median(ours[1:]), median(peer[1:])
    what = "push of 1,000 clients, against json.dumps and fsync on the caller's thread"
    yield Row(what, mine, theirs, "ms", theirs / mine, GOAL, theirs / mine >= GOAL)
    yield at_most("push of 1,000 clients", mine, LIMIT_MS, "ms")


def _behind() -> Iterable[Row]:
    body = _body()
    with _reporter() as reporter:
        seconds = [_processor_seconds(reporter, body) for _ in range(REPEATS + 1)]
    spent = median(seconds[1:]) * 1e3
    yield at_most("processor time of a push until its receipt, all threads", spent, SPENT_MS, "ms")


def _processor_seconds(reporter: RoundReporter, body: dict[str, Any]) -> float:
    before = time.process_time()
    reporter.push("run", 1, "fit", body)
    reporter.flush(PATIENCE)
    return time.process_time() - before


def _encode_and_wait(body: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:
        file.write(json.dumps(body, allow_nan=False, sort_keys=True).encode())
        file.flush()
        os.fsync(file.fileno())


def _milliseconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


CASES = [Case("push", _hand_over), Case("behind", _behind)]

if __name__ == "__main__":
    main("push", CASES)
