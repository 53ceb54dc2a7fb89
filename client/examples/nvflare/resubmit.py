# mypy: disable-error-code="import-not-found"
"""Carry out one retrain request, as a job of a running FLARE system.

Needs what serve.py needs, and VIGIE_API_KEY here, too.
"""

import argparse
import os
import shutil
from pathlib import Path

import numpy as np
from jobs import train_job
from nvflare.fuel.flare_api.flare_api import new_secure_session

from vigie_client import RetrainRequest, RetrainWorker
from vigie_client.nvflare import FlareTraining, VigieReporter


def main() -> None:
    """Claim, submit, follow, hand over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--window", type=int, required=True, help="the window to train on")
    parser.add_argument("--startup-kit", required=True)
    parser.add_argument("--user", required=True)
    args = parser.parse_args()
    url, federation = os.environ["VIGIE_URL"], os.environ["VIGIE_FEDERATION"]

    def make_job(request: RetrainRequest, to: Path) -> Path:
        reporter = VigieReporter(
            url,
            federation,
            model=request.model,
            version=f"candidate-{request.id[:8]}",
            first_step=args.window,
            bin_spec=os.environ["VIGIE_BIN_SPEC"],
            strategy="fedavg",
            parent_version=request.base_version,
            retrain_request=request.id,
        )
        champion = np.load(args.folder / "champion.npy").tolist()
        rounds = int(request.plan["rounds"])
        train_job(reporter, champion, rounds, args.folder, args.window).export_job(str(to))
        return to / "retrain"

    def keep(result: Path, request: RetrainRequest) -> None:
        shutil.copy(next(result.rglob("server.npy")), args.folder / f"{request.id}.npy")

    training = FlareTraining(
        lambda: new_secure_session(args.user, args.startup_kit),
        make_job,
        keep=keep,
        poll_seconds=0.5,
    )
    key = os.environ["VIGIE_API_KEY"]
    with RetrainWorker(url, key, federation, "smog", training, claimer="flare-1") as worker:
        print(worker.run_once())


if __name__ == "__main__":
    main()
