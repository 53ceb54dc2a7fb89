"""A federation with something of everything that the console shows, made through the API itself."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient
from numpy.random import default_rng

from app.core import migrations
from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.main import create_app
from tests.rounds import BIN_SPEC, body, record
from tests.working import judge

FEDERATION, TITLE, MODEL = "flights", "Flights <b>from</b> New York", "late-arrival"
HOME = f"/v1/federations/{FEDERATION}"
SECRET = "s" * 32
DATABASE = "vigie.db"
HOLDERS = {
    Role.INGEST: "fl-server",
    Role.VIEWER: "Vic",
    Role.ANALYST: "Ana",
    Role.ON_CALL: "Olu",
    Role.DEVELOPER: "Dev",
    Role.OWNER: "Ada",
    Role.VALIDATOR: "Grace",
    Role.AUDITOR: "Aud",
    Role.ADMIN: "Ann",
}
CALM, DRIFTING, CANARY = range(1, 11), range(11, 14), range(14, 17)
CARRIERS = 6


@dataclass(frozen=True)
class World:
    """Where the database lies, and what is in it."""

    path: Path
    keys: dict[Role, str]  # of the federation
    stranger: str  # the key of an owner in another federation
    round_id: UUID
    incident_id: UUID
    promotion_id: UUID
    evidence_sha256: str

    def copied(self, folder: Path) -> "World":
        """The same in another folder, for one test to change."""
        (folder / DATABASE).write_bytes((self.path / DATABASE).read_bytes())
        return replace(self, path=folder)

    @property
    def pages(self) -> dict[str, str]:
        """The address of every page of the federation, by name."""
        here = f"/f/{FEDERATION}"
        return {
            "federation": here,
            "model": f"{here}/models/{MODEL}",
            "cohorts": f"{here}/models/{MODEL}/cohorts",
            "inventory": f"{here}/inventory",
            "policy": f"{here}/policy",
            "round": f"{here}/rounds/{self.round_id}",
            "incident": f"{here}/incidents/{self.incident_id}",
            "promotion": f"{here}/promotions/{self.promotion_id}",
        }


def settings_in(folder: Path) -> Settings:
    """The embedded profile in a folder, with the secret that the world's keys were made under."""
    return Settings(data_dir=folder, secret=SECRET)


def build(folder: Path) -> World:
    """Ten calm rounds, three drifting, three canary rounds, and a promotion that awaits review."""
    settings = settings_in(folder)
    database = Database(settings.database)
    migrations.upgrade(database)
    keys, stranger = _found(database, settings.secret_key)
    app = create_app(settings)
    app.state.database = database
    with TestClient(app) as api:
        fl_server, owner = (_bearer(keys[role]) for role in (Role.INGEST, Role.OWNER))
        _play(api, database, fl_server)
        promotion = _submit(api, owner)
        incidents = api.get(f"{HOME}/incidents", headers=owner).json()
    (incident,) = [found for found in incidents if found["family"] == "concept"]
    database.dispose()
    round_id, incident_id = UUID(incident["opened_round"]), UUID(incident["id"])
    seen = promotion["evidence_sha256"]
    return World(folder, keys, stranger, round_id, incident_id, UUID(promotion["id"]), seen)


def _found(database: Database, secret_key: bytes) -> tuple[dict[Role, str], str]:
    flights = FederationIn(name=FEDERATION, title=TITLE, cohort_tags={"hub": ["EWR", "JFK"]})
    with database.session_scope() as session:
        here = federations.create(session, flights, "test")
        there = federations.create(session, FederationIn(name="trains", title="Trains"), "test")
        keys = {
            role: federations.issue_key(
                session, here, KeyIn(holder=holder, role=role), "test", secret_key
            )[1]
            for role, holder in HOLDERS.items()
        }
        other = KeyIn(holder="Theo", role=Role.OWNER)
        stranger = federations.issue_key(session, there, other, "test", secret_key)[1]
    return keys, stranger


def _play(api: TestClient, database: Database, headers: dict[str, str]) -> None:
    spec = api.post(f"{HOME}/bin-specs", json=BIN_SPEC, headers=headers).json()["id"]
    rng = default_rng(2013)
    _register(api, headers, "spring", "1" * 64)
    for step in (*CALM, *DRIFTING):
        rate = 0.2 if step in CALM else 0.4
        clients = [_client(name, rate, rng.normal(0, 10)) for name in range(CARRIERS)]
        if step == DRIFTING[-1]:
            clients.append(record("broken", label_counts=[-5, 1]))
        _push(api, headers, step, "evaluate", body(*clients, step=step, spec=spec))
    _register(api, headers, "summer", "2" * 64, parent_version="1")
    model = {"name": MODEL, "version": "1", "canary_version": "2"}
    for step in CANARY:
        clients = [
            _client(name, 0.4, rng.normal(0, 10)) | _candidate(rng.normal(0.1, 0.01))
            for name in range(CARRIERS)
        ]
        _push(api, headers, step, "canary", body(*clients, step=step, spec=spec, model=model))
    judge(database)


def _client(name: int, rate: float, noise: float) -> dict[str, Any]:
    hub = "EWR" if name < CARRIERS // 2 else "JFK"
    return record(name, 1000, int(1000 * rate + noise), cohorts={"hub": hub})


def _candidate(gain: float) -> dict[str, Any]:
    """A candidate whose log loss is lower by `gain`, on the 1000 examples of the record."""
    loss = 0.66 - gain
    metrics = {"loss_sum": 1000 * loss, "loss_sumsq": 1200 * loss**2, "correct_count": 680}
    return {"canary": {"metrics": metrics, "agreement": [[560, 40], [120, 280]]}}


def _register(api: TestClient, headers: dict[str, str], run: str, sha: str, **more: str) -> None:
    body = {"run": run, "weights_sha256": sha} | more
    made = api.post(f"{HOME}/models/{MODEL}/versions", json=body, headers=headers)
    assert made.status_code == 201, made.text


def _push(
    api: TestClient, headers: dict[str, str], step: int, phase: str, push: dict[str, Any]
) -> None:
    address = f"{HOME}/runs/serve/rounds/{step}/{phase}"
    answer = api.post(address, json=push, headers=headers)
    assert answer.status_code == 202, answer.text


def _submit(api: TestClient, headers: dict[str, str]) -> dict[str, Any]:
    body = {"model": MODEL, "candidate": "2", "why": "better"}
    drafted = api.post(f"{HOME}/promotions", json=body, headers=headers).json()["id"]
    done = api.post(f"{HOME}/promotions/{drafted}/submit", headers=headers)
    submitted: dict[str, Any] = done.json()
    assert submitted["state"] == "awaiting_review", done.text
    return submitted


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
