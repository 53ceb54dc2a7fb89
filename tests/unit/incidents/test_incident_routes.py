"""HTTP of incidents: who may do what, what is shown to whom, and whose it is."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient

from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import ALLOWED, Permission, Role
from app.federations.schemas import FederationIn, KeyIn
from app.federations.tables import Federation
from app.incidents import service
from tests.rounds import pseudonym
from tests.unit.incidents.stories import Story, at_clients, verdict

# Apprise imports what Python is about to drop, where it is still there.

HOME = "/v1/federations/flights"
RESOLVE = {"resolution": "data_fault", "why": "summer"}
SILENCE: dict[str, Any] = {
    "matchers": {"family": "concept"},
    "ends_at": "2199-01-01T00:00:00Z",
    "comment": "known",
}
CHANNEL = {"name": "on-call", "url": "json://user:hush@localhost/hook"}
HANDLERS = {Role.ON_CALL, Role.OWNER}
CLIENT_READERS = {role for role in Role if Permission.READ_CLIENTS in ALLOWED[role]}

Headers = dict[str, str]
KeyOf = Callable[..., Headers]


@pytest.fixture
def incidents(
    database: Database, federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> dict[str, UUID]:
    """One incident in each scope: the client's is of the inputs."""
    with database.session_scope() as session:
        story = Story(session, federations.get(session, federation.id), monkeypatch)
        story.policy(incidents={"scopes": ["federation", "cohort", "client"]})
        inputs: dict[str, Any] = {"subject": "score", "family": "data"}
        story.push(1, verdict(), *at_clients(1, 2), *at_clients(1, 2, **inputs))
        return {incident.scope: incident.id for incident in story.incidents()}


def test_an_incident_is_read_with_what_is_behind_it(
    api: TestClient, key_of: KeyOf, incidents: dict[str, UUID]
) -> None:
    on_call = key_of(Role.ON_CALL)
    listed = api.get(f"{HOME}/incidents", headers=on_call).json()
    assert {incident["id"] for incident in listed} == {str(id_) for id_ in incidents.values()}
    shown = api.get(f"{HOME}/incidents/{incidents['federation']}", headers=on_call).json()
    assert {v["scope"] for v in shown["verdicts"]} == {"federation", "client"}


@pytest.mark.parametrize("role", sorted(set(Role) - CLIENT_READERS))
def test_clients_are_not_shown_to_who_may_not_read_them(
    api: TestClient, key_of: KeyOf, incidents: dict[str, UUID], role: Role
) -> None:
    silence = SILENCE | {"matchers": {"scope_key": pseudonym(0)}}
    api.post(f"{HOME}/silences", json=silence, headers=key_of(Role.OWNER))
    headers = key_of(role)
    (listed,) = api.get(f"{HOME}/incidents", headers=headers).json()
    shown = api.get(f"{HOME}/incidents/{listed['id']}", headers=headers)
    assert {v["scope"] for v in shown.json()["verdicts"]} == {"federation"}
    hidden = api.get(f"{HOME}/incidents/{incidents['client']}", headers=headers)
    assert hidden.status_code == 404
    silences = api.get(f"{HOME}/silences", headers=headers)
    assert silences.json() == []
    assert not any(pseudonym(0) in answer.text for answer in (shown, hidden, silences))


def test_an_incident_goes_through_its_states(
    api: TestClient, key_of: KeyOf, incidents: dict[str, UUID]
) -> None:
    on_call = key_of(Role.ON_CALL, "Ada")
    place = f"{HOME}/incidents/{incidents['federation']}"
    taken = api.post(f"{place}/acknowledge", headers=on_call).json()
    assert (taken["state"], taken["acknowledged_by"]) == ("acknowledged", "Ada")
    done = api.post(f"{place}/resolve", json=RESOLVE, headers=on_call).json()
    assert (done["state"], done["resolved_by"], done["resolution"]) == (
        "resolved",
        "Ada",
        "data_fault",
    )
    again = api.post(f"{place}/acknowledge", headers=on_call)
    assert again.status_code == 409
    assert again.json()["detail"] == (
        "The incident is resolved: it cannot become acknowledged, only open."
    )
    resolved = api.get(f"{HOME}/incidents", params={"state": "resolved"}, headers=on_call).json()
    assert [incident["id"] for incident in resolved] == [done["id"]]


def test_a_channels_address_is_never_shown(api: TestClient, key_of: KeyOf) -> None:
    owner = key_of(Role.OWNER)
    made = api.post(f"{HOME}/channels", json=CHANNEL, headers=owner)
    assert (made.status_code, made.json()["kind"]) == (201, "json")
    again = api.post(f"{HOME}/channels", json=CHANNEL, headers=owner)
    assert again.status_code == 409
    listed = api.get(f"{HOME}/channels", headers=owner)
    assert [channel["name"] for channel in listed.json()] == ["on-call"]
    audit = api.get(f"{HOME}/audit", headers=key_of(Role.AUDITOR))
    assert audit.status_code == 200
    assert not any("hush" in answer.text for answer in (made, again, listed, audit))
    gone = api.delete(f"{HOME}/channels/on-call", headers=owner)
    assert gone.status_code == 204
    assert api.get(f"{HOME}/channels", headers=owner).json() == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/silences", {"kind": "maintenance"}, "body"),
        ("/silences", {"expressions": ["a" * 201]}, "expressions.0"),
        ("/silences", {"matchers": {"colour": "red"}}, "matchers.colour"),
        ("/silences", {"comment": "a\x00b"}, "comment"),
        ("/silences", {"ends_at": "2013-06-10T00:00:00"}, "ends_at"),
        ("/silences", {"starts_at": "2199-01-01T00:00:00Z"}, "body"),
        ("/channels", {"name": "a b"}, "name"),
        ("/channels", {"colour": "red"}, "colour"),
        ("/incidents/{id}/resolve", {"resolution": "subsided"}, "resolution"),
        ("/incidents/{id}/resolve", {"why": ""}, "why"),
    ],
)
def test_a_bad_body_is_refused_by_field(
    api: TestClient, key_of: KeyOf, path: str, body: dict[str, Any], field: str
) -> None:
    whole: dict[str, Any] = {"s": SILENCE, "c": CHANNEL, "i": RESOLVE}[path[1]]
    where = HOME + path.format(id=uuid4())
    answer = api.post(where, json=whole | body, headers=key_of(Role.OWNER))
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


ROUTES: list[tuple[str, str, dict[str, Any] | None, set[Role]]] = [
    ("GET", "/incidents", None, set(Role)),
    ("GET", "/incidents/{incident}", None, set(Role)),
    ("POST", "/incidents/{incident}/acknowledge", None, HANDLERS),
    ("POST", "/incidents/{incident}/resolve", RESOLVE, HANDLERS),
    ("GET", "/silences", None, set(Role)),
    ("POST", "/silences", SILENCE, HANDLERS),
    ("DELETE", "/silences/{silence}", None, HANDLERS),
    ("GET", "/channels", None, {Role.OWNER}),
    ("POST", "/channels", CHANNEL, {Role.OWNER}),
    ("DELETE", "/channels/on-call", None, {Role.OWNER}),
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
    where = HOME + path.format(incident=uuid4(), silence=uuid4())
    for role in Role:
        status = api.request(method, where, json=body, headers=key_of(role)).status_code
        assert (status != 403) == (role in allowed), role


@pytest.mark.parametrize(("method", "path", "body", "allowed"), ROUTES)
def test_another_tenants_things_do_not_exist(
    api: TestClient,
    database: Database,
    settings: Settings,
    federation: Federation,
    key_of: KeyOf,
    incidents: dict[str, UUID],
    method: str,
    path: str,
    body: dict[str, Any] | None,
    allowed: set[Role],
) -> None:
    owner = key_of(Role.OWNER)
    api.post(f"{HOME}/channels", json=CHANNEL, headers=owner)
    silence = api.post(f"{HOME}/silences", json=SILENCE, headers=owner).json()["id"]
    with database.session_scope() as session:
        other = federations.create(session, FederationIn(name="trains", title="Trains"), "test")
        who = KeyIn(holder="Mallory", role=Role.OWNER)
        key = federations.issue_key(session, other, who, "test", settings.secret_key)[1]
    mallory = {"Authorization": f"Bearer {key}"}
    where = path.format(incident=incidents["federation"], silence=silence)
    at_theirs = api.request(method, HOME + where, json=body, headers=mallory)
    assert at_theirs.status_code == 404
    at_home = api.request(method, f"/v1/federations/trains{where}", json=body, headers=mallory)
    if at_home.is_success:
        assert method == "POST" or at_home.json() == []
    else:
        assert at_home.status_code == 404
    (kept,) = api.get(f"{HOME}/channels", headers=owner).json()
    assert kept["name"] == "on-call"
    with database.read_scope() as session:
        assert {row.state for row in service.list_of(session, federation.id)} == {"open"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"matchers": {}}, "matches_everything"),
        ({"matchers": {}, "expressions": ['model=~".*"']}, "matches_everything"),
        ({"expressions": ["model"]}, "bad_matcher"),
    ],
)
def test_a_silence_of_everything_is_refused_by_name(
    api: TestClient, key_of: KeyOf, change: dict[str, Any], code: str
) -> None:
    answer = api.post(f"{HOME}/silences", json=SILENCE | change, headers=key_of(Role.OWNER))
    assert answer.status_code == 422
    assert answer.json()["type"] == f"urn:vigie:problem:{code}"
