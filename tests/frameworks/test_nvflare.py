"""NVIDIA FLARE, the real one: its rounds are judged, and a retrain request becomes its job.

The environment is apart, since FLARE's pins are not the service's.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.frameworks import beijing, stations
from tests.frameworks.beijing import Call, judged
from tests.frameworks.nvflare_system import USER, running_flare
from tests.integration.polling import wait_for
from tests.integration.test_up import service

ENVIRONMENT = ".venv-nvflare"
EXAMPLES = beijing.ROOT / "client" / "examples" / "nvflare"
ROUNDS, WINDOWS = 2, stations.CALM + stations.DRIFTED
UNITS_SECONDS, WATCH_SECONDS, RETRAIN_SECONDS = 180.0, 140.0, 140.0


@pytest.fixture
def python() -> Path:
    """The Python of FLARE's environment."""
    found = beijing.ROOT / ENVIRONMENT / "bin" / "python"
    if not found.exists():
        pytest.skip(f"NVIDIA FLARE's environment is not there; make it with: make {ENVIRONMENT}")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the sites' data."""
    folder = tmp_path / "sites"
    stations.prepare(beijing.DATA, folder)
    return folder


def test_the_units_in_flares_own_environment(python: Path) -> None:
    units = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/frameworks/nvflare"]
    _run(python, units, UNITS_SECONDS)


def test_drift_is_seen_and_the_retraining_it_asks_for_is_run(
    python: Path, folder: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    with service(data_dir, {}) as url:
        found = beijing.founded(url, (data_dir / "admin-key").read_text().strip(), ROUNDS)
        sites = [f"site-{number}" for number in range(1, len(stations.STATIONS) + 1)]
        with running_flare(python, tmp_path / "flare", sites, found.environment) as kit:
            kit_args = ["--startup-kit", str(kit), "--user", USER]

            watch = [str(EXAMPLES / "serve.py"), str(folder), "--windows", str(WINDOWS)]
            _run(python, [*watch, *kit_args], WATCH_SECONDS, found.environment)
            request = _asked_for(found.read)

            resubmit = [str(EXAMPLES / "resubmit.py"), str(folder), "--window", str(WINDOWS - 1)]
            _run(python, [*resubmit, *kit_args], RETRAIN_SECONDS, found.environment)
            beijing.check_training(found.read, request, list(range(ROUNDS)))


def _asked_for(read: Call) -> str:
    """The retrain request that the rounds which drifted have led to."""
    wait_for("all rounds judged", lambda: judged(read) == WINDOWS, 60)
    rounds = read("/rounds")
    assert {round_["phase"] for round_ in rounds} == {"evaluate"}
    assert {round_["accepted"] for round_ in rounds} == {len(stations.STATIONS)}
    assert beijing.concept_incident(read)["opened_step"] == stations.CALM
    (request,) = read("/retrain-requests")
    assert request["state"] == "requested"
    return str(request["id"])


def _run(
    python: Path, command: list[str], seconds: float, environment: dict[str, str] | None = None
) -> None:
    ran = subprocess.run(
        [str(python), *command],
        cwd=beijing.ROOT / "client",
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert ran.returncode == 0, json.dumps([ran.stdout[-4000:], ran.stderr[-4000:]], indent=1)
