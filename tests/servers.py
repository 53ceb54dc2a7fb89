"""Real PostgreSQL, Redis and MLflow for tests: on a free port of 127.0.0.1, gone afterwards."""

import atexit
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from app.core import migrations
from app.core.database import Database
from demo.ports import free_port

START_SECONDS, STOP_SECONDS = 180.0, 15.0
POLL_SECONDS = 0.05
POSTGRES_USER = "postgres"  # PostgreSQL refuses to run as root; Debian's package makes this user


@contextmanager
def running_postgres(
    tmp_path: Path, port: int | None = None, *, durable: bool = False
) -> Iterator[str]:
    """A PostgreSQL of `tmp_path`'s own, empty at first; its SQLAlchemy address, as a superuser.

    Skips the test where the server's programs are missing. `port` is for a server that comes back,
    `durable` for measurements: no test cuts the machine's power.
    """
    initdb, postgres = postgres_program("initdb"), postgres_program("postgres")
    home = _postgres_home(tmp_path)
    data, port = home / "data", port or free_port()
    if not data.exists():
        _give_home(home)
        options = ["--auth=trust", f"--username={POSTGRES_USER}", "--encoding=UTF8", "--no-sync"]
        command = [initdb, *options, f"--pgdata={data}"]
        subprocess.run(
            command, check=True, cwd=home, stdout=subprocess.DEVNULL, user=_unprivileged()
        )
    command = [postgres, "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", ""]
    command += [] if durable else ["-c", "fsync=off"]
    address = f"postgresql://{POSTGRES_USER}@127.0.0.1:{port}/postgres"
    with _running(command, home, lambda: _answers_sql(address), user=_unprivileged()):
        yield address.replace("postgresql:", "postgresql+psycopg:", 1)


@contextmanager
def migrated_postgres(tmp_path: Path) -> Iterator[str]:
    """A PostgreSQL of `tmp_path`'s own whose database is migrated; its SQLAlchemy address."""
    with running_postgres(tmp_path) as address:
        database = Database(address)
        migrations.upgrade(database)
        database.dispose()
        yield address


@contextmanager
def running_redis(
    tmp_path: Path, port: int | None = None, options: Sequence[str] = ()
) -> Iterator[str]:
    """An empty Redis below `tmp_path`; its address. `options` are redis-server's own.

    Skips the test where redis-server is missing. `port` is for a server that comes back.
    """
    program = program_or_skip("redis-server", "redis-server")
    home, port = tmp_path / "redis", port or free_port()
    home.mkdir(exist_ok=True)
    fixed = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(home)]
    address = f"redis://127.0.0.1:{port}/0"
    with _running([program, *options, *fixed], home, lambda: _answers_ping(address)):
        yield address


@contextmanager
def running_mlflow(tmp_path: Path, port: int | None = None) -> Iterator[str]:
    """An MLflow server on a SQLite store below `tmp_path`; its address.

    `port` is for a server that comes back.
    """
    home, port = tmp_path / "mlflow-server", port or free_port()
    home.mkdir(exist_ok=True)
    fixed = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}"]
    artifacts = ["--artifacts-destination", str(home / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", *fixed, *stores, *artifacts]
    address = f"http://127.0.0.1:{port}"
    with _running(command, home, lambda: _answers_http(f"{address}/health"), group=True):
        yield address


@contextmanager
def running_pgbouncer(tmp_path: Path, address: str) -> Iterator[str]:
    """A pgbouncer in transaction mode before the PostgreSQL at `address`; its own address."""
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    program = found or program_or_skip("pgbouncer", "pgbouncer")
    home, port = _postgres_home(tmp_path / "pgbouncer"), free_port()
    _give_home(home)
    server, database = address.rpartition("@")[2].split("/")
    told = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": 2,
        "unix_socket_dir": "",
    }
    (home / "pgbouncer.ini").write_text(
        f"[databases]\n{database} = host={server.split(':')[0]} port={server.split(':')[1]}"
        f" user={POSTGRES_USER}\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in told.items())
    )
    own = f"postgresql://{POSTGRES_USER}@127.0.0.1:{port}/{database}"
    command = [program, str(home / "pgbouncer.ini")]
    with _running(command, home, lambda: _answers_sql(own), user=_unprivileged()):
        yield own.replace("postgresql:", "postgresql+psycopg:", 1)


def program_or_skip(name: str, package: str) -> str:
    """The path of a program; skips the test, naming Debian's package, where it is missing."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package: {package})")
    return found


def postgres_program(name: str) -> str:
    """The newest version of one of PostgreSQL's server programs, which Debian keeps off PATH."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3])
    )
    return str(versions[-1]) if versions else program_or_skip(name, "postgresql")


@contextmanager
def _running(
    command: Sequence[str],
    home: Path,
    ready: Callable[[], bool],
    user: str | None = None,
    *,
    group: bool = False,
) -> Iterator[None]:
    """`group`: its workers are processes of their own, and are told to stop, too."""
    log = home.with_suffix(".log")
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=home, stdout=out, stderr=out, user=user, start_new_session=group
        )
    try:
        _wait_until(ready, process, log)
        yield
    finally:
        _stop(process, group=group)


def _stop(process: subprocess.Popen[bytes], *, group: bool) -> None:
    process.send_signal(signal.SIGINT)  # all of them stop at once, and cleanly
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if group:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None:
            raise RuntimeError(f"The server ended at once: {log.read_text()[-2000:]}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"The server does not answer after {START_SECONDS} seconds.")
        time.sleep(POLL_SECONDS)


def _answers_sql(address: str) -> bool:
    try:
        psycopg.connect(address, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _answers_http(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2).is_success
    except httpx.TransportError:
        return False


def _answers_ping(address: str) -> bool:
    with redis.Redis.from_url(address, socket_connect_timeout=2) as client:
        try:
            client.ping()
        except redis.AuthenticationError:
            return True  # it answers, and wants a password
        except redis.ConnectionError:
            return False
    return True


def _unprivileged() -> str | None:
    """The user to run PostgreSQL as; None for whoever runs the tests, unless that is root."""
    return POSTGRES_USER if os.geteuid() == 0 else None


def _postgres_home(tmp_path: Path) -> Path:
    """The server's folder: beside pytest's own, which another user may not walk through."""
    name = hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"vigie-postgres-{name}"


def _give_home(home: Path) -> None:
    """Make `home`, which belongs to the server's user and goes when the tests are over."""
    home.mkdir()
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    if os.geteuid() == 0:
        shutil.chown(home, POSTGRES_USER, POSTGRES_USER)
