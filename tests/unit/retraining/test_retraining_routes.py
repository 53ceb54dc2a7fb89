"""HTTP of retrain requests: the wire format, who may do what, and whose it is."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient

from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.federations.tables import Federation
from tests.unit.retraining.requests import MODEL, SERVER, champion

PLACE = "/v1/federations/flights/retrain-requests"
ASK = {"model": MODEL, "reason": "new hospitals"}
CLAIM = {"model": MODEL, "claimer": SERVER, "lease_seconds": 60}
PROGRESS = {"claimer": SERVER, "completed_rounds": 3, "total_rounds": 10, "message": None}
COMPLETE = {
    "claimer": SERVER,
    "run": "again",
    "weights_sha256": "2" * 64,
    "artifact_uri": None,
    "rounds": 10,
    "note": None,
}
FAIL = {"claimer": SERVER, "reason": "disk full"}
CANCEL = {"reason": "not now"}
ASKERS = {Role.ON_CALL, Role.DEVELOPER, Role.OWNER}
SERVERS = {Role.INGEST}

Headers = dict[str, str]
KeyOf = Callable[..., Headers]


@pytest.fixture
def ingest(key_of: KeyOf) -> Headers:
    return key_of(Role.INGEST)


@pytest.fixture
def asked(api: TestClient, database: Database, federation: Federation, key_of: KeyOf) -> UUID:
    """A person's request for the model's champion."""
    with database.session_scope() as session:
        champion(session, federation)
    made = api.post(PLACE, json=ASK, headers=key_of(Role.OWNER, "Ada"))
    assert made.status_code == 201
    assert (made.json()["state"], made.json()["requested_by"]) == ("requested", "Ada")
    return UUID(made.json()["id"])


def test_a_request_goes_its_way(api: TestClient, asked: UUID, ingest: Headers) -> None:
    claimed = api.post(f"{PLACE}/claim", json=CLAIM, headers=ingest).json()
    wire = {
        "id", "model", "base_version", "incident_id", "state", "reason", "plan", "claimed_by",
        "lease_until", "progress", "result_version", "created_at",
    }  # fmt: skip
    assert wire <= claimed.keys()
    assert (claimed["id"], claimed["state"], claimed["claimed_by"]) == (
        str(asked),
        "claimed",
        SERVER,
    )
    going = api.post(f"{PLACE}/{asked}/progress", json=PROGRESS, headers=ingest).json()
    assert (going["state"], going["progress"]["completed_rounds"]) == ("running", 3)
    done = api.post(f"{PLACE}/{asked}/complete", json=COMPLETE, headers=ingest)
    assert (done.json()["state"], done.json()["result_version"]) == ("completed", "2")
    again = api.post(f"{PLACE}/{asked}/complete", json=COMPLETE, headers=ingest)
    assert (again.status_code, again.json()) == (200, done.json())
    assert api.get(f"{PLACE}/{asked}", headers=ingest).json() == done.json()
    assert api.get(PLACE, headers=ingest).json() == [done.json()]


def test_nothing_to_claim_is_no_content(api: TestClient, ingest: Headers) -> None:
    answer = api.post(f"{PLACE}/claim", json=CLAIM, headers=ingest)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("step", "body"), [("progress", PROGRESS), ("complete", COMPLETE), ("fail", FAIL)]
)
def test_who_does_not_hold_it_is_told(
    api: TestClient, asked: UUID, ingest: Headers, step: str, body: dict[str, Any]
) -> None:
    answer = api.post(f"{PLACE}/{asked}/{step}", json=body, headers=ingest)
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:vigie:problem:lease_lost"


def test_a_second_request_is_refused(api: TestClient, asked: UUID, key_of: KeyOf) -> None:
    answer = api.post(PLACE, json=ASK, headers=key_of(Role.OWNER))
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:vigie:problem:retrain_request_open"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/claim", CLAIM | {"lease_seconds": 0}, "lease_seconds"),
        ("/claim", CLAIM | {"claimer": "a b"}, "claimer"),
        ("/{id}/progress", PROGRESS | {"total_rounds": 0}, "total_rounds"),
        ("/{id}/progress", PROGRESS | {"completed_rounds": 2**40}, "completed_rounds"),
        ("/{id}/complete", COMPLETE | {"weights_sha256": "2"}, "weights_sha256"),
        ("/{id}/complete", COMPLETE | {"weights": [1.0]}, "weights"),
        ("/{id}/complete", COMPLETE | {"artifact_uri": "file:///etc/passwd"}, "artifact_uri"),
        ("/{id}/fail", FAIL | {"reason": "a\x00b"}, "reason"),
    ],
)
def test_a_bad_body_is_refused_by_field(
    api: TestClient, ingest: Headers, path: str, body: dict[str, Any], field: str
) -> None:
    answer = api.post(PLACE + path.format(id=uuid4()), json=body, headers=ingest)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


ROUTES: list[tuple[str, str, dict[str, Any] | None, set[Role]]] = [
    ("POST", "", ASK, ASKERS),
    ("GET", "", None, set(Role)),
    ("POST", "/claim", CLAIM, SERVERS),
    ("GET", "/{id}", None, set(Role)),
    ("POST", "/{id}/progress", PROGRESS, SERVERS),
    ("POST", "/{id}/complete", COMPLETE, SERVERS),
    ("POST", "/{id}/fail", FAIL, SERVERS),
    ("POST", "/{id}/cancel", CANCEL, ASKERS),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), ROUTES)
def test_each_route_is_for_its_roles(
    api: TestClient,
    key_of: KeyOf,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    allowed: set[Role],
) -> None:
    where = PLACE + path.format(id=uuid4())
    for role in Role:
        status = api.request(method, where, json=body, headers=key_of(role)).status_code
        assert (status != 403) == (role in allowed), role


@pytest.mark.parametrize(("method", "path", "body", "allowed"), ROUTES)
def test_another_tenants_requests_do_not_exist(
    api: TestClient,
    database: Database,
    settings: Settings,
    asked: UUID,
    ingest: Headers,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    allowed: set[Role],
) -> None:
    with database.session_scope() as session:
        other = federations.create(session, FederationIn(name="trains", title="Trains"), "test")
        who = KeyIn(holder="Mallory", role=min(allowed))
        key = federations.issue_key(session, other, who, "test", settings.secret_key)[1]
    mallory = {"Authorization": f"Bearer {key}"}
    where = path.format(id=asked)
    at_theirs = api.request(method, PLACE + where, json=body, headers=mallory)
    assert at_theirs.status_code == 404
    home = "/v1/federations/trains/retrain-requests"
    at_home = api.request(method, home + where, json=body, headers=mallory)
    found = at_home.json() if at_home.status_code == 200 else []
    assert (at_home.status_code, found) in ((404, []), (204, []), (200, []))
    assert api.get(f"{PLACE}/{asked}", headers=ingest).json()["state"] == "requested"
