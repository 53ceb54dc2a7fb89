"""The whole way with nothing replaced: rounds pushed over HTTP, judged, one incident."""

from collections.abc import Callable
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from numpy.random import default_rng

from app.core import outbox
from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.incidents import service as incident_service
from app.incidents.messages import told_of
from app.incidents.states import Event
from tests.rounds import BIN_SPEC, body, record
from tests.working import judge

HOME = "/v1/federations/flights"
CALM, DRIFTING = range(1, 11), range(11, 15)


@pytest.fixture
def year(api: TestClient, database: Database, key_of: Callable[..., dict[str, str]]) -> None:
    """Ten calm rounds of six clients, then four with twice as many late at every client."""
    headers = key_of(Role.INGEST)
    spec = api.post(f"{HOME}/bin-specs", json=BIN_SPEC, headers=headers).json()["id"]
    rng = default_rng(2013)
    for step in (*CALM, *DRIFTING):
        rate = 0.2 if step in CALM else 0.4
        clients = [
            record(name, 1000, int(1000 * rate + rng.normal(0, 10)), cohorts={"hub": "EWR"})
            for name in range(6)
        ]
        push = body(*clients, step=step, spec=spec)
        answer = api.post(f"{HOME}/runs/serve/rounds/{step}/evaluate", json=push, headers=headers)
        assert answer.status_code == 202
        judge(database)
    with database.read_scope() as session:
        assert outbox.depth(session)["failed"] == 0


def test_a_lasting_change_is_one_incident_a_family(
    api: TestClient, year: None, key_of: Callable[..., dict[str, str]]
) -> None:
    headers = key_of(Role.ON_CALL)
    incidents = api.get(f"{HOME}/incidents", headers=headers).json()
    assert {(incident["family"], incident["scope"]) for incident in incidents} == {
        ("concept", "federation"),
        ("data", "federation"),
    }
    (concept,) = [incident for incident in incidents if incident["family"] == "concept"]
    assert concept["onset_step"] in DRIFTING
    assert concept["severity"] == "critical"
    assert "at 6 of 6 clients" in concept["title"]
    (request,) = api.get(f"{HOME}/retrain-requests", headers=headers).json()
    assert (request["incident_id"], request["state"]) == (concept["id"], "requested")


def test_an_incident_keeps_why_its_subject_drifts_and_messages_tell_it(
    api: TestClient, year: None, database: Database, key_of: Callable[..., dict[str, str]]
) -> None:
    headers = key_of(Role.VIEWER)
    incidents = api.get(f"{HOME}/incidents", headers=headers).json()
    (concept,) = [incident for incident in incidents if incident["family"] == "concept"]
    why = concept["evidence"]["explanation"]
    assert why["kind"]["kind"] == "abrupt"
    assert why["onset"]["earliest_step"] <= min(DRIFTING) <= why["onset"]["latest_step"]
    with database.read_scope() as session:
        flights = federations.named(session, "flights")
        incident = incident_service.get(session, flights.id, UUID(concept["id"]))
        told = told_of(incident, Event.OPENED, "flights", Settings())
    assert told.points["Why"].endswith(".")
    assert f"step {why['onset']['step']} (2013-" in told.points["Since"]
