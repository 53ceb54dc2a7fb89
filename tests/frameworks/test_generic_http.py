"""The example with nothing but HTTP, against the service on loopback."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient

from app.federations.roles import Role

EXAMPLE = Path(__file__).parents[2] / "client" / "examples" / "generic_http.py"
LONGEST = 40
FEDERATION, MODEL = "flights", "stroke"
SECONDS = 30.0

KeyOf = Callable[..., dict[str, str]]


@pytest.fixture
def url(api: TestClient) -> Iterator[str]:
    """The service's address. Its socket listens from the start, so nobody has to wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(api.app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(SECONDS)


def test_a_round_arrives_and_a_retrain_request_is_carried_out(
    url: str, api: TestClient, key_of: KeyOf
) -> None:
    server, on_call = key_of(Role.INGEST), key_of(Role.ON_CALL)
    base = f"/v1/federations/{FEDERATION}"
    first = {"run": "fit", "weights_sha256": "0" * 64}
    api.post(f"{base}/models/{MODEL}/versions", json=first, headers=server).raise_for_status()
    asked = {"model": MODEL, "reason": "New hospitals joined."}
    request = api.post(f"{base}/retrain-requests", json=asked, headers=on_call).json()

    receipt, version = _run(url, server).split()

    (round_,) = api.get(f"{base}/rounds", headers=on_call).json()
    assert (round_["run"], round_["accepted"], bool(receipt)) == ("run-1", 1, True)
    ended = api.get(f"{base}/retrain-requests/{request['id']}", headers=on_call).json()
    assert (ended["state"], ended["result_version"]) == ("completed", version)


def test_it_is_as_short_as_it_says() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= LONGEST


def _run(url: str, headers: dict[str, str]) -> str:
    environment = os.environ | {
        "VIGIE_URL": url,
        "VIGIE_API_KEY": headers["Authorization"].removeprefix("Bearer "),
        "VIGIE_FEDERATION": FEDERATION,
        "VIGIE_PSEUDONYM_KEY": "5a" * 32,
    }
    ran = subprocess.run(
        [sys.executable, str(EXAMPLE)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
