"""docker-compose.yml as processes of this machine: the same commands, environments and files.

A container becomes a folder, and every path in it a path below that folder. A host becomes an
address of 127.0.0.0/8 of its own, so that every port stays the one that the file states. What an
image would add (a program, where it listens) is in `IMAGES`, and is all that this module adds.
"""

import os
import random
import re
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
# Grafana is in no registry that a test could install it from; its files are checked elsewhere.
LEFT_OUT = {"grafana"}


@dataclass(frozen=True)
class Image:
    """What an image brings that its service's lines do not say; `{address}` is the service's."""

    program: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    workdir: str = "/"


IMAGES = {
    "vigie": Image(workdir="/var/lib/vigie"),
    "postgres": Image(),
    "redis": Image(workdir="/data"),
    "prom/prometheus": Image(("prometheus",), ("--web.listen-address={address}:9090",)),
    "prom/alertmanager": Image(("alertmanager",), ("--web.listen-address={address}:9093",)),
}
# Debian 12's Alertmanager (0.25) is older than `url_file`, which came with 0.26.
OLDER = {
    "alertmanager.yml": (r"url_file: \S+", "url: http://127.0.0.1:9/"),
    "redis.conf": (r"(?m)^bind .*", "bind {address}"),
}


@dataclass(frozen=True)
class Service:
    """One service of the file, as it runs here."""

    name: str
    lines: Mapping[str, Any]
    home: Path
    addresses: Mapping[str, str]
    base_environment: Mapping[str, str]

    @property
    def address(self) -> str:
        """The address that the others know it by."""
        return self.addresses[self.name]

    @property
    def image(self) -> Image:
        """What its image brings; KeyError for one that this module does not know."""
        return IMAGES[self.lines["image"].rpartition(":")[0]]

    @property
    def root(self) -> Path:
        """The folder that stands for the container's file system."""
        return self.home / self.name

    @property
    def command(self) -> list[str]:
        """Its program with all arguments."""
        options = [text.format(address=self.address) for text in self.image.options]
        stated = [self.here(text) for text in self.lines["command"]]
        return [*self.image.program, *stated, *options]

    @property
    def health_check(self) -> list[str]:
        """The command whose success means that the service is healthy; empty where it has none."""
        kind, *parts = self.lines.get("healthcheck", {}).get("test", [""])
        parts = [self.here(part) for part in parts]
        return ["sh", "-c", *parts] if kind == "CMD-SHELL" else parts

    @property
    def environment(self) -> dict[str, str]:
        """What its processes find in their environment, and nothing of this machine's beside."""
        own = {name: str(text) for name, text in self.lines.get("environment", {}).items()}
        of_image = self.base_environment if "build" in self.lines else {}
        told = {name: self.here(text) for name, text in (of_image | own).items()}
        path = [str(ROOT), str(ROOT / "client/src")]
        return {
            "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(path),
            **told,
        }

    @property
    def waits_for(self) -> Mapping[str, str]:
        """The services that it starts after, each with the condition."""
        needed = self.lines.get("depends_on", {}).items()
        return {name: how["condition"] for name, how in needed if name not in LEFT_OUT}

    @property
    def mounts(self) -> list[tuple[str, str]]:
        """What is mounted: source and target of each."""
        return [tuple(one.split(":")[:2]) for one in self.lines.get("volumes", [])]  # type: ignore[misc]

    @property
    def writable(self) -> list[str]:
        """The paths in the container that may be written: its root is read-only."""
        tmpfs = [one.split(":")[0] for one in self.lines.get("tmpfs", [])]
        return [*tmpfs, *(target for source, target in self.mounts if source[0] != ".")]

    @cached_property
    def _paths(self) -> re.Pattern[str]:
        known = {"/run/secrets", *self.writable, *(target for _, target in self.mounts)}
        known |= {"/var/lib/vigie"} if "build" in self.lines else set()
        longest_first = sorted(map(re.escape, known), key=len, reverse=True)
        return re.compile(rf"(?<![\w./}}-])(?:{'|'.join(longest_first)})(?=$|[/\s'\":)])")

    def here(self, text: str) -> str:
        """A text of the file as it reads on this machine."""
        text = self._paths.sub(lambda found: f"{self.root}{found[0]}", text.replace("$$", "$"))
        hosts = "|".join(self.addresses)
        text = re.sub(rf"(?<![\w.-])({hosts})(?=:\d)", lambda found: self.addresses[found[1]], text)
        text = re.sub(rf"(?<=--host=)({hosts})\b", lambda found: self.addresses[found[1]], text)
        own = r"(?<![\w.])(127\.0\.0\.1|localhost)(?=:\d)|(?<=--host=)127\.0\.0\.1|\b0\.0\.0\.0\b"
        return re.sub(own, self.address, text)

    def furnish(self, secrets: Path) -> None:
        """Make its file system: volumes that are shared, files that are copied, its own secrets."""
        for path in (*self.writable, self.image.workdir):
            self._at(path).mkdir(parents=True, exist_ok=True)
        for source, target in self.mounts:
            self._mount(source, target)
        folder = self._at("/run/secrets")
        folder.mkdir(parents=True)
        for name in self.lines.get("secrets", []):
            (folder / name).symlink_to(secrets / f"{name}.txt")

    def strays(self) -> list[Path]:
        """The files that it wrote where its container could not have: the root is read-only."""
        allowed = [self._at(path) for path in (*self.writable, "/run/secrets")]
        files = {path for path in self.root.rglob("*") if path.is_file()}
        files -= {self._at(target) for _, target in self.mounts}
        return [path for path in files if not any(path.is_relative_to(one) for one in allowed)]

    def _mount(self, source: str, target: str) -> None:
        at = self._at(target)
        at.parent.mkdir(parents=True, exist_ok=True)
        if source[0] == ".":
            pattern, instead = OLDER.get(at.name, ("(?!)", ""))
            text = re.sub(
                pattern, instead.format(address=self.address), (ROOT / source).read_text()
            )
            at.write_text(self.here(text))
            return
        volume = self.home / "volumes" / source
        volume.mkdir(parents=True, exist_ok=True)
        at.rmdir()
        at.symlink_to(volume)

    def _at(self, path: str) -> Path:
        return self.root / path.removeprefix("/")


def services(home: Path, chosen: Mapping[str, str]) -> dict[str, Service]:
    """The file's services but those left out; `chosen` are variables as `.env` would set them.

    Values of `chosen` may name the services' addresses, as `{api}`.
    """
    names = [name for name in _file({}) if name not in LEFT_OUT]
    addresses = _addresses(names)
    variables = {name: text.format(**addresses) for name, text in chosen.items()}
    told, of_image = _file(variables), _environment_of_image()
    _programs(home / "bin", addresses["redis"])
    return {name: Service(name, told[name], home, addresses, of_image) for name in names}


def _file(variables: Mapping[str, str]) -> dict[str, Any]:
    """The services of the file, with the variables put in."""
    told = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    found: dict[str, Any] = _interpolated(told, variables)
    return found


def _interpolated(told: Any, variables: Mapping[str, str]) -> Any:
    """`${NAME:-default}` in every text, after the YAML was read, as compose does it."""
    if isinstance(told, dict):
        return {name: _interpolated(value, variables) for name, value in told.items()}
    if isinstance(told, list):
        return [_interpolated(value, variables) for value in told]
    if not isinstance(told, str):
        return told
    pattern = r"(?<!\$)\$\{(\w+):-([^}]*)\}"
    return re.sub(pattern, lambda found: variables.get(found[1], found[2]), told)


def _environment_of_image() -> dict[str, str]:
    last_stage = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    lines = re.findall(r"^ENV ((?:.*\\\n)*.*)", last_stage, re.MULTILINE)
    told = dict(re.findall(r"(\w+)=(\S+)", " ".join(lines)))
    del told["PATH"]  # where its programs are is `_programs`' to say
    del told["NUMBA_CACHE_DIR"]  # kernels are compiled here already, which saves half a minute
    return told


def _addresses(names: Sequence[str]) -> dict[str, str]:
    """An address for each service, on a network of loopback that nobody else listens on."""
    while True:
        network = f"127.{random.randint(100, 250)}.{random.randint(1, 250)}"
        found = {name: f"{network}.{number}" for number, name in enumerate(names, 1)}
        if all(_free(address) for address in found.values()):
            return found


def _free(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, 8000)) != 0 and probe.connect_ex((address, 5432)) != 0


def _programs(folder: Path, redis: str) -> None:
    """The programs of the images: ours from this checkout, others where Debian has them."""
    folder.mkdir()
    python = sys.executable
    found = {
        "vigie": f"{python} -m app",
        "mlflow": f"{python} -m mlflow",
        "python": python,
        # Its health check asks the host that it is on, which no variable can name.
        "redis-cli": f"{shutil.which('redis-cli')} -h {redis}",
        "alertmanager": shutil.which("prometheus-alertmanager") or "false",
    }
    for name, command in found.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (folder / name).chmod(0o755)
