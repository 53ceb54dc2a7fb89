"""The whole service in this process: pushes over its HTTP API, effects as a worker has them."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.core import clock, migrations, outbox
from app.core.database import Database
from app.core.outbox import Delivery, OutboxRow, OutboxState
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.main import create_app
from benchmarks.worlds.world import Setting

MODEL, VERSION, RUN = "watched", "1", "world"
JUDGING = frozenset(
    {
        "incidents.on_round",
        "drift.evaluate_wide",
        "drift.evaluate_shard",
        "incidents.conclude_round",
    }
)
RESEND_SECONDS = 600.0
HOLDER = "benchmark"
Keys = Mapping[Role, str]


def claim(database: Database) -> list[Delivery]:
    """What there is to do about judging rounds, each piece handed out once."""
    with database.session_scope() as session:
        due = outbox.claim_due(session, RESEND_SECONDS)
    return [delivery for delivery in due if delivery.task in JUDGING]


def perform(database: Database, delivery: Delivery) -> None:
    """Do a piece of it as a worker does; RuntimeError says why where it failed."""
    from workers.tasks import EFFECTS  # noqa: PLC0415 - Celery, only for this

    EFFECTS[delivery.task].run(database, delivery.row_id)
    with database.read_scope() as session:
        row = session.get(OutboxRow, delivery.row_id)
        if row is None or row.state != OutboxState.DONE:
            raise RuntimeError(f"{delivery.task} failed: {row.last_error if row else 'no row'}")


def evaluate_due(database: Database) -> None:
    """Judge every round that waits for it: what a worker does, without a broker."""
    while due := claim(database):
        for delivery in due:
            perform(database, delivery)


class Service:
    """A federation in a service of its own: its FL server, and the owner of its models."""

    def __init__(self, api: TestClient, database: Database, setting: Setting, keys: Keys) -> None:
        self.database = database
        self._api, self._keys = api, keys
        self._base = f"/v1/federations/{setting.name}"
        self.bin_spec = self.call(Role.INGEST, "POST", "/bin-specs", setting.bin_spec)["id"]
        if setting.policy:
            self.call(Role.OWNER, "PUT", "/policy", setting.policy)

    def push(
        self, step: int, records: Sequence[Mapping[str, Any]], start: datetime, end: datetime
    ) -> UUID:
        """Push a round and have it judged; the id of the round. The clock stands at its end."""
        body = {
            "schema_version": 1,
            "global_step": step,
            "model": {"name": MODEL, "version": VERSION},
            "started_at": start.isoformat(),
            "ended_at": end.isoformat(),
            "bin_spec": self.bin_spec,
            "clients": records,
        }
        with clock.using(lambda: end):
            path = f"/runs/{RUN}/rounds/{step}/evaluate"
            receipt = self.call(Role.INGEST, "POST", path, body)
            if receipt["quarantined"]:
                raise RuntimeError(f"records were refused: {receipt['refusals'][:3]}")
            evaluate_due(self.database)
        return UUID(receipt["round_id"])

    def incidents(self) -> list[dict[str, Any]]:
        """Every incident with the verdicts behind it, oldest first."""
        found = self.call(Role.OWNER, "GET", "/incidents?limit=1000")
        return [self.call(Role.OWNER, "GET", f"/incidents/{one['id']}") for one in found[::-1]]

    def verdicts(self, round_id: UUID) -> list[dict[str, Any]]:
        """A round's verdicts."""
        path = f"/rounds/{round_id}/verdicts"
        found: list[dict[str, Any]] = self.call(Role.OWNER, "GET", path)
        return found

    def call(self, role: Role, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """A call of the API below the federation; RuntimeError for what is not a success."""
        headers = {"Authorization": f"Bearer {self._keys[role]}"}
        content = None if body is None else json.dumps(body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        answer = self._api.request(method, self._base + path, content=content, headers=headers)
        if not answer.is_success:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()


@contextmanager
def in_process(setting: Setting) -> Iterator[Service]:
    """A service on a SQLite file of its own, with the federation founded."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder),
            secret=SecretStr("s" * 32),
            push_rate="900000000/minute",  # nobody is slowed down for pushing years in minutes
            max_backlog=900_000_000,
            log_level="ERROR",
        )
        database = Database(settings.database)
        migrations.upgrade(database)
        keys = founded(database, settings, setting)
        app = create_app(settings)
        app.state.database = database
        with TestClient(app) as api:
            yield Service(api, database, setting, keys)
        database.dispose()


def founded(database: Database, settings: Settings, setting: Setting) -> Keys:
    """The federation made, with a key for its FL server and one for its owner."""
    told = FederationIn(
        name=setting.name,
        title=setting.name,
        min_cohort_size=setting.min_cohort_size,
        cohort_tags=dict(setting.cohort_tags),
    )
    keys: dict[Role, str] = {}
    with database.session_scope() as session:
        federation = federations.create(session, told, HOLDER)
        for role in (Role.INGEST, Role.OWNER):
            body = KeyIn(holder=HOLDER, role=role)
            issued = federations.issue_key(session, federation, body, HOLDER, settings.secret_key)
            keys[role] = issued[1]
    return keys
