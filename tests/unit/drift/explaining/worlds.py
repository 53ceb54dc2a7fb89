"""Worlds that are made up, so that it is known why they drift: pushed over HTTP and judged."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from fastapi.testclient import TestClient
from sqlmodel import select

from app.core.database import Database
from app.federations.roles import Role
from app.rounds.tables import Round
from tests.rounds import BIN_SPEC, body, record
from tests.working import judge

HOME = "/v1/federations/flights"
START = datetime(2013, 1, 7, tzinfo=UTC)
HUBS = ("EWR", "JFK", "LGA")
CALM_HOURS = (0.1, 0.4, 0.4, 0.1)


@dataclass(frozen=True)
class Flights:
    """How a client's flights are: how many are late, and how often the model errs about each."""

    late: float = 0.3
    missed: float = 0.2  # of the late ones, said to be on time
    alarmed: float = 0.1  # of those on time, said to be late
    hours: tuple[float, ...] = CALM_HOURS
    n: int = 500
    labelled: bool = True

    def record(self, name: object, rng: np.random.Generator, hub: str) -> dict[str, Any]:
        """What a client with such flights says of a round."""
        late = int(rng.binomial(self.n, self.late))
        missed = int(rng.binomial(late, self.missed))
        alarmed = int(rng.binomial(self.n - late, self.alarmed))
        predicted = late - missed + alarmed
        hours = rng.multinomial(self.n, self.hours).tolist()
        told = record(
            name,
            self.n,
            missed + alarmed,
            label_counts=[self.n - late, late],
            prediction_counts=[self.n - predicted, predicted],
            score_histogram=[self.n - predicted, 0, 0, predicted],
            features={"hour": hours, "origin": [self.n, 0, 0, 0]},
            cohorts={"hub": hub},
        )
        if not self.labelled:
            del told["label_counts"], told["metrics"]
        return told


Say = Callable[[int, int], Flights | None]  # of a step and a client; None: it stays away


class World:
    """A federation of twelve clients, four at each of three hubs."""

    def __init__(self, api: TestClient, database: Database, key_of: Any) -> None:
        self.api, self.database, self.key_of = api, database, key_of
        made = api.post(f"{HOME}/bin-specs", json=BIN_SPEC, headers=key_of(Role.INGEST))
        self.spec = made.json()["id"]
        policy = {"reference": {"rounds": 6}}
        assert api.put(f"{HOME}/policy", json=policy, headers=key_of(Role.OWNER)).is_success

    def play(self, steps: Iterable[int], say: Say, version: str = "1") -> None:
        """Push a round a week and have each judged."""
        headers = self.key_of(Role.INGEST)
        for step in steps:
            rng = np.random.default_rng(step)
            said = ((client, say(step, client)) for client in range(12))
            records = [
                flights.record(client, rng, HUBS[client % 3])
                for client, flights in said
                if flights is not None
            ]
            start = START + timedelta(weeks=step)
            told = body(
                *records,
                step=step,
                spec=self.spec,
                model={"name": "late-arrival", "version": version},
                started_at=start.isoformat(),
                ended_at=(start + timedelta(weeks=1)).isoformat(),
            )
            url = f"{HOME}/runs/serve/rounds/{step}/evaluate"
            answer = self.api.post(url, json=told, headers=headers)
            assert answer.status_code == 202, answer.text
            judge(self.database)

    def explained(
        self, step: int, subject: str, where: str = "", role: Role = Role.ON_CALL
    ) -> dict[str, Any]:
        """The explanation of a subject in a scope at a step."""
        (found,) = (
            one
            for one in self.explanations(step, role)
            if (one["subject"], one["scope_key"]) == (subject, where)
        )
        return found

    def explanations(self, step: int, role: Role = Role.ON_CALL) -> list[dict[str, Any]]:
        path = f"{HOME}/rounds/{self.round_at(step)}/explanation"
        found: list[dict[str, Any]] = self.api.get(path, headers=self.key_of(role)).json()
        return found

    def round_at(self, step: int) -> UUID:
        with self.database.read_scope() as session:
            return session.exec(select(Round.id).where(Round.global_step == step)).one()
