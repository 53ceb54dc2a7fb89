"""The payload: client records of 10 metrics and a 50-bin histogram, as JSON and as columns."""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from app.rounds.arrow_stream import ENVELOPE
from app.rounds.columns import batch_of_trees
from app.rounds.layout import layout_of
from app.rounds.schemas import BinSpecIn

BINS = 50
BIN_SPEC: dict[str, Any] = {
    "labels": ["no", "yes"],
    "score": {"edges": [position / BINS for position in range(BINS + 1)]},
}


def envelope(step: int = 1, spec: str | None = None) -> dict[str, Any]:
    """What a push says of its round."""
    told: dict[str, Any] = {
        "schema_version": 1,
        "global_step": step,
        "model": {"name": "load", "version": "1"},
        "started_at": "2026-11-01T00:00:00Z",
        "ended_at": "2026-11-01T01:00:00Z",
    }
    return told if spec is None else told | {"bin_spec": spec}


def records(clients: int, seed: int = 1) -> list[dict[str, Any]]:
    """Good records: ten numbers each, and a histogram that adds up to the examples."""
    rng = np.random.default_rng(seed)
    return [_record(rng) for _ in range(clients)]


def as_json(told: dict[str, Any], clients: list[dict[str, Any]]) -> bytes:
    """The push as compact JSON."""
    return json.dumps({**told, "clients": clients}, separators=(",", ":")).encode()


def as_arrow(told: dict[str, Any], clients: list[dict[str, Any]]) -> bytes:
    """The push as an Arrow stream, counts in 32 bits."""
    batch = batch_of_trees(clients, layout_of(BinSpecIn.model_validate(BIN_SPEC), ()))
    place = batch.schema.names.index("score_histogram")
    counts = batch.column(place).cast(pa.list_(pa.int32(), BINS))
    batch = batch.set_column(place, "score_histogram", counts)
    batch = batch.replace_schema_metadata({ENVELOPE: json.dumps(told).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def _record(rng: np.random.Generator) -> dict[str, Any]:
    examples = int(rng.integers(500, 5000))
    mean = float(rng.uniform(0.2, 1.0))
    return {
        "client": f"c_{rng.bytes(16).hex()}",
        "num_examples": examples,
        "metrics": {
            "loss_sum": round(mean * examples, 6),
            "loss_sumsq": round(1.5 * mean**2 * examples, 6),
            "correct_count": int(examples * rng.uniform(0.6, 0.9)),
        },
        "score_histogram": rng.multinomial(examples, np.full(BINS, 1 / BINS)).tolist(),
        "update": {
            "norm": round(float(rng.uniform(0, 9)), 6),
            "cosine": round(float(rng.uniform(-1, 1)), 6),
        },
        "resources": {
            "train_ms": round(float(rng.uniform(1e2, 1e4)), 2),
            "evaluate_ms": round(float(rng.uniform(1e1, 1e3)), 2),
            "peak_mb": round(float(rng.uniform(50, 900)), 1),
        },
    }
