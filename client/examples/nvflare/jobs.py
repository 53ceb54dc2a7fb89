# mypy: disable-error-code="import-not-found,import-untyped,misc"
"""The two jobs of a federation that Vigie watches: look at the champion, and train the next one."""

from collections.abc import Sequence
from pathlib import Path

from nvflare.app_common.np.np_model_persistor import NPModelPersistor
from nvflare.app_common.workflows.fedavg import FedAvg
from nvflare.client.config import ExchangeFormat
from nvflare.fuel.utils.constants import FrameworkType
from nvflare.job_config.api import FedJob
from nvflare.job_config.script_runner import ScriptRunner
from watch import Watch

from vigie_client.nvflare import VigieReporter

HERE = Path(__file__).parent
SITES = 4


def watch_job(
    reporter: VigieReporter, weights: Sequence[float], windows: int, folder: Path
) -> FedJob:
    """Every site evaluates the champion on the first ``windows`` windows of its data."""
    return job_of("watch", Watch(windows), reporter, weights, f"--folder {folder}")


def train_job(
    reporter: VigieReporter, weights: Sequence[float], rounds: int, folder: Path, window: int
) -> FedJob:
    """FedAvg from ``weights``, over the sites' data of one window."""
    workflow = FedAvg(num_clients=SITES, num_rounds=rounds, task_check_period=0.1)
    return job_of("retrain", workflow, reporter, weights, f"--folder {folder} --window {window}")


def job_of(
    name: str, workflow: object, reporter: VigieReporter, weights: Sequence[float], args: str
) -> FedJob:
    """A job of this workflow: the model's weights, the sites' script, and Vigie beside them."""
    job = FedJob(name=name, min_clients=SITES)  # FLARE starts it when all are there
    job.set_app_packages(["vigie_client"])  # installed everywhere, so not to be sent along
    job.to_server(workflow)
    job.to_server(NPModelPersistor(model=list(weights)), id="persistor")
    job.to_server(reporter, id="vigie")
    job.to_server({"server": {"task_request_interval": 0.2}})  # seconds; rounds are short here
    runner = ScriptRunner(
        script=str(HERE / "site.py"),
        script_args=args,
        framework=FrameworkType.NUMPY,
        server_expected_format=ExchangeFormat.NUMPY,
    )
    job.to_clients(runner)
    return job
