"""A provisioned FLARE system on loopback: one server and its sites, each a process."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from demo.ports import free_port

USER, STOP_SECONDS = "admin@example.org", 20.0
_BUILDERS = [
    {
        "path": "nvflare.lighter.impl.workspace.WorkspaceBuilder",
        "args": {"template_file": ["master_template.yml"]},
    },
    {
        "path": "nvflare.lighter.impl.static_file.StaticFileBuilder",
        "args": {"config_folder": "config"},
    },
    {"path": "nvflare.lighter.impl.cert.CertBuilder"},
    {"path": "nvflare.lighter.impl.signature.SignatureBuilder"},
]


@contextmanager
def running_flare(
    python: Path, folder: Path, sites: Sequence[str], environment: dict[str, str]
) -> Iterator[Path]:
    """Provision and start it; the startup kit of `USER`. The server has `environment`, too."""
    kits = _provisioned(python, folder, sites)
    with ExitStack() as stack:
        for name in ("server", *sites):
            stack.enter_context(_running(python, kits, name, os.environ | environment))
        yield kits / USER


def _provisioned(python: Path, folder: Path, sites: Sequence[str]) -> Path:
    folder.mkdir()
    server = {"name": "server", "type": "server", "org": "vigie", "default_host": "localhost"}
    people = {"name": USER, "type": "admin", "org": "vigie", "role": "project_admin"}
    clients = [{"name": site, "type": "client", "org": "vigie"} for site in sites]
    project = {
        "api_version": 3,
        "name": "smog",
        "participants": [server | {"fed_learn_port": free_port()}, people, *clients],
        "builders": _BUILDERS,
    }
    (folder / "project.yml").write_text(json.dumps(project))  # which is YAML, too
    command = [str(python), "-m", "nvflare.cli", "provision", "-p", "project.yml", "-w", "kits"]
    home = os.environ | {"HOME": str(folder)}
    subprocess.run(command, cwd=folder, env=home, check=True, stdout=subprocess.DEVNULL)
    kits = folder / "kits" / "smog" / "prod_00"
    resources = kits / "server" / "local" / "resources.json.default"
    # As provisioned, jobs are kept in one folder of /tmp for every system of the machine.
    resources.write_text(resources.read_text().replace("/tmp/nvflare", str(folder / "storage")))
    return kits


@contextmanager
def _running(
    python: Path, kits: Path, name: str, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    kind = "server" if name == "server" else "client"
    settings = ["secure_train=true", "org=vigie", "config_folder=config"]
    settings += [] if kind == "server" else [f"uid={name}"]
    module = f"nvflare.private.fed.app.{kind}.{kind}_train"
    start = ["-m", str(kits / name), "-s", f"fed_{kind}.json", "--set", *settings]
    with (kits.parent / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(python), "-m", module, *start],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it with the job processes that it started, which are in its session."""
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
