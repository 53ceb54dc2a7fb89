"""`vigie up` on both profiles: a drift becomes an incident and a retrain request, in one trace."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.ports import free_port
from tests.integration.collector import Collector, collecting
from tests.integration.polling import wait_for
from tests.rounds import BIN_SPEC, body, record
from tests.servers import running_postgres, running_redis

CARRIERS = ("AA", "B6", "DL", "EV", "UA")
CALM, STORM = (20, 22, 18, 21, 19, 20, 23, 17), 45


@contextmanager
def service(data_dir: Path, environment: dict[str, str]) -> Iterator[str]:
    """A running `vigie up`; Ctrl-C ends it, and it has to end well."""
    port = free_port()
    settings = {
        "VIGIE_DATA_DIR": str(data_dir),
        "VIGIE_PORT": str(port),
        "VIGIE_SWEEP_SECONDS": "0.2",
    }
    with (data_dir.parent / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "up"],
            env=os.environ | settings | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for("a ready service", lambda: _ready(url), 60)
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(
    params=["embedded", pytest.param("full", marks=[pytest.mark.postgres, pytest.mark.redis])]
)
def profile(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of a profile, with its servers running."""
    with ExitStack() as stack:
        if request.param == "embedded":
            yield {}
            return
        yield {
            "VIGIE_DATABASE_URL": stack.enter_context(running_postgres(tmp_path)),
            "VIGIE_BROKER_URL": stack.enter_context(running_redis(tmp_path)),
        }


@pytest.fixture
def collector(profile: dict[str, str]) -> Iterator[Collector]:
    """Where the profile's processes send their spans."""
    with collecting() as collector:
        profile["VIGIE_OTLP_ENDPOINT"] = collector.endpoint
        yield collector


def test_a_drift_becomes_an_incident_and_a_retrain_request(
    tmp_path: Path, profile: dict[str, str], collector: Collector
) -> None:
    data_dir = tmp_path / "data"
    with service(data_dir, profile) as url, httpx.Client(base_url=f"{url}/v1/federations") as http:
        admin = _bearer((data_dir / "admin-key").read_text().strip())
        _ok(
            http.post(
                f"{url}/v1/federations", json={"name": "flights", "title": "Flights"}, headers=admin
            )
        )

        def key(role: str) -> dict[str, str]:
            made = _ok(
                http.post("/flights/keys", json={"holder": role, "role": role}, headers=admin)
            )
            return _bearer(made["key"])

        server, on_call = key("ingest"), key("on_call")
        spec = _ok(http.post("/flights/bin-specs", json=BIN_SPEC, headers=server))["id"]
        version = {"run": "fit", "weights_sha256": "0" * 64}
        _ok(http.post("/flights/models/late-arrival/versions", json=version, headers=server))
        for step, late in enumerate((*CALM, STORM, STORM, STORM), start=1):
            clients = [record(name, late=late + place) for place, name in enumerate(CARRIERS)]
            push = json.dumps(body(*clients, step=step, spec=spec))
            path = f"/flights/runs/serve/rounds/{step}/evaluate"
            receipt = _ok(http.post(path, content=push, headers=server))
            round_path = f"/flights/rounds/{receipt['round_id']}"
            wait_for(
                f"step {step} evaluated",
                lambda at=round_path: _ok(http.get(at, headers=on_call))["state"] == "evaluated",
                60,
            )
        incidents = _ok(http.get("/flights/incidents", headers=on_call))
        (incident,) = (found for found in incidents if found["family"] == "concept")
        assert incident["opened_step"] == 11
        (request,) = _ok(http.get("/flights/retrain-requests", headers=on_call))
        assert (request["state"], request["incident_id"]) == ("requested", incident["id"])
        metrics = httpx.get(f"{url}/metrics").text
        assert 'vigie_incidents_open{severity="critical"}' in metrics
        told = re.compile(r'^vigie_notices\{state="sent"\} [1-9]', re.MULTILINE)
        wait_for("a notice", lambda: told.search(httpx.get(f"{url}/metrics").text), 30)
    assert collector.way_to("deliver notice") == [
        "vigie-api: POST /v1/federations/{federation}/runs/{run}/rounds/{number}/{phase}",
        "vigie-api: send incidents.on_round",
        "vigie-worker: process incidents.on_round",
        "vigie-worker: open incident",
        "vigie-worker: send incidents.announce",
        "vigie-worker: process incidents.announce",
        "vigie-worker: send incidents.deliver_notice",
        "vigie-worker: process incidents.deliver_notice",
        "vigie-worker: deliver notice",
    ]


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _ok(response: httpx.Response) -> Any:
    assert response.is_success, response.text
    return response.json()
