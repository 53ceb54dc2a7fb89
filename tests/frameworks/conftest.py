"""The service on loopback, for what runs in a process of its own."""

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

SECONDS = 30.0
EXAMPLES = Path(__file__).parents[2] / "client" / "examples"
PSEUDONYM_KEY = "5a" * 32

RunExample = Callable[[str, dict[str, str]], str]


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


@pytest.fixture
def run_example(url: str, tmp_path: Path) -> RunExample:
    """`run_example(name, headers)`: what an example prints, run with this key."""

    def run(name: str, headers: dict[str, str]) -> str:
        environment = os.environ | {
            "VIGIE_URL": url,
            "VIGIE_API_KEY": headers["Authorization"].removeprefix("Bearer "),
            "VIGIE_FEDERATION": "flights",
            "VIGIE_PSEUDONYM_KEY": PSEUDONYM_KEY,
        }
        ran = subprocess.run(
            [sys.executable, str(EXAMPLES / name)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return run
