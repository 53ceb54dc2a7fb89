"""A federation's half year, played through the real service: what the dashboards are to show.

Twelve clients in three cohorts push a round every other day. From step 13 on the clients of EWR and
JFK see other labels than before; the service opens an incident and asks for retraining, which makes
version 2; a canary finds it better, two people promote it, the old champion stays as a shadow, and
then the world changes once more.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from fastapi.testclient import TestClient
from sqlmodel import col, select

from app.core import clock, outbox
from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.incidents.tables import Notice
from app.main import create_app
from tests.rounds import BIN_SPEC, body, record
from tests.working import EFFECTS_HERE
from workers.effects import Effect

FEDERATION, MODEL, CLIENTS = "flights", "late-arrival", 12
HUBS = ("EWR", "JFK", "LGA")
START = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(days=2)
STABLE, DRIFTING, BACKFILL, CANARY, SHADOW, AGAIN = 12, 5, 9, 4, 4, 3
PRIVACY = {"mechanism": "laplace", "epsilon": 8.0, "sensitivity": 1.0}
BUDGET = 600.0
LATE, LATE_THERE, LATER_STILL = 20, 45, 70  # of 100 flights of each client
RESEND_SECONDS = 600.0


@dataclass
class Play:
    """The federation's people and its FL server, and the worker that does what follows."""

    api: TestClient
    database: Database
    keys: dict[Role, str]
    spec: str = ""
    step: int = 0
    now: datetime = field(default=START)
    effects: Mapping[str, Effect] = field(default_factory=lambda: EFFECTS_HERE)

    def play(self) -> None:
        """The whole of it."""
        self.spec = self.call(Role.INGEST, "/bin-specs", BIN_SPEC)["id"]
        policy = {"privacy": {"epsilon_budget": BUDGET}}
        self.call(Role.OWNER, "/policy", policy, method="PUT")
        self.call(Role.INGEST, f"/models/{MODEL}/versions", _version("first"))
        for _ in range(STABLE):
            self.push("1", "evaluate")
        self.refuse()
        for _ in range(DRIFTING):
            self.push("1", "evaluate", moved=True)
        self.take_on()
        candidate = self.retrain()
        for _ in range(BACKFILL):
            self.push(candidate, "evaluate", moved=True, fitted=True, parent_version="1")
        for _ in range(CANARY):
            self.push("1", "canary", moved=True, canary_version=candidate)
        self.promote(candidate)
        for _ in range(SHADOW):
            self.push(
                candidate, "canary", moved=True, fitted=True, parent_version="1", canary_version="1"
            )
        for _ in range(AGAIN):
            self.push(candidate, "evaluate", moved=True, late=LATER_STILL, parent_version="1")
        self.deliver()

    def push(
        self,
        version: str,
        phase: str,
        *,
        moved: bool = False,
        fitted: bool = False,
        late: int = LATE_THERE,
        **model: str,
    ) -> None:
        """A round of this version, and everything that follows from it."""
        self.step += 1
        self.now = START + self.step * STEP
        records = [
            _record(number, self.step, late if moved else LATE, fitted=fitted, phase=phase)
            for number in range(CLIENTS)
        ]
        if self.step % 5 == 0:
            records[0]["cohorts"] = {"hub": "nowhere"}
        told = body(
            *records,
            step=self.step,
            spec=self.spec,
            model={"name": MODEL, "version": version, **model},
            started_at=(self.now - timedelta(hours=2)).isoformat(),
            ended_at=(self.now - timedelta(minutes=3 + self.step % 4)).isoformat(),
            participation={
                "available": 16,
                "sampled": 14,
                "replied": CLIENTS,
                "timed_out": 1,
                "latency_p50_ms": 800.0 + 10 * self.step,
                "latency_p95_ms": 2100.0,
            },
            privacy=PRIVACY,
        )
        self.call(Role.INGEST, f"/runs/{phase}-{version}/rounds/{self.step}/{phase}", told)
        self.work()

    def refuse(self) -> None:
        """A push of which nothing can be used, and a round whose other chunk never came."""
        path = f"/v1/federations/{FEDERATION}/runs/broken/rounds/1/evaluate"
        with clock.using(lambda: self.now):
            self.api.post(path, content=b"{", headers=self.headers(Role.INGEST))
        told = body(
            _record(0, 1, LATE, phase="evaluate"),
            step=1,
            spec=self.spec,
            started_at=(self.now - timedelta(hours=2)).isoformat(),
            ended_at=(self.now - timedelta(minutes=20)).isoformat(),
        )
        self.call(Role.INGEST, "/runs/halved/rounds/1/evaluate?chunk=0", told)

    def take_on(self) -> None:
        """Somebody on call acknowledges what is open."""
        for incident in self.call(Role.OWNER, "/incidents", method="GET"):
            if incident["state"] == "open":
                self.call(Role.OWNER, f"/incidents/{incident['id']}/acknowledge", {})

    def retrain(self) -> str:
        """The FL server claims the request and hands over a version; its name."""
        claim = {"model": MODEL, "claimer": "fl-1"}
        request = self.call(Role.INGEST, "/retrain-requests/claim", claim)
        done = {"claimer": "fl-1", "rounds": 20, **_version("retrained")}
        path = f"/retrain-requests/{request['id']}/complete"
        version: str = self.call(Role.INGEST, path, done)["result_version"]
        return version

    def promote(self, candidate: str) -> None:
        """One asks, another approves, a worker applies it."""
        asked = {"model": MODEL, "candidate": candidate, "why": "better at every hub"}
        path = f"/promotions/{self.call(Role.OWNER, '/promotions', asked)['id']}"
        seen = self.call(Role.OWNER, f"{path}/submit", {})["evidence_sha256"]
        approval = {"reason": "the canary says so", "evidence_sha256": seen}
        self.call(Role.VALIDATOR, f"{path}/approve", approval)
        self.work()

    def deliver(self) -> None:
        """What delivery would have recorded of a channel of people, had there been one."""
        with self.database.session_scope() as session:
            logged = session.exec(select(Notice).where(col(Notice.channel) == "log")).all()
            for notice, state in zip(logged, ("sent", "failed", "sent"), strict=False):
                told = notice.model_dump(exclude={"id"})
                sent = {"channel": "team-chat", "state": state, "sent_at": notice.at, "attempts": 2}
                session.add(Notice(**(told | sent)))

    def work(self) -> None:
        """What a worker does until nothing is due."""
        with clock.using(lambda: self.now):
            while due := self._due():
                for delivery in due:
                    self.effects[delivery.task].run(self.database, delivery.row_id)

    def _due(self) -> list[outbox.Delivery]:
        with self.database.session_scope() as session:
            return outbox.claim_due(session, RESEND_SECONDS)

    def call(self, role: Role, path: str, told: object = None, *, method: str = "POST") -> Any:
        """A call of the API below the federation, at the play's time; its JSON."""
        with clock.using(lambda: self.now):
            answer = self.api.request(
                method,
                f"/v1/federations/{FEDERATION}{path}",
                json=told,
                headers=self.headers(role),
            )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:800]}"
        return answer.json()

    def headers(self, role: Role) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}", "Content-Type": "application/json"}


@contextmanager
def played(settings: Settings, kind: type[Play] = Play) -> Iterator[Play]:
    """A play on the database of these settings, which is migrated and empty."""
    app = create_app(settings)
    database: Database = app.state.database
    with TestClient(app) as api, clock.using(lambda: START):
        keys = _found(database, settings)
    with TestClient(app) as api:
        play = kind(api, database, keys)
        play.play()
        yield play


def _found(database: Database, settings: Settings) -> dict[Role, str]:
    told = FederationIn(
        name=FEDERATION, title="Flights", min_cohort_size=3, cohort_tags={"hub": list(HUBS)}
    )
    keys = {}
    with database.session_scope() as session:
        federation = federations.create(session, told, "test")
        for role in (Role.INGEST, Role.OWNER, Role.VALIDATOR):
            asked = KeyIn(holder=role.value, role=role)
            issued = federations.issue_key(session, federation, asked, "test", settings.secret_key)
            keys[role] = issued[1]
    return keys


def _version(run: str) -> dict[str, str]:
    digest = f"{len(run):064x}"
    return {"run": run, "weights_sha256": digest}


def _record(
    number: int, step: int, late_there: int, *, phase: str, fitted: bool = False
) -> dict[str, Any]:
    """A client's round: late flights up and down a little, and many more where it moved."""
    hub = HUBS[number % len(HUBS)]
    moved = late_there > LATE and hub != "LGA"
    late = 4 * (late_there if moved else LATE) + Random(100 * number + step).randint(-6, 6)
    told = record(f"carrier-{number}", n=400, late=late, cohorts={"hub": hub})
    told["features"]["hour"] = [20, 170 + late % 9, 210 - late % 9, 0]
    champion, other = told["metrics"], _better(told["metrics"]) if moved else told["metrics"]
    told["metrics"], beside = (other, champion) if fitted else (champion, other)
    if phase == "canary":
        told["canary"] = {"metrics": beside}
    return told


def _better(metrics: dict[str, float]) -> dict[str, float]:
    """What a version says that knows the world as it is now."""
    less = {name: value * 0.8 for name, value in metrics.items()}
    return less | {"correct_count": 400 - round(0.7 * (400 - metrics["correct_count"]))}
