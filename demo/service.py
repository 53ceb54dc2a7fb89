"""The service under the demo: `vigie up` in a process of its own, and people who call it."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from demo.ports import free_port

START_SECONDS, STOP_SECONDS = 90.0, 40.0
SWEEP_SECONDS = "0.2"


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Service:
    """A running service: its address and where its data lies."""

    url: str
    data_dir: Path

    @property
    def admin_key(self) -> str:
        """The key that the first start wrote for the admin."""
        return (self.data_dir / "admin-key").read_text().strip()


@contextmanager
def running(data_dir: Path) -> Iterator[Service]:
    """Start the embedded profile on a free port; stop it when the block ends.

    Raises:
        DemoError: if the folder has a database already, or the service does not come up.
    """
    if (data_dir / "vigie.db").exists():
        raise DemoError(f"{data_dir} holds a database already. Name another folder, or remove it.")
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = free_port()
    service = Service(f"http://127.0.0.1:{port}", data_dir)
    with (data_dir / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "up"],
            env=os.environ | _environment(service, port),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is the demo's to handle
        )
        try:
            _wait_until_ready(service, process)
            yield service
        finally:
            _stop(process)


def _environment(service: Service, port: int) -> dict[str, str]:
    return {
        "VIGIE_DATA_DIR": str(service.data_dir),
        "VIGIE_PORT": str(port),
        "VIGIE_PUBLIC_URL": service.url,
        "VIGIE_SWEEP_SECONDS": SWEEP_SECONDS,
    }


def _wait_until_ready(service: Service, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{service.url}/readyz", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.1)
    raise DemoError(f"The service did not start. Its log is {service.data_dir / 'service.log'}.")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Person:
    """Somebody with an API key, calling the service over HTTP."""

    def __init__(self, service: Service, name: str, key: str) -> None:
        self.name = name
        self.key = key
        self._http = httpx.Client(
            base_url=service.url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        )

    def __repr__(self) -> str:
        return f"Person({self.name!r})"

    def get(self, path: str, **query: str | int) -> Any:  # noqa: ANN401 - JSON
        """The JSON answer to GET."""
        return self._answer(self._http.get(f"/v1/federations{path}", params=query))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        """The JSON answer to POST."""
        return self._answer(self._http.post(f"/v1/federations{path}", json=dict(body or {})))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _answer(self, response: httpx.Response) -> Any:  # noqa: ANN401 - JSON
        if response.is_success:
            return response.json() if response.content else None
        where = f"{response.request.method} {response.request.url.path}"
        raise DemoError(f"{where} was refused ({response.status_code}): {response.text}")


def pseudonym_key(seed: int) -> bytes:
    """The demo federation's pseudonym key: from the seed, so that a replay is the same to the bit.

    A real federation makes its own with `vigie_client.generate_key()`, and keeps it to itself.
    """
    return hashlib.sha256(f"vigie demo {seed}".encode()).digest()
