"""Whom a request wants to train: a cluster that is no cohort, and weights by shares."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.core.database import Database
from app.drift.service import Carriers
from app.federations.roles import Role
from app.federations.tables import Federation
from app.retraining import service
from app.retraining.tables import RetrainRequest
from tests.rounds import pseudonym
from tests.unit.drift.explaining.worlds import HOME, Flights, World
from tests.unit.retraining.requests import MODEL, SERVER, ask
from tests.unit.retraining.test_asking import set_policy

PLACE = f"{HOME}/retrain-requests"
MOVED = range(5)  # of twelve clients: two at EWR, two at JFK, one at LGA
CLAIM = {"model": MODEL, "claimer": SERVER}


def say(step: int, client: int) -> Flights:
    return Flights(missed=0.7, alarmed=0.314) if step >= 9 and client in MOVED else Flights()


def test_a_cluster_that_is_no_cohort_trains_alone(
    api: TestClient, database: Database, federation: Federation, key_of: Callable[..., Any]
) -> None:
    world = World(api, database, key_of)
    policy = {"reference": {"rounds": 6}, "retraining": {"clients": "drifted"}}
    assert api.put(f"{HOME}/policy", json=policy, headers=key_of(Role.OWNER)).is_success
    world.play(range(1, 13), say)
    claimed = api.post(f"{PLACE}/claim", json=CLAIM, headers=key_of(Role.INGEST)).json()
    who = claimed["plan"]["clients"]
    assert (who["which"], who["cluster"]["clients"], who["cluster"]["cohorts"]) == (
        "drifted",
        5,
        [],
    )
    assert who["cluster"]["share"] == pytest.approx(1, abs=0.1)
    assert claimed["trainees"] == sorted(pseudonym(client) for client in MOVED)
    # Nobody else is told whom.
    shown = api.get(f"{PLACE}/{claimed['id']}", headers=key_of(Role.INGEST))
    assert "trainees" not in shown.json()
    assert pseudonym(0) not in shown.text
    # Who withdraws trains no more, and of a request that has ended nobody is known.
    gone = {"clients": [pseudonym(0)]}
    done = api.post(f"{HOME}/withdrawals", json=gone, headers=key_of(Role.OWNER))
    assert done.is_success, done.text
    again = api.post(f"{PLACE}/claim", json=CLAIM, headers=key_of(Role.INGEST)).json()
    assert again["trainees"] == sorted(pseudonym(client) for client in MOVED[1:])
    cancel = f"{PLACE}/{claimed['id']}/cancel"
    assert api.post(cancel, json={"reason": "no"}, headers=key_of(Role.OWNER)).is_success
    with database.read_scope() as session:
        kept = session.get(RetrainRequest, UUID(claimed["id"]))
        assert kept is not None
        assert kept.trainees is None


@pytest.mark.parametrize(
    ("scope", "weight", "planned"),
    [
        ("federation", "by_share", {"cluster": True, "weight": 4.5}),
        ("federation", 2.0, {"cluster": True, "weight": 2.0}),
        ("cohort", "by_share", {"cohort": "hub=EWR", "weight": 4.5}),
        ("client", "by_share", {"which": "all"}),
    ],
)
def test_weights_follow_from_shares(
    session: Session,
    here: Federation,
    monkeypatch: pytest.MonkeyPatch,
    scope: str,
    weight: float | str,
    planned: dict[str, Any],
) -> None:
    found = Carriers(("c_1", "c_2", "c_3"), share=0.9, examples=0.2)
    monkeypatch.setattr("app.drift.service.carriers", lambda *_: found)
    set_policy(session, here, clients="weighted", drifted_weight=weight)
    made = service.consider(
        session, here, ask(scope=scope, scope_key="hub=EWR", subject="error_rate")
    )
    assert made is not None
    told = made.plan["clients"]
    if planned.pop("cluster", None):
        assert told.pop("cluster") == {"clients": 3, "share": 0.9, "cohorts": []}
        assert made.trainees == ["c_1", "c_2", "c_3"]
    assert told == {"which": "weighted"} | planned


def test_without_a_cluster_everybody_trains(session: Session, here: Federation) -> None:
    set_policy(session, here, clients="weighted", drifted_weight="by_share")
    made = service.consider(session, here, ask(subject="error_rate"))
    assert made is not None
    assert (made.plan["clients"], made.trainees) == ({"which": "all"}, None)
