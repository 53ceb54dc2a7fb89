# mypy: disable-error-code="import-not-found,import-untyped,misc,untyped-decorator"
"""Carry out one retrain request, as a run of a Flower federation.

Needs VIGIE_URL, VIGIE_API_KEY and VIGIE_FEDERATION, and a folder that the ServerApp shares.
"""

import argparse
import os
import sys
from pathlib import Path

from vigie_client import RetrainRequest, RetrainWorker
from vigie_client.flower import FlowerTraining

HERE = Path(__file__).parent


def main() -> None:
    """Claim, start, follow, hand over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("superlink", help="the name of a connection in Flower's config.toml")
    parser.add_argument("folder", help="the stations' data and the models")
    parser.add_argument("--window", type=int, required=True, help="the window to train on")
    parser.add_argument("--claimer", default="flower-1", help="what this worker is called")
    args = parser.parse_args()

    def configure(request: RetrainRequest) -> dict[str, bool | int | float | str]:
        warm = "champion.npy" if request.base_version == "1" else f"{request.base_version}.npy"
        return {"train": True, "window": args.window, "folder": args.folder, "warm-start": warm}

    training = FlowerTraining(
        HERE,
        args.superlink,
        args.folder,
        configure=configure,
        flwr=[str(Path(sys.executable).with_name("flwr"))],
        poll_seconds=0.5,
    )
    url, key, federation = (
        os.environ[f"VIGIE_{name}"] for name in ("URL", "API_KEY", "FEDERATION")
    )
    with RetrainWorker(url, key, federation, "smog", training, claimer=args.claimer) as worker:
        request = worker.run_once()
    if request is None:
        print("nothing to do")
        return
    if request.result_version is not None:
        made = Path(args.folder) / f"{request.id}.npy"
        made.rename(made.with_name(f"{request.result_version}.npy"))
    print(request.state, request.result_version)


if __name__ == "__main__":
    main()
