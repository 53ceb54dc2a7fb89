"""A PostgreSQL of its own on 127.0.0.1, migrated, filled, and gone afterwards."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from app.core import migrations
from app.core.database import Database
from benchmarks.dashboards.federation import fill
from demo.ports import free_port

USER = "postgres"  # PostgreSQL refuses to run as root; Debian's package makes this user
START_SECONDS = 60.0
SETTINGS = ("shared_buffers=256MB", "max_wal_size=4GB", "fsync=off")  # of compose; it may be lost


@contextmanager
def filled() -> Iterator[str]:
    """The address of a PostgreSQL with the large federation in it.

    Raises:
        RuntimeError: if PostgreSQL's server programs are not installed.
    """
    with tempfile.TemporaryDirectory(prefix="vigie-dashboards-") as folder, _running(folder) as url:
        database = Database(url.replace("postgresql:", "postgresql+psycopg:", 1))
        migrations.upgrade(database)
        database.dispose()
        with psycopg.connect(url, autocommit=True) as connection:
            fill(connection)
        yield url


@contextmanager
def _running(folder: str) -> Iterator[str]:
    user = USER if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user, user)
    data, port = f"{folder}/data", free_port()
    options = ["--auth=trust", f"--username={USER}", "--encoding=UTF8", "--no-sync"]
    made = [_program("initdb"), *options, f"--pgdata={data}"]
    # Every part of both commands is a constant or a path that was found here.
    subprocess.run(  # noqa: S603
        made, check=True, cwd=folder, stdout=subprocess.DEVNULL, user=user
    )
    settings = [part for setting in SETTINGS for part in ("-c", setting)]
    command = [_program("postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", ""]
    process = subprocess.Popen(  # noqa: S603
        [*command, *settings], cwd=folder, stderr=subprocess.DEVNULL, user=user
    )
    url = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    try:
        _wait(url)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _program(name: str) -> str:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(debian[-1]) if debian else shutil.which(name)
    if found is None:
        raise RuntimeError("PostgreSQL's server is not installed (Debian package: postgresql).")
    return found


def _wait(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
