# mypy: disable-error-code="import-not-found"
"""Have every site evaluate the champion, window by window, and Vigie be told of each.

Needs VIGIE_URL, VIGIE_FEDERATION and VIGIE_BIN_SPEC; the startup kit of a user who may submit jobs;
and a folder with the sites' data (see site.py) and the champion's weights in ``champion.npy``. The
FLARE server's own environment has VIGIE_API_KEY and, in 64 hex digits, VIGIE_PSEUDONYM_KEY.
"""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jobs import watch_job
from nvflare.fuel.flare_api.flare_api import new_secure_session

from vigie_client.nvflare import VigieReporter


def main() -> None:
    """Submit the job and wait for its end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--windows", type=int, required=True)
    parser.add_argument("--startup-kit", required=True)
    parser.add_argument("--user", required=True)
    args = parser.parse_args()
    reporter = VigieReporter(
        os.environ["VIGIE_URL"],
        os.environ["VIGIE_FEDERATION"],
        model="smog",
        version="1",
        bin_spec=os.environ["VIGIE_BIN_SPEC"],
    )
    champion = np.load(args.folder / "champion.npy").tolist()
    job = watch_job(reporter, champion, args.windows, args.folder)
    session = new_secure_session(args.user, args.startup_kit)
    with TemporaryDirectory() as folder:
        job.export_job(folder)
        number = session.submit_job(str(Path(folder) / job.name))
    session.monitor_job(number, poll_interval=0.5)
    print(number, session.get_job_meta(number)["status"])
    session.close()


if __name__ == "__main__":
    main()
