# mypy: disable-error-code="import-not-found,import-untyped,misc,untyped-decorator,no-any-return"
"""The server: FedAvg, or the champion tried on one window after the other.

For Vigie: ``open_reporter`` and the lines with ``watch`` and ``vigie``; and, so that a retrain
request learns what came of it, ``outcome``. The SuperLink's environment has VIGIE_URL,
VIGIE_API_KEY, VIGIE_FEDERATION and VIGIE_SPOOL, a folder; and VIGIE_BIN_SPEC, the id that
``VigieApi.put_bin_spec`` once gave for ``smog.bins.BIN_SPEC``. Nothing of this stops a run: without
it, or with Vigie down, the rounds go on.
"""

import os
from collections.abc import Iterable

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from smog.stations import champion
from vigie_client import RoundReporter
from vigie_client.flower import Outcome, watch, weights_sha256

STATIONS = 4
DELIVERY_SECONDS = 30.0

app = ServerApp()


class ByWindow(FedAvg):
    """FedAvg whose evaluation rounds each look at the next window of time."""

    def __init__(self, first_window: int, *, train: bool) -> None:
        super().__init__(
            fraction_train=float(train),
            fraction_evaluate=float(not train),
            min_train_nodes=STATIONS,
            min_evaluate_nodes=STATIONS,
            min_available_nodes=STATIONS,
        )
        self.first_window = first_window

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask about the window that belongs to this round."""
        config["window"] = self.first_window + server_round - 1
        return super().configure_evaluate(server_round, arrays, config, grid)


def open_reporter() -> RoundReporter:
    """Open the spool, and start sending what an earlier run left in it."""
    url, key, federation, spool = (
        os.environ[f"VIGIE_{name}"] for name in ("URL", "API_KEY", "FEDERATION", "SPOOL")
    )
    return RoundReporter(url, key, federation, spool)


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the rounds, and hand over what they made."""
    config = context.run_config
    rounds, window, train = config["num-server-rounds"], config["window"], config["train"]
    request = str(config["vigie-request"])
    outcome = Outcome(config["vigie-outcome"]) if config["vigie-outcome"] else None
    strategy = watch(
        ByWindow(window, train=train),
        open_reporter,
        model="smog",
        version=f"candidate-{request[:8]}" if request else str(config["vigie-base-version"]),
        parent_version=str(config["vigie-base-version"]) if request else None,
        retrain_request=request or None,
        first_step=window - 1,
        outcome=outcome,
        bin_spec=os.environ.get("VIGIE_BIN_SPEC"),
        strategy={"name": "fedavg"},
    )

    weights = champion(str(config["folder"]), str(config["warm-start"]))
    result = strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord({"weights": Array(weights)}),
        num_rounds=rounds,
        train_config=ConfigRecord({"window": window}),
    )
    strategy.vigie.close(DELIVERY_SECONDS)
    if outcome is not None:
        np.save(outcome.path.with_suffix(".npy"), result.arrays["weights"].numpy())
        outcome.finish(weights_sha256(result.arrays), rounds)
