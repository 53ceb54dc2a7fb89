"""The whole service under load: its own process, a federation, an ingest key and a bin spec."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from app.core import migrations
from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.rounds import bin_specs
from app.rounds.arrow_stream import MEDIA_TYPE
from app.rounds.schemas import BinSpecIn
from benchmarks.ingesting import payload
from benchmarks.ingesting.sender import request, server
from tests.servers import running_postgres

ADDRESS = "/v1/federations/load/runs/{run}/rounds/{number}/evaluate"
NO_LIMIT = {"VIGIE_PUSH_RATE": "900000000/minute", "VIGIE_MAX_BACKLOG": "900000000"}


@dataclass(frozen=True)
class Service:
    """A service that runs, and how to push to it."""

    port: int
    pid: int
    key: str
    spec: str

    def pushes(self, run: str, many: int, clients: int, *, as_json: bool = False) -> list[bytes]:
        """Pushes of so many rounds, ready to be sent."""
        return list(islice(self.rounds(run, clients, as_json=as_json), many))

    def rounds(self, run: str, clients: int, *, as_json: bool = False) -> Iterator[bytes]:
        """A run's pushes, round after round without end."""
        records = payload.records(clients)
        encode = payload.as_json if as_json else payload.as_arrow
        media = "application/json" if as_json else MEDIA_TYPE
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": media}
        for number in count():
            path = ADDRESS.format(run=run, number=number)
            yield request(path, encode(payload.envelope(number, self.spec), records), headers)


@contextmanager
def on_sqlite(**environment: str) -> Iterator[Service]:
    """The service on SQLite (WAL, every commit synchronised)."""
    with tempfile.TemporaryDirectory() as folder, _running(folder, None, environment) as service:
        yield service


@contextmanager
def on_postgres(**environment: str) -> Iterator[Service]:
    """The service on a PostgreSQL of its own, every commit synchronised."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_postgres(Path(folder), durable=True) as url,
        _running(folder, url, environment) as service,
    ):
        yield service


@contextmanager
def _running(folder: str, url: str | None, environment: dict[str, str]) -> Iterator[Service]:
    told = {"VIGIE_DATA_DIR": folder, "VIGIE_SECRET": "s" * 32, "VIGIE_LOG_LEVEL": "ERROR"}
    told |= NO_LIMIT | environment | ({"VIGIE_DATABASE_URL": url} if url else {})
    settings = Settings(data_dir=Path(folder), secret="s" * 32, database_url=url)
    key, spec = _prepared(settings)
    with server("service", {**os.environ, **told}) as (port, pid):
        yield Service(port, pid, key, spec)


def _prepared(settings: Settings) -> tuple[str, str]:
    database = Database(settings.database)
    migrations.upgrade(database)
    with database.session_scope() as session:
        federation = federations.create(session, FederationIn(name="load", title="Load"), "load")
        key = KeyIn(holder="load", role=Role.INGEST)
        _, text = federations.issue_key(session, federation, key, "load", settings.secret_key)
        spec = BinSpecIn.model_validate_json(json.dumps(payload.BIN_SPEC))
        spec_id = bin_specs.define(session, federation, spec, "load").id
    database.dispose()
    return text, spec_id
