"""A Flower federation on loopback: a SuperLink and its SuperNodes, each a process."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from demo.ports import free_port
from tests.integration.polling import wait_for

SUPERLINK, START_SECONDS, STOP_SECONDS = "loopback", 60.0, 10.0
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}


@contextmanager
def running_flower(
    python: Path, folder: Path, nodes: int, environment: dict[str, str]
) -> Iterator[dict[str, str]]:
    """Start it; the environment in which `flwr` finds it. Its apps have `environment`, too."""
    folder.mkdir()
    address = f"127.0.0.1:{free_port()}"
    connection = f'[superlink.{SUPERLINK}]\naddress = "{address}"\ninsecure = true\n'
    (folder / "config.toml").write_text(f'[superlink]\ndefault = "{SUPERLINK}"\n\n{connection}')
    programs = os.pathsep.join((str(python.parent), os.environ["PATH"]))
    own = {"FLWR_HOME": str(folder), "HOME": str(folder), "PATH": programs}
    everything = os.environ | QUIET | own | environment
    with ExitStack() as stack:
        for name, command in _commands(python.parent, address, nodes):
            stack.enter_context(_running(command, folder / f"{name}.log", everything))
            if name == "superlink":
                wait_for("a SuperLink", lambda: _healthy(address), START_SECONDS)
        yield everything


def flwr(python: Path, environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    """What a command of `flwr` answers."""
    ran = subprocess.run(
        [python.with_name("flwr"), *arguments, "--format", "json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def _commands(programs: Path, address: str, nodes: int) -> Iterator[tuple[str, list[str]]]:
    host, port = address.split(":")
    where = ["--host", host, "--port"]
    link = [str(programs / "flower-superlink"), "--insecure", *where, port]
    yield "superlink", [*link, "--disable-runtime-dependency-installation"]
    for number in range(nodes):
        node = [str(programs / "flower-supernode"), "--insecure", "--superlink", address]
        config = f"partition-id={number} num-partitions={nodes}"
        yield f"supernode-{number}", [*node, *where, str(free_port()), "--node-config", config]


def _healthy(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/health", timeout=2).is_success
    except httpx.TransportError:
        return False


@contextmanager
def _running(command: Sequence[str], log: Path, environment: dict[str, str]) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it with the apps that it started, which are in its session."""
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
