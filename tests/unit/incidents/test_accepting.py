"""Accepted as the new normal: the version is judged against what is normal now, and stays quiet."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from numpy.random import default_rng

from app.core.database import Database
from app.federations.roles import Role
from app.incidents import replaying
from app.incidents.states import Resolution
from tests.audited import actions
from tests.rounds import BIN_SPEC, body, record
from tests.unit.incidents.test_from_push_to_incident import HOME
from tests.working import judge

CALM, DRIFTING, AFTER = range(1, 10), range(10, 20), range(20, 25)
WHY = {"why": "the summer schedule stays"}
Place = Callable[..., Any]


@pytest.fixture
def place(api: TestClient, database: Database, key_of: Callable[..., dict[str, str]]) -> Place:
    """`place(method, path, body, role)`: a call below the federation; the answer's JSON."""
    keys = {role: key_of(role) for role in (Role.INGEST, Role.OWNER, Role.ON_CALL)}

    def call(method: str, path: str, sent: Any = None, role: Role = Role.OWNER) -> Any:
        answer = api.request(method, HOME + path, json=sent, headers=keys[role])
        told = answer.json()
        if not answer.is_success:
            told["code"] = told["type"].rpartition(":")[2]
        return told

    return call


@pytest.fixture
def push(place: Place, database: Database) -> Callable[..., None]:
    """`push(steps, rate)`: rounds of six clients of whose flights that share is late."""
    spec = place("POST", "/bin-specs", BIN_SPEC, Role.INGEST)["id"]
    rng = default_rng(2013)

    def several(steps: Iterable[int], rate: float, **more: Any) -> None:
        for step in steps:
            clients = [
                record(name, 1000, int(1000 * rate + rng.normal(0, 10))) for name in range(6)
            ]
            sent = body(*clients, step=step, spec=spec, **more)
            place("POST", f"/runs/serve/rounds/{step}/evaluate", sent, Role.INGEST)
            judge(database)

    return several


def open_ones(place: Place) -> list[dict[str, Any]]:
    return [one for one in place("GET", "/incidents") if one["state"] != "resolved"]


def test_the_next_rounds_are_judged_against_it_and_the_incident_stays_closed(
    place: Place, push: Callable[..., None], database: Database
) -> None:
    push(CALM, 0.2)
    push(DRIFTING, 0.4)
    concept, data = sorted(open_ones(place), key=lambda one: str(one["family"]))
    refused = place("POST", f"/incidents/{concept['id']}/accept", WHY)
    assert (refused["status"], refused["code"]) == (409, "other_incidents_open")
    assert data["id"] in refused["detail"]
    done = place("POST", f"/incidents/{concept['id']}/accept", WHY | {"also": [data["id"]]})
    assert done["incident"]["resolution"] == "new_normal"
    with database.read_scope() as session:
        assert {"reference.freeze", "incident.resolve"} <= set(actions(session))
    old, new = sorted(place("GET", "/references?model=late-arrival"), key=lambda one: one["number"])
    assert done["reference"] == new
    assert (new["parent"], new["incident_id"], new["why"]) == (old["id"], concept["id"], WHY["why"])
    assert new["last_step"] == DRIFTING[-1]
    onset = max(concept["onset_step"], data["onset_step"])
    assert len(new["round_ids"]) == DRIFTING[-1] - onset + 1
    push(AFTER, 0.4)
    assert open_ones(place) == []
    assert len(place("GET", "/incidents")) == 2
    (newest,) = place("GET", "/rounds?limit=1")
    verdicts = place("GET", f"/rounds/{newest['id']}/verdicts")
    assert {one["reference_id"] for one in verdicts} == {new["id"]}
    assert "drift" not in {one["outcome"] for one in verdicts}
    assert replaying.replay(database, "flights", lambda _done, _of: None).mismatches == []
    # A correction of what was judged before is judged as before.
    push([DRIFTING[-1]], 0.4, attempt=2)
    (corrected,) = [one for one in place("GET", "/rounds") if one["global_step"] == DRIFTING[-1]]
    again = place("GET", f"/rounds/{corrected['id']}/verdicts")
    assert {one["reference_id"] for one in again} == {old["id"]}
    assert open_ones(place) == []


def test_a_return_to_what_was_normal_before_is_drift(
    place: Place, push: Callable[..., None]
) -> None:
    push(CALM, 0.2)
    push(DRIFTING, 0.4)
    first, second = open_ones(place)
    place("POST", f"/incidents/{first['id']}/accept", WHY | {"also": [second["id"]]})
    push(AFTER, 0.2)
    assert {one["family"] for one in open_ones(place)} == {"concept", "data"}


def test_what_it_cannot_be_frozen_from_is_refused(place: Place, push: Callable[..., None]) -> None:
    push(CALM, 0.2)
    push(range(10, 16), 0.4)
    concept, data = sorted(open_ones(place), key=lambda one: str(one["family"]))
    path, sent = f"/incidents/{concept['id']}/accept", WHY | {"also": [data["id"]]}
    few = place("POST", path, sent)
    assert (few["status"], few["code"]) == (409, "too_few_rounds_yet")
    assert "a reference needs 8" in few["detail"]
    ids = {one["global_step"]: one["id"] for one in place("GET", "/rounds")}
    before = place("POST", path, sent | {"rounds": [ids[step] for step in range(5, 12)]})
    assert (before["status"], before["code"]) == (422, "rounds_before_onset")
    too_few = place("POST", path, sent | {"rounds": [ids[13], ids[14], str(uuid4())]})
    assert (too_few["status"], too_few["code"]) == (422, "too_few_rounds")
    onset = max(concept["onset_step"], data["onset_step"])
    named = [ids[step] for step in range(onset, 16)][:5]
    assert place("POST", path, sent | {"rounds": named})["reference"]["round_ids"] == named
    twice = place("POST", path, sent)
    assert (twice["status"], twice["code"]) == (409, "illegal_transition")


def test_only_who_may_freeze_references_accepts(place: Place) -> None:
    refused = place("POST", f"/incidents/{uuid4()}/accept", WHY, Role.ON_CALL)
    assert (refused["status"], refused["code"]) == (403, "forbidden")
    unknown = place("POST", f"/incidents/{uuid4()}/accept", WHY)
    assert unknown["status"] == 404


def test_to_resolve_it_as_the_new_normal_takes_a_reference(place: Place) -> None:
    sent = WHY | {"resolution": Resolution.NEW_NORMAL.value}
    assert place("POST", f"/incidents/{uuid4()}/resolve", sent)["status"] == 422
