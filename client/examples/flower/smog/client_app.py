# mypy: disable-error-code="import-not-found,import-untyped,misc,untyped-decorator"
"""What runs at each station. For Vigie: ``_record``, and the line with ``attach``.

A station's own environment has ``VIGIE_PSEUDONYM_KEY``, the federation's key in 64 hex digits.
Flower's node ids change when a SuperNode restarts; ``partition-id`` in its node config does not.
"""

import os
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from smog.bins import BIN_SPEC
from smog.model import model, trained
from smog.stations import FEATURES, Floats, Labels, readings
from vigie_client import Bins, Pseudonyms, Summary
from vigie_client.flower import attach

BINS = Bins(BIN_SPEC)

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train on this station's readings of the window."""
    weights, x, y = _given(message, context)
    return _reply(message, context, weights, x, y, arrays=trained(weights, x, y))


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Try the model on this station's readings of the window."""
    return _reply(message, context, *_given(message, context), arrays=None)


def _given(message: Message, context: Context) -> tuple[Floats, Floats, Labels]:
    weights = message.content["arrays"]["weights"].numpy()
    folder = str(context.run_config["folder"])
    window = int(message.content["config"]["window"])
    return weights, *readings(folder, _station(context), window)


def _reply(
    message: Message,
    context: Context,
    weights: Floats,
    x: Floats,
    y: Labels,
    *,
    arrays: Floats | None,
) -> Message:
    made = model(weights)
    metrics = {"num-examples": len(y), "accuracy": float(made.score(x, y))}
    content = RecordDict({"metrics": MetricRecord(metrics)})
    if arrays is not None:
        content["arrays"] = ArrayRecord({"weights": Array(np.asarray(arrays))})

    # A function, so that whatever is wrong in it costs the record and not the reply.
    attach(content, lambda: _record(made.predict_proba(x), x, y, _station(context)))
    return Message(content=content, reply_to=message)


def _record(probabilities: Floats, x: Floats, y: Labels, station: int) -> dict[str, Any]:
    summary = Summary(BINS)
    summary.add(probabilities, y, features=dict(zip(FEATURES, x.T, strict=True)))
    pseudonym = Pseudonyms(bytes.fromhex(os.environ["VIGIE_PSEUDONYM_KEY"]))
    return summary.record(pseudonym(f"station-{station}"))


def _station(context: Context) -> int:
    return int(context.node_config["partition-id"]) + 1
