"""Backups of PostgreSQL: by `pg_dump` in its custom format, which `pg_restore` can read as well.

Where the server is and with which password is told in the environment: other users of a machine see
a command's arguments.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from sqlalchemy import URL

from app.core.errors import BackupError

LOCK_TIMEOUT = "30s"
_REVISION = re.compile(r"^COPY public\.alembic_version .*\n(\w+)$", re.MULTILINE)
_EMPTY = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('DROP TABLE public.%I CASCADE', name);
  END LOOP;
END $$
"""


class PostgresqlCopies:
    """Copies of the database at an address."""

    def __init__(self, url: URL) -> None:
        self._environment = os.environ | _told(url)

    def write(self, file: Path, _progress: Callable[[int, int], None]) -> None:
        """Dump the database: its tables and views, and no owner or right of this server's."""
        options = ["--format=custom", "--no-owner", "--no-privileges"]
        self._run("pg_dump", *options, f"--file={file}")

    def revision(self, file: Path) -> str | None:
        """The revision that the dump's schema has."""
        options = ["--data-only", "--table=alembic_version", "--file=-"]
        try:
            told = self._run("pg_restore", *options, str(file))
        except _RefusedError:
            return None
        found = _REVISION.search(told)
        return None if found is None else found[1]

    def read(self, file: Path, _progress: Callable[[int, int], None]) -> None:
        """Put the dump in the place of what the database has, in one transaction."""
        once = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        steps = [f"--command=SET lock_timeout = '{LOCK_TIMEOUT}'", f"--command={_EMPTY}"]
        with tempfile.TemporaryFile() as said:
            reading = self._start("pg_restore", "--no-owner", "--no-privileges", "--file=-", file)
            putting = self._start("psql", *once, *steps, "--file=-", stdin=True, said=said)
            with suppress(BrokenPipeError):  # psql ended, and has said why
                shutil.copyfileobj(_of(reading.stdout), _of(putting.stdin))
            _of(reading.stdout).close()
            if reading.wait() != 0 and putting.poll() is None:
                putting.kill()  # half a dump must not be committed
            with suppress(BrokenPipeError):
                _of(putting.stdin).close()
            if putting.wait() != 0:
                said.seek(0)
                raise _RefusedError("The restore", said.read().decode(errors="replace"))
        self._run("psql", "--no-psqlrc", "--quiet", "--command=ANALYZE")

    def _run(self, program: str, *options: str) -> str:
        done = subprocess.run(  # noqa: S603 - our own options, and files that a person named
            [_found(program), *options], env=self._environment, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise _RefusedError(program, done.stderr.decode(errors="replace"))
        return done.stdout.decode(errors="replace")

    def _start(
        self, program: str, *options: str | Path, stdin: bool = False, said: IO[bytes] | None = None
    ) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603 - likewise
            [_found(program), *map(str, options)],
            env=self._environment,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if stdin else subprocess.PIPE,
            stderr=subprocess.DEVNULL if said is None else said,
        )


def _of(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # each is asked for where its process starts
    return pipe


class _RefusedError(BackupError):
    """A program of PostgreSQL's failed; its own words say why."""

    def __init__(self, program: str, said: str) -> None:
        super().__init__(f"{program} failed: {said.strip()[-1000:]}")


def _found(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise BackupError(f"{program} is not installed (Debian package: postgresql-client).")
    return found


def _told(url: URL) -> dict[str, str]:
    """The address as libpq's variables."""
    parts = {
        "PGHOST": url.host,
        "PGPORT": url.port,
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }
    return {name: str(part) for name, part in parts.items() if part}
