"""Starts the translated services in the order that the file asks for, and stops them."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.full_profile.translating import ROOT, Service, services
from tests.servers import POSTGRES_USER, postgres_program, program_or_skip

START_SECONDS, STOP_SECONDS = 150.0, 20.0
POLL_SECONDS = 0.3  # each look at a service starts its health check, a process
PROGRAMS = {  # with Debian's packages
    "redis-server": "redis-server", "redis-cli": "redis-tools", "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager", "psql": "postgresql-client",
    "pg_isready": "postgresql-client", "wget": "wget",
}  # fmt: skip


@dataclass
class Profile:
    """The running full profile: its services, where they are, and where their files lie."""

    home: Path
    services: Mapping[str, Service]
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)

    def url(self, name: str, port: int) -> str:
        """Where a service answers HTTP."""
        return f"http://{self.services[name].address}:{port}"

    def secret(self, name: str) -> str:
        """What `deploy/make-secrets.sh` made."""
        return (self.home / f"secrets/{name}.txt").read_text().strip()

    def execute(self, name: str, *command: str) -> str:
        """What a command prints in a service's container: `docker compose exec`."""
        service = self.services[name]
        done = subprocess.run(
            command,
            env=service.environment,
            cwd=service.root / service.image.workdir.removeprefix("/"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def log(self, name: str) -> str:
        """The end of what a service said."""
        return (self.home / f"{name}.log").read_text(errors="replace")[-3000:]

    def up(self) -> None:
        """`docker compose up --wait`: every service started, healthy, or ended well."""
        deadline = time.monotonic() + START_SECONDS
        while len(self.ready) < len(self.services):
            for service in self.services.values():
                self._advance(service)
            late = sorted(set(self.services) - self.ready)
            told = "\n".join(f"{name}: {self._told(name)}" for name in late)
            assert time.monotonic() < deadline, f"Not up in {START_SECONDS} s:\n{told}"
            time.sleep(POLL_SECONDS)

    def down(self) -> dict[str, int]:
        """Stop everything, what others stand on last; the exit codes of what ran to the end."""
        running = {name: one for name, one in self.processes.items() if one.poll() is None}
        stood_on = [running[name] for name in ("postgres", "redis") if name in running]
        _stop([one for one in running.values() if one not in stood_on], signal.SIGTERM)
        _stop(stood_on, signal.SIGINT)  # by which PostgreSQL waits for no client
        return {name: one.returncode for name, one in running.items()}

    def _advance(self, service: Service) -> None:
        name = service.name
        if name in self.ready:
            return
        if name not in self.processes:
            if all(self._meets(needed) for needed in service.waits_for):
                self._start(service)
            return
        code = self.processes[name].poll()
        assert not code, f"{name} ended with {code}: {self.log(name)}"
        if code == 0 or (service.health_check and _succeeds(service)) or self._only_runs(service):
            self.ready.add(name)

    def _meets(self, name: str) -> bool:
        return name in self.ready

    def _only_runs(self, service: Service) -> bool:
        """Whether it has no health check and nobody waits for its end: to run is all it can do."""
        ends = [other.waits_for.get(service.name) for other in self.services.values()]
        one_shot = service.lines["restart"].startswith("on-failure")
        return not service.health_check and not one_shot and "service_healthy" not in ends

    def _start(self, service: Service) -> None:
        as_postgres = service.name == "postgres"
        if as_postgres:
            _prepare_postgres(service)
        program = _postgres_command(service) if as_postgres else service.command
        with (self.home / f"{service.name}.log").open("ab") as log:
            self.processes[service.name] = subprocess.Popen(
                program,
                env=service.environment,
                cwd=service.root / service.image.workdir.removeprefix("/"),
                stdout=log,
                stderr=log,
                user=unprivileged() if as_postgres else None,
                start_new_session=True,
            )

    def _told(self, name: str) -> str:
        return self.log(name) if name in self.processes else "not started"


@contextmanager
def full_profile() -> Iterator[Profile]:
    """The full profile on this machine; skips the test, naming what is missing."""
    for name, package in PROGRAMS.items():
        program_or_skip(name, package)
    postgres_program("initdb")
    home = Path(tempfile.mkdtemp(prefix="vigie-full-"))
    home.chmod(0o711)  # PostgreSQL walks through it as a user of its own
    try:
        profile = Profile(home, services(home, {"VIGIE_PUBLIC_URL": "http://{api}:8000"}))
        _make_secrets(home)
        for service in profile.services.values():
            service.furnish(home / "secrets")
        try:
            yield profile
        finally:
            profile.down()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def unprivileged() -> str | None:
    """PostgreSQL refuses to run as root."""
    return POSTGRES_USER if os.geteuid() == 0 else None


def _make_secrets(home: Path) -> None:
    (home / "deploy").mkdir()
    script = home / "deploy/make-secrets.sh"
    shutil.copy(ROOT / "deploy/make-secrets.sh", script)
    subprocess.run(["/bin/sh", str(script)], check=True, stdout=subprocess.DEVNULL)
    (home / "secrets").chmod(
        0o711
    )  # the container engine mounts the files; here they are walked to


def _succeeds(service: Service) -> bool:
    check = subprocess.run(
        service.health_check, env=service.environment, capture_output=True, check=False
    )
    return check.returncode == 0


def _stop(processes: Sequence["subprocess.Popen[bytes]"], how: signal.Signals) -> None:
    for process in processes:
        process.send_signal(how)
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _postgres_command(service: Service) -> list[str]:
    _, *options = service.command
    listens = [*("-c", f"listen_addresses={service.address}"), "-k", str(_socket(service))]
    return [postgres_program("postgres"), "-D", str(_data(service)), *listens, *options]


def _prepare_postgres(service: Service) -> None:
    """What the image does when its volume is empty: make the cluster, run the mounted scripts."""
    for folder in (service.root, service.home / "volumes/postgres"):
        _give_to_postgres(folder)
    password = service.root / "run/secrets/postgres_password"
    auth = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"]
    made = [f"--pgdata={_data(service)}", "--username=postgres", "--encoding=UTF8", "--no-sync"]
    _as_postgres(service, postgres_program("initdb"), *made, *auth)
    with (_data(service) / "pg_hba.conf").open("a") as rules:
        rules.write("host all all all scram-sha-256\n")
    sockets = f"-c listen_addresses='' -k {_socket(service)}"
    control = [postgres_program("pg_ctl"), "--wait", f"--pgdata={_data(service)}"]
    log = f"--log={_data(service) / 'initialising.log'}"
    _as_postgres(service, *control, log, f"--options={sockets}", "start")
    for script in sorted((service.root / "docker-entrypoint-initdb.d").iterdir()):
        reached = [f"--host={_socket(service)}", "--username=postgres", "--no-psqlrc"]
        _as_postgres(service, "psql", *reached, "--quiet", f"--file={script}")
    _as_postgres(service, *control, "--mode=fast", "stop")


def _as_postgres(service: Service, *command: str) -> None:
    done = subprocess.run(
        command,
        env={"PATH": service.environment["PATH"]},
        cwd=service.root,
        user=unprivileged(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}"


def _give_to_postgres(folder: Path) -> None:
    user = unprivileged()
    for path in (folder, *folder.rglob("*")):
        if user and not path.is_symlink():
            shutil.chown(path, user, user)


def _data(service: Service) -> Path:
    return (service.root / "var/lib/postgresql/data").resolve()


def _socket(service: Service) -> Path:
    return service.root / "var/run/postgresql"
