"""The demo's flights, served and judged up to an alert, behind a real server: for notebooks."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from vigie_client import Pseudonyms

from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.main import create_app
from benchmarks.worlds.service import evaluate_due
from demo.fl_server import FEDERATION, FlServer
from demo.flights import load
from demo.ports import free_port
from demo.reports import COHORT_TAG, COHORTS
from demo.service import pseudonym_key

SEED = 7  # the demo's own
REFERENCE, SERVED = range(8), range(8, 28)


@dataclass(frozen=True)
class Flights:
    """A service with the federation of the flights, which knows two keys of it."""

    url: str
    settings: Settings
    database: Database
    ingest_key: str
    analyst_key: str
    federation: str = FEDERATION

    def play(self, work: Callable[[Database], None] = evaluate_due) -> None:
        """Train on the first weeks, then serve until July; `work` is done after each push."""
        server = FlServer(
            year=load(),
            url=self.url,
            api_key=self.ingest_key,
            spool=self.settings.data_dir / "spool",
            pseudonyms=Pseudonyms(pseudonym_key(SEED)),
            seed=SEED,
        )
        version = server.train_first(REFERENCE)
        for week in SERVED:
            server.serve(week, version, None)
            work(self.database)
        server.close()


@contextmanager
def flights(settings: Settings) -> Iterator[Flights]:
    """The service of these settings on a free port; its database is migrated and empty."""
    app = create_app(settings)
    database: Database = app.state.database
    ingest, analyst = _founded(database, settings)
    with _serving(app) as url:
        yield Flights(url, settings, database, ingest, analyst)


def _founded(database: Database, settings: Settings) -> list[str]:
    told = FederationIn(
        name=FEDERATION,
        title="Flights from New York, 2013",
        cohort_tags={COHORT_TAG: list(COHORTS)},
    )
    keys = []
    with database.session_scope() as session:
        federation = federations.create(session, told, "test")
        for role in (Role.INGEST, Role.ANALYST):
            body = KeyIn(holder=role.value, role=role)
            issued = federations.issue_key(session, federation, body, "test", settings.secret_key)
            keys.append(issued[1])
    return keys


@contextmanager
def _serving(app: Any) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
