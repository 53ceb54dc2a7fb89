"""Flower, the real one: its rounds are judged, and a retrain request becomes its run.

The environment is apart, since Flower's pins are not the service's. The calm rounds are played by
the same apps in one process; what drifted, and the retraining, are runs of a SuperLink.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.frameworks import beijing, stations
from tests.frameworks.beijing import Call, judged
from tests.frameworks.flower_system import QUIET, SUPERLINK, flwr, running_flower
from tests.integration.polling import wait_for
from tests.integration.test_up import service

ENVIRONMENT = ".venv-flower"
CLIENT = beijing.ROOT / "client"
APP = CLIENT / "examples" / "flower"
ROUNDS = 1
RUN_SECONDS = 180


@pytest.fixture
def python() -> Path:
    """The Python of Flower's environment."""
    found = beijing.ROOT / ENVIRONMENT / "bin" / "python"
    if not found.exists():
        pytest.skip(f"Flower's environment is not there; make it with: make {ENVIRONMENT}")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the stations' data."""
    folder = tmp_path / "stations"
    stations.prepare(beijing.DATA, folder)
    return folder


def test_the_units_in_flowers_own_environment(python: Path) -> None:
    # Flower's own dependencies deprecate what it uses; that is no fault of the adapter.
    options = ["-q", "-p", "no:cacheprovider", "-W", "ignore::DeprecationWarning"]
    _run(python, ["-m", "pytest", *options, "tests/frameworks/flower"], QUIET)


def test_drift_is_seen_and_the_retraining_it_asks_for_is_run(
    python: Path, folder: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    with service(data_dir, {}) as url:
        found = beijing.founded(url, (data_dir / "admin-key").read_text().strip(), ROUNDS)
        environment = found.environment | {"VIGIE_SPOOL": str(tmp_path / "spool")}
        calm = ["tests/frameworks/flower/play.py", str(folder), str(stations.CALM)]
        _run(python, calm, QUIET | environment)
        wait_for("the calm rounds judged", lambda: judged(found.read) == stations.CALM, 60)
        assert found.read("/incidents") == []
        with running_flower(
            python, tmp_path / "flower", len(stations.STATIONS), environment
        ) as running:
            _watch(python, running, folder)
            request = _asked_for(found.read)
            _retrain(python, running, folder)
            assert len(flwr(python, running, "ls", SUPERLINK)["runs"]) == 2
        beijing.check_training(found.read, request, list(range(1, ROUNDS + 1)))


def _asked_for(read: Call) -> str:
    """The retrain request that the round which drifted has led to."""
    wait_for("the drifted round judged", lambda: judged(read) == stations.CALM + 1, 60)
    assert beijing.concept_incident(read)["opened_step"] == stations.CALM
    (request,) = read("/retrain-requests")
    assert request["state"] == "requested"
    return str(request["id"])


def _watch(python: Path, environment: dict[str, str], folder: Path) -> None:
    """Have the SuperNodes try the champion on the window that drifted."""
    config = f'window={stations.CALM} folder="{folder}"'
    started = flwr(python, environment, "run", str(APP), SUPERLINK, "--run-config", config)
    run = str(started["run-id"])

    def ended() -> bool:
        (found,) = flwr(python, environment, "ls", SUPERLINK, "--run-id", run)["runs"]
        assert found["status"] != "finished:failed", [found, _log(environment)]
        return bool(found["status"] == "finished:completed")

    wait_for("the run's end", ended, RUN_SECONDS)


def _retrain(python: Path, environment: dict[str, str], folder: Path) -> None:
    """Let two workers look for a request at once; one of them finds it."""
    command = [str(python), str(APP / "retrain.py"), SUPERLINK, str(folder)]
    workers = [
        subprocess.Popen(
            [*command, "--window", str(stations.CALM), "--claimer", f"flower-{number}"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in (1, 2)
    ]
    try:
        said = [worker.communicate(timeout=RUN_SECONDS) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    answers = sorted(out.strip() for out, _ in said)
    assert answers == ["completed 2", "nothing to do"], [said, _log(environment)]


def _log(environment: dict[str, str]) -> str:
    return (Path(environment["FLWR_HOME"]) / "superlink.log").read_text()[-6000:]


def _run(python: Path, command: list[str], environment: dict[str, str]) -> None:
    ran = subprocess.run(
        [str(python), *command],
        cwd=CLIENT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, json.dumps([ran.stdout[-4000:], ran.stderr[-4000:]], indent=1)
