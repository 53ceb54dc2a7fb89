# mypy: disable-error-code="import-not-found"
"""Run the example's training job in FLARE's simulator: ``simulate.py WORKFLOW URL FOLDER``."""

import socket
import sys
from contextlib import suppress
from pathlib import Path
from secrets import randbelow
from typing import Any
from unittest.mock import patch

EXAMPLE = Path(__file__).parents[3] / "examples" / "nvflare"
sys.path.insert(0, str(EXAMPLE))

SITES, ROUNDS, WEIGHTS = 4, 2, [0.0] * 8


def main() -> None:
    from vigie_client.nvflare import VigieReporter

    workflow, url, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    reporter = VigieReporter(
        url, "stroke", "smog", "1", run="simulated-1", spool=str(folder / "spool")
    )
    made = {"FedAvg": _fed_avg, "ScatterAndGather": _scatter_and_gather}[workflow]
    sys.exit(_simulated(made(reporter, folder), folder))


def _simulated(job: Any, folder: Path) -> int:
    """What ``FedJob.simulator_run`` does, with ports that nobody answers on before their site does.

    The simulator starts its sites side by side, and finds each a port by listening on one and
    closing it. A site that is being forked meanwhile holds that socket for a moment more: who asks
    there is connected, then reset, the simulator takes the site for dead and FedAvg waits for ever
    (nvflare 2.9; 35 of 1,200 ports, and a run of 40 on a busy machine).
    """
    from nvflare.private.fed.app.simulator import simulator_runner

    job.export_job(str(folder / "jobs"))
    runner = simulator_runner.SimulatorRunner(
        str(folder / "jobs" / job.name),
        str(folder / "workspace"),
        clients=",".join(f"site-{number}" for number in range(1, SITES + 1)),
        n_clients=SITES,
        threads=SITES,
    )
    with patch.object(simulator_runner, "get_open_ports", _ports):
        status: int = runner.run()
    return status


def _ports(count: int) -> list[int]:
    """Free ones, and none that the system may give to whoever calls out meanwhile."""
    return [_port() for _ in range(count)]


def _port() -> int:
    while True:
        port = 20_000 + randbelow(12_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("localhost", port))
            return port


def _fed_avg(reporter: Any, folder: Path) -> Any:
    from jobs import train_job

    return train_job(reporter, WEIGHTS, ROUNDS, folder, 0)


def _scatter_and_gather(reporter: Any, folder: Path) -> Any:
    """The same, with an aggregator that is a component of its own."""
    from jobs import job_of
    from nvflare.app_common.aggregators.intime_accumulate_model_aggregator import (
        InTimeAccumulateWeightedAggregator,
    )
    from nvflare.app_common.shareablegenerators.full_model_shareable_generator import (
        FullModelShareableGenerator,
    )
    from nvflare.app_common.workflows.scatter_and_gather import ScatterAndGather

    workflow = ScatterAndGather(
        min_clients=SITES,
        num_rounds=ROUNDS,
        wait_time_after_min_received=0,
        persistor_id="persistor",
    )
    job = job_of("retrain", workflow, reporter, WEIGHTS, f"--folder {folder}")
    aggregator = InTimeAccumulateWeightedAggregator(expected_data_kind="WEIGHTS")
    job.to_server(aggregator, id="aggregator")
    job.to_server(FullModelShareableGenerator(), id="shareable_generator")
    return job


if __name__ == "__main__":
    main()
