"""NVIDIA FLARE, the real one: its rounds are judged, and a retrain request becomes its job.

The environment is apart, since FLARE's pins are not the service's.
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
from tests.frameworks.nvflare_system import USER, running_flare
from tests.integration.polling import wait_for
from tests.integration.test_up import service

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ".venv-nvflare"
DATA = ROOT.parent / "shared" / "data" / "beijing_air" / "hourly_2013-03_2014-12.csv.gz"
EXAMPLES = ROOT / "client" / "examples" / "nvflare"
FEDERATION, MODEL = "beijing", "smog"
POLICY = {
    "reference": {"rounds": sites.CALM},
    "drift": {"latest_rounds": 1},
    "retraining": {"rounds": 2},
}
PSEUDONYM_KEY = "5a" * 32
UNITS_SECONDS, WATCH_SECONDS, RETRAIN_SECONDS = 60.0, 140.0, 140.0

Call = Callable[..., Any]


@pytest.fixture
def python() -> Path:
    """The Python of FLARE's environment."""
    found = ROOT / ENVIRONMENT / "bin" / "python"
    if not found.exists():
        pytest.skip(f"NVIDIA FLARE's environment is not there; make it with: make {ENVIRONMENT}")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the sites' data."""
    folder = tmp_path / "sites"
    sites.prepare(DATA, folder)
    return folder


def test_the_units_in_flares_own_environment(python: Path) -> None:
    units = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/frameworks/nvflare"]
    _run(python, units, UNITS_SECONDS)


def test_drift_is_seen_and_the_retraining_it_asks_for_is_run(
    python: Path, folder: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    with service(data_dir, {}) as url:
        call, spec, secret = _federation(url, (data_dir / "admin-key").read_text().strip())
        environment = {
            "VIGIE_URL": url,
            "VIGIE_API_KEY": secret,
            "VIGIE_FEDERATION": FEDERATION,
            "VIGIE_BIN_SPEC": spec,
            "VIGIE_PSEUDONYM_KEY": PSEUDONYM_KEY,
        }
        windows = sites.CALM + sites.DRIFTED
        with running_flare(python, tmp_path / "flare", _names(), environment) as kit:
            kit_args = ["--startup-kit", str(kit), "--user", USER]

            watch = [str(EXAMPLES / "serve.py"), str(folder), "--windows", str(windows)]
            _run(python, [*watch, *kit_args], WATCH_SECONDS, environment)
            wait_for("all rounds judged", lambda: _judged(call) == windows, 60)
            _check_verdicts(call)
            (request,) = call("/retrain-requests")
            assert request["state"] == "requested"

            resubmit = [str(EXAMPLES / "resubmit.py"), str(folder), "--window", str(windows - 1)]
            _run(python, [*resubmit, *kit_args], RETRAIN_SECONDS, environment)
            (request,) = call("/retrain-requests")
            assert (request["state"], request["result_version"]) == ("completed", "2")
            _check_training(call, request)


def _names() -> list[str]:
    return [f"site-{number}" for number in range(1, len(sites.STATIONS) + 1)]


def _federation(url: str, admin: str) -> tuple[Call, str, str]:
    """Found it; a caller who may read it, the bin spec's id and the FLARE server's key."""

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
    spec = ask(server, "POST", f"/{FEDERATION}/bin-specs", sites.BIN_SPEC)["id"]
    version = {"run": "fit", "weights_sha256": "0" * 64}
    ask(server, "POST", f"/{FEDERATION}/models/{MODEL}/versions", version)
    return lambda path: ask(owner, "GET", f"/{FEDERATION}{path}"), spec, server


def _judged(call: Call) -> int:
    return sum(round_["state"] == "evaluated" for round_ in call("/rounds"))


def _check_verdicts(call: Call) -> None:
    rounds = call("/rounds")
    assert {round_["phase"] for round_ in rounds} == {"evaluate"}
    assert {round_["accepted"] for round_ in rounds} == {len(sites.STATIONS)}
    (incident,) = (found for found in call("/incidents") if found["family"] == "concept")
    assert incident["opened_step"] == sites.CALM


def _check_training(call: Call, request: dict[str, Any]) -> None:
    fitted = [round_ for round_ in call("/rounds") if round_["phase"] == "fit"]
    assert sorted(round_["number"] for round_ in fitted) == [0, 1]
    assert {round_["accepted"] for round_ in fitted} == {len(sites.STATIONS)}
    versions = call(f"/models/{MODEL}/versions")
    (trained,) = (version for version in versions if version["version"] == "2")
    assert {trained["run"]} == {round_["run"] for round_ in fitted}
    assert trained["retrain_request_id"] == request["id"]


def _run(
    python: Path, command: list[str], seconds: float, environment: dict[str, str] | None = None
) -> None:
    ran = subprocess.run(
        [str(python), *command],
        cwd=ROOT / "client",
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert ran.returncode == 0, json.dumps([ran.stdout[-4000:], ran.stderr[-4000:]], indent=1)
