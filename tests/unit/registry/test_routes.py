"""HTTP of the registry: who may do what, and that another tenant's things do not exist."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.federations.tables import Federation
from app.registry import service
from tests.unit.registry.lifecycle import (
    MODEL,
    OWNER,
    SERVER,
    VALIDATOR,
    register_two,
    store_canary_rounds,
)

HOME = "/v1/federations/flights"
VERSION = {"run": "run-1", "weights_sha256": "1" * 64}
DRAFT = {"model": MODEL, "candidate": "2", "why": "better"}
REASON = {"reason": "agreed"}
UNSEEN = REASON | {"evidence_sha256": "0" * 64}
COMMENTERS = set(Role) - {Role.INGEST, Role.VIEWER, Role.ADMIN}

Headers = dict[str, str]
Body = dict[str, str] | None


@pytest.fixture
def ingest(key_of: Callable[..., Headers]) -> Headers:
    return key_of(Role.INGEST, SERVER)


@pytest.fixture
def owner(key_of: Callable[..., Headers]) -> Headers:
    return key_of(Role.OWNER, OWNER)


@pytest.fixture
def validator(key_of: Callable[..., Headers]) -> Headers:
    return key_of(Role.VALIDATOR, VALIDATOR)


@pytest.fixture
def two_versions(database: Database, federation: Federation) -> None:
    register_two(database, federation)
    with database.session_scope() as session:
        store_canary_rounds(session, federation, steps=2, gain=0.1)


def test_a_version_is_registered_and_read(api: TestClient, ingest: Headers) -> None:
    made = api.post(f"{HOME}/models/{MODEL}/versions", json=VERSION, headers=ingest)
    assert made.status_code == 201
    assert made.json()["version"] == "1"
    assert made.json()["registered_by"] == SERVER
    again = api.post(f"{HOME}/models/{MODEL}/versions", json=VERSION, headers=ingest)
    assert again.json() == made.json()
    assert api.get(f"{HOME}/models/{MODEL}/versions", headers=ingest).json() == [made.json()]
    model = api.get(f"{HOME}/models", headers=ingest).json()[0]
    assert (model["name"], model["champion"], model["canary"]) == (MODEL, "1", None)


def test_a_model_is_made_once(api: TestClient, owner: Headers) -> None:
    made = [api.post(f"{HOME}/models", json={"name": "eta"}, headers=owner) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json() == made[1].json()
    assert len(api.get(f"{HOME}/models", headers=owner).json()) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"run": "a b"}, "run"),
        ({"weights_sha256": "1" * 63}, "weights_sha256"),
        ({"artifact_uri": "file:///etc/passwd"}, "artifact_uri"),
        ({"note": "a\x00b"}, "note"),
        ({"weights": [1.0]}, "weights"),
        ({"parent_version": "9"}, "parent_version"),
    ],
)
def test_a_bad_version_is_refused_by_field(
    api: TestClient, ingest: Headers, change: dict[str, object], field: str
) -> None:
    answer = api.post(f"{HOME}/models/{MODEL}/versions", json=VERSION | change, headers=ingest)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert api.get(f"{HOME}/models/{MODEL}/versions", headers=ingest).status_code == 404


def test_a_promotion_from_draft_to_approval(
    api: TestClient, two_versions: None, owner: Headers, validator: Headers
) -> None:
    made = api.post(f"{HOME}/promotions", json=DRAFT, headers=owner)
    assert made.status_code == 201
    place = f"{HOME}/promotions/{made.json()['id']}"
    asked = api.post(f"{place}/submit", headers=owner).json()
    shown = api.get(f"{HOME}/models/{MODEL}/versions/2/comparison", headers=validator).json()
    assert (asked["state"], asked["model"], asked["evidence"]) == ("awaiting_review", MODEL, shown)
    seen = REASON | {"evidence_sha256": asked["evidence_sha256"]}
    decided = api.post(f"{place}/approve", json=seen, headers=validator).json()
    assert (decided["state"], decided["decided_by"], decided["reason"]) == (
        "approved",
        VALIDATOR,
        "agreed",
    )
    assert api.get(f"{HOME}/promotions", headers=validator).json() == [decided]
    assert api.get(place, headers=owner).json() == decided
    back = api.post(f"{place}/roll-back", json=REASON, headers=validator)
    assert back.json()["state"] == "rolled_back"


def test_the_submitter_is_refused_as_validator(
    api: TestClient, two_versions: None, owner: Headers, key_of: Callable[..., Headers]
) -> None:
    made = api.post(f"{HOME}/promotions", json=DRAFT, headers=owner).json()
    api.post(f"{HOME}/promotions/{made['id']}/submit", headers=owner)
    answer = api.post(
        f"{HOME}/promotions/{made['id']}/approve",
        json=UNSEEN,
        headers=key_of(Role.VALIDATOR, OWNER),
    )
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:vigie:problem:four_eyes"


@pytest.mark.parametrize("reason", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "a\x00"}])
def test_a_decision_has_a_reason(
    api: TestClient, two_versions: None, owner: Headers, validator: Headers, reason: dict[str, str]
) -> None:
    made = api.post(f"{HOME}/promotions", json=DRAFT, headers=owner).json()
    place = f"{HOME}/promotions/{made['id']}"
    assert api.post(f"{place}/reject", json=reason, headers=validator).status_code == 422
    assert api.get(place, headers=owner).json()["state"] == "draft"


ANY = uuid4()
ROUTES = [
    ("POST", "/models", {"name": "eta"}, {Role.INGEST, Role.DEVELOPER, Role.OWNER}),
    ("GET", "/models", None, set(Role)),
    ("POST", f"/models/{MODEL}/versions", VERSION, {Role.INGEST, Role.DEVELOPER, Role.OWNER}),
    ("GET", f"/models/{MODEL}/versions", None, set(Role)),
    ("GET", f"/models/{MODEL}/versions/2/comparison", None, set(Role)),
    ("POST", "/promotions", DRAFT, {Role.DEVELOPER, Role.OWNER}),
    ("GET", "/promotions", None, set(Role)),
    ("GET", "/promotions/{id}", None, set(Role)),
    ("POST", "/promotions/{id}/submit", None, {Role.DEVELOPER, Role.OWNER}),
    ("POST", "/promotions/{id}/approve", UNSEEN, {Role.VALIDATOR}),
    ("POST", "/promotions/{id}/comments", {"text": "and at night?"}, COMMENTERS),
    ("GET", "/promotions/{id}/comments", None, set(Role)),
    ("GET", f"/models/{MODEL}/serving", None, set(Role)),
    ("POST", "/promotions/{id}/reject", REASON, {Role.VALIDATOR}),
    ("POST", "/promotions/{id}/roll-back", REASON, {Role.VALIDATOR}),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), ROUTES)
def test_each_route_is_for_its_roles(
    api: TestClient,
    key_of: Callable[..., Headers],
    method: str,
    path: str,
    body: Body,
    allowed: set[Role],
) -> None:
    for role in Role:
        where = HOME + path.format(id=ANY)
        status = api.request(method, where, json=body, headers=key_of(role)).status_code
        assert (status != 403) == (role in allowed), role


@pytest.mark.parametrize(("method", "path", "body", "allowed"), ROUTES)
def test_another_tenants_things_do_not_exist(
    api: TestClient,
    database: Database,
    settings: Settings,
    federation: Federation,
    two_versions: None,
    method: str,
    path: str,
    body: Body,
    allowed: set[Role],
) -> None:
    with database.session_scope() as session:
        theirs = service.draft_promotion(session, federation, MODEL, "2", OWNER, "better").id
        other = federations.create(session, FederationIn(name="trains", title="Trains"), "test")
        who = KeyIn(holder="Mallory", role=min(allowed))
        key = federations.issue_key(session, other, who, "test", settings.secret_key)[1]
    headers = {"Authorization": f"Bearer {key}"}
    at_theirs = api.request(method, HOME + path.format(id=theirs), json=body, headers=headers)
    assert at_theirs.status_code == 404
    at_home = api.request(
        method, "/v1/federations/trains" + path.format(id=theirs), json=body, headers=headers
    )
    if at_home.is_success:
        assert at_home.json() == [] or at_home.status_code == 201  # a model of their own
    else:
        assert at_home.status_code == 404
    with database.read_scope() as session:
        assert service.get_promotion(session, federation.id, theirs).state == "draft"
        assert len(service.versions_of(session, federation.id, MODEL)) == 2
