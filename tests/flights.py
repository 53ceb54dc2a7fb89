"""The demo's flights, served and judged up to an alert, behind a real server: for notebooks."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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
from demo.reports import COHORT_TAG, COHORTS
from demo.service import pseudonym_key
from tests.servers import free_port

SEED = 7  # the demo's own
REFERENCE, SERVED = range(8), range(8, 28)


@dataclass(frozen=True)
class Flights:
    """Where the service is, and a key that may read everything of the federation."""

    url: str
    federation: str
    key: str


@contextmanager
def flights(settings: Settings) -> Iterator[Flights]:
    """The first weeks of the demo's year, judged; the database of the settings is migrated."""
    app = create_app(settings)
    database: Database = app.state.database
    keys = _founded(database, settings)
    with _serving(app) as url:
        server = FlServer(
            year=load(),
            url=url,
            api_key=keys[Role.INGEST],
            spool=settings.data_dir / "spool",
            pseudonyms=Pseudonyms(pseudonym_key(SEED)),
            seed=SEED,
        )
        version = server.train_first(REFERENCE)
        for week in SERVED:
            server.serve(week, version, None)
            evaluate_due(database)
        server.close()
        yield Flights(url, FEDERATION, keys[Role.ANALYST])


def _founded(database: Database, settings: Settings) -> dict[Role, str]:
    told = FederationIn(
        name=FEDERATION,
        title="Flights from New York, 2013",
        cohort_tags={COHORT_TAG: list(COHORTS)},
    )
    with database.session_scope() as session:
        federation = federations.create(session, told, "test")
        return {
            role: federations.issue_key(
                session,
                federation,
                KeyIn(holder=role.value, role=role),
                "test",
                settings.secret_key,
            )[1]
            for role in (Role.INGEST, Role.ANALYST)
        }


@contextmanager
def _serving(app: object) -> Iterator[str]:
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
