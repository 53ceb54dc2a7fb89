"""Flower, the real one: its rounds are judged, and a retrain request becomes its run.

The environment is apart, since Flower's pins are not the service's. The calm rounds are played by
the same apps in one process; what drifted, and the retraining, are runs of a SuperLink.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.frameworks import nvflare_sites as sites
from tests.frameworks.flower_system import QUIET, SUPERLINK, flwr, running_flower
from tests.integration.polling import wait_for
from tests.integration.test_up import service

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ".venv-flower"
DATA = ROOT.parent / "shared" / "data" / "beijing_air" / "hourly_2013-03_2014-12.csv.gz"
CLIENT = ROOT / "client"
APP = CLIENT / "examples" / "flower"
FEDERATION, MODEL, ROUNDS = "beijing", "smog", 1
POLICY = {
    "reference": {"rounds": sites.CALM},
    "drift": {"latest_rounds": 1},
    "retraining": {"rounds": ROUNDS},
}
PSEUDONYM_KEY = "5a" * 32
RUN_SECONDS = 180

Call = Callable[..., Any]


@pytest.fixture
def python() -> Path:
    """The Python of Flower's environment."""
    found = ROOT / ENVIRONMENT / "bin" / "python"
    if not found.exists():
        pytest.skip(f"Flower's environment is not there; make it with: make {ENVIRONMENT}")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the stations' data."""
    if not DATA.exists():
        pytest.skip("beijing_air is not beside the repository; see docs on the data sets")
    folder = tmp_path / "stations"
    sites.prepare(DATA, folder)
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
        call, secret = _federation(url, (data_dir / "admin-key").read_text().strip())
        environment = {
            "VIGIE_URL": url,
            "VIGIE_API_KEY": secret,
            "VIGIE_FEDERATION": FEDERATION,
            "VIGIE_PSEUDONYM_KEY": PSEUDONYM_KEY,
            "VIGIE_SPOOL": str(tmp_path / "spool"),
        }
        calm = ["tests/frameworks/flower/play.py", str(folder), str(sites.CALM)]
        _run(python, calm, QUIET | environment)
        wait_for("the calm rounds judged", lambda: _judged(call) == sites.CALM, 60)
        assert call("/incidents") == []
        with running_flower(python, tmp_path / "flower", len(sites.STATIONS), environment) as found:
            _watch(python, found, folder)
            wait_for("the drifted round judged", lambda: _judged(call) == sites.CALM + 1, 60)
            (incident,) = (one for one in call("/incidents") if one["family"] == "concept")
            assert incident["opened_step"] == sites.CALM
            (request,) = call("/retrain-requests")
            assert request["state"] == "requested"

            _retrain(python, found, folder)
            assert len(flwr(python, found, "ls", SUPERLINK)["runs"]) == 2
        _check_training(call, request["id"])


def _watch(python: Path, environment: dict[str, str], folder: Path) -> None:
    """Have the SuperNodes try the champion on the window that drifted."""
    config = f'window={sites.CALM} folder="{folder}"'
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
            [*command, "--window", str(sites.CALM), "--claimer", f"flower-{number}"],
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


def _federation(url: str, admin: str) -> tuple[Call, str]:
    """Found it; a caller who may read it, and the Flower server's key."""

    def ask(key: str, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.request(
            method, f"{url}/v1/federations{path}", headers=headers, json=body, timeout=30
        )
        assert answer.is_success, answer.text
        return answer.json()

    def key(role: str) -> str:
        made = ask(admin, "POST", f"/{FEDERATION}/keys", {"holder": role, "role": role})
        return str(made["key"])

    ask(admin, "POST", "", {"name": FEDERATION, "title": "Beijing"})
    owner, server = key("owner"), key("ingest")
    ask(owner, "PUT", f"/{FEDERATION}/policy", POLICY)
    version = {"run": "fit", "weights_sha256": "0" * 64}
    ask(server, "POST", f"/{FEDERATION}/models/{MODEL}/versions", version)
    return lambda path: ask(owner, "GET", f"/{FEDERATION}{path}"), server


def _judged(call: Call) -> int:
    return sum(round_["state"] == "evaluated" for round_ in call("/rounds"))


def _check_training(call: Call, request_id: str) -> None:
    (request,) = call("/retrain-requests")
    assert (request["id"], request["state"], request["result_version"]) == (
        request_id,
        "completed",
        "2",
    )
    fitted = [round_ for round_ in call("/rounds") if round_["phase"] == "fit"]
    assert [round_["number"] for round_ in fitted] == list(range(1, ROUNDS + 1))
    assert {round_["accepted"] for round_ in call("/rounds")} == {len(sites.STATIONS)}
    (trained,) = (one for one in call(f"/models/{MODEL}/versions") if one["version"] == "2")
    assert {trained["run"]} == {round_["run"] for round_ in fitted}
    assert trained["retrain_request_id"] == request_id


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
