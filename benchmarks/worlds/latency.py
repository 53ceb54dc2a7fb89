"""How long a round of 1,000 clients takes, from its push's 202 to verdicts and an open incident.

The service is a real `vigie up`, with one worker process, in the embedded profile (SQLite and the
broker on files) or on a PostgreSQL and a Redis of its own; its settings are the defaults.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from demo.ports import free_port
from tests.servers import running_postgres, running_redis

CLIENTS, FEATURES, BINS, EXAMPLES = 1_000, 20, 20, 400
REFERENCE, CALM, TIMED = 8, 3, 20
POLL_SECONDS, MOST_SECONDS, START_SECONDS = 0.01, 120.0, 90.0
LEFT_ALONE = 0.75  # of the shortest time so far, before the first look whether a round is judged
SHIFT, MOVED = 4, 3  # bins that the score and so many features move by in the timed rounds
FEDERATION = "/v1/federations/load"
JUDGED = {"evaluated", "partial"}
EDGES = [step / BINS for step in range(BINS + 1)]
BIN_SPEC: dict[str, Any] = {
    "labels": ["no", "yes"],
    "score": {"edges": EDGES},
    "features": {
        f"x{at}": {"kind": "numeric", "edges": EDGES, "unit": "1"} for at in range(FEATURES)
    },
}


@contextmanager
def embedded() -> Iterator[str]:
    """The embedded profile; its address and, after a blank, the admin's key."""
    with tempfile.TemporaryDirectory() as folder, _up(Path(folder), {}) as service:
        yield service


@contextmanager
def full() -> Iterator[str]:
    """The same on PostgreSQL and Redis."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = stack.enter_context(running_postgres(folder, durable=True))
        broker = stack.enter_context(running_redis(folder))
        told = {"VIGIE_DATABASE_URL": database, "VIGIE_BROKER_URL": broker}
        yield stack.enter_context(_up(folder / "data", told))


def seconds(service: str, clients: int = CLIENTS, timed: int = TIMED) -> list[float]:
    """The time that each of the last rounds took; some features drift from the first of them on.

    A judgement stores verdicts and opens incidents in one transaction, so a round that is judged
    has both.
    """
    with _Caller(service) as caller:
        caller.found()
        rng = np.random.default_rng(1)
        for step in range(1, REFERENCE + CALM + 1):
            caller.judged(caller.push(step, _records(rng, clients, shift=0)))
        taken: list[float] = []
        for step in range(REFERENCE + CALM + 1, REFERENCE + CALM + timed + 1):
            body = caller.body(step, _records(rng, clients, shift=SHIFT))
            round_id = caller.send(step, body)
            start = time.perf_counter()
            # Looks cost the service as much as a good part of the judging does.
            time.sleep(LEFT_ALONE * min(taken, default=0.0))
            caller.judged(round_id)
            taken.append(time.perf_counter() - start)
        if not caller.incidents():
            raise RuntimeError("all clients drifted, and no incident was opened")
    return taken


class _Caller:
    """The admin, and the FL server that pushes."""

    def __init__(self, service: str) -> None:
        url, key = service.split()
        self._admin = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=MOST_SECONDS
        )
        self._spec = ""

    def __enter__(self) -> "_Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self._pusher.close()
        self._admin.close()

    def found(self) -> None:
        """Found the federation, with a key for the FL server and the bin spec."""
        self._post(self._admin, "/v1/federations", {"name": "load", "title": "Load"})
        body = {"holder": "load", "role": "ingest"}
        key = self._post(self._admin, f"{FEDERATION}/keys", body)["key"]
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._pusher = httpx.Client(
            base_url=self._admin.base_url, headers=headers, timeout=MOST_SECONDS
        )
        self._spec = self._post(self._pusher, f"{FEDERATION}/bin-specs", BIN_SPEC)["id"]

    def body(self, step: int, records: list[dict[str, Any]]) -> bytes:
        """A round's push, made beforehand."""
        told = {
            "schema_version": 1,
            "global_step": step,
            "model": {"name": "load", "version": "1"},
            "started_at": "2026-11-01T00:00:00Z",
            "ended_at": "2026-11-01T01:00:00Z",
            "bin_spec": self._spec,
        }
        return json.dumps({**told, "clients": records}, separators=(",", ":")).encode()

    def send(self, step: int, body: bytes) -> str:
        """Push a round; its id."""
        path = f"{FEDERATION}/runs/load/rounds/{step}/evaluate"
        answer = self._pusher.post(path, content=body).raise_for_status().json()
        assert not answer["quarantined"], answer["refusals"][:3]
        return str(answer["round_id"])

    def push(self, step: int, records: list[dict[str, Any]]) -> str:
        """Push a round of these records; its id."""
        return self.send(step, self.body(step, records))

    def judged(self, round_id: str) -> None:
        """Wait until a round is judged."""
        end = time.monotonic() + MOST_SECONDS
        while self._get(f"{FEDERATION}/rounds/{round_id}")["state"] not in JUDGED:
            if time.monotonic() > end:
                raise TimeoutError(f"the round was not judged within {MOST_SECONDS} s")
            time.sleep(POLL_SECONDS)

    def incidents(self) -> list[dict[str, Any]]:
        """What was opened; a round is judged when this, too, is stored."""
        found: list[dict[str, Any]] = self._get(f"{FEDERATION}/incidents")
        return found

    def _get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return self._admin.get(path).raise_for_status().json()

    def _post(self, by: httpx.Client, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401
        return by.post(path, json=body).raise_for_status().json()


def _records(rng: np.random.Generator, clients: int, *, shift: int) -> list[dict[str, Any]]:
    """Records of ten numbers, a score histogram and a histogram for each feature."""
    moved = np.arange(FEATURES + 1) <= MOVED  # the score is the first
    middle = BINS / 2 + shift * moved[:, np.newaxis]
    shape = np.exp(-0.5 * ((np.arange(BINS) + 0.5 - middle) / 3) ** 2)
    shares = shape / shape.sum(axis=1, keepdims=True)
    counts = rng.multinomial(EXAMPLES, shares, size=(clients, FEATURES + 1))
    loss = rng.normal(0.5 + 0.05 * shift, 0.02, clients)
    right = rng.binomial(EXAMPLES, 0.85 - 0.03 * shift, clients)
    return [_record(rng, at, counts[at], float(loss[at]), int(right[at])) for at in range(clients)]


def _record(
    rng: np.random.Generator, at: int, counts: NDArray[np.int64], loss: float, right: int
) -> dict[str, Any]:
    return {
        "client": f"c_{at:032x}",
        "num_examples": EXAMPLES,
        "metrics": {
            "loss_sum": loss * EXAMPLES,
            "loss_sumsq": 1.5 * loss * loss * EXAMPLES,
            "correct_count": right,
        },
        "label_counts": [EXAMPLES - EXAMPLES // 4, EXAMPLES // 4],
        "score_histogram": counts[0].tolist(),
        "features": {f"x{place}": each.tolist() for place, each in enumerate(counts[1:])},
        "update": {"norm": float(rng.uniform(0, 9)), "cosine": float(rng.uniform(-1, 1))},
        "resources": {
            "train_ms": float(rng.uniform(1e2, 1e4)),
            "evaluate_ms": float(rng.uniform(1e1, 1e3)),
            "peak_mb": float(rng.uniform(50, 900)),
        },
    }


@contextmanager
def _up(folder: Path, told: dict[str, str]) -> Iterator[str]:
    """`vigie up` until the block ends; its address and the admin's key."""
    port = free_port()
    fixed = {"VIGIE_DATA_DIR": str(folder), "VIGIE_PORT": str(port), "VIGIE_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-m", "app", "up", "--workers", "1"]
    process = subprocess.Popen(  # noqa: S603 - this benchmark's own service
        command, env={**os.environ, **fixed, **told}, stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process)
        yield f"{url} {(folder / 'admin-key').read_text().strip()}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.1)
    raise RuntimeError("The service did not start.")
