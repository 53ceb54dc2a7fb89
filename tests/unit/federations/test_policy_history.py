"""The policy over HTTP: who may set it, what is kept of it, and who wins when two set at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from app.core.database import Database
from app.core.errors import NotFoundError
from app.core.settings import Settings
from app.federations import service
from app.federations.policy import Policy, document_of, sha256_of
from app.federations.roles import ALLOWED, Permission, Role
from app.federations.schemas import FederationIn, KeyIn
from app.federations.tables import Federation

KeyOf = Callable[..., dict[str, str]]
POLICY = "/v1/federations/flights/policy"
FIVE: dict[str, Any] = {"drift": {"min_clients": 5}}


@pytest.fixture
def owner(key_of: KeyOf) -> dict[str, str]:
    return key_of(Role.OWNER, holder="Ada")


def put(api: TestClient, headers: dict[str, str], body: Any = FIVE, **options: Any) -> Response:
    extra = {"If-Match": options.pop("if_match")} if "if_match" in options else {}
    return api.put(POLICY, json=body, headers={**headers, **extra}, params=options)


@pytest.mark.parametrize("role", Role)
def test_who_may_set_and_who_may_read(api: TestClient, key_of: KeyOf, role: Role) -> None:
    headers = key_of(role)
    reads = [
        api.get(POLICY, headers=headers),
        api.get(f"{POLICY}/versions", headers=headers),
        api.get(f"{POLICY}/versions/1", headers=headers),
        api.post(f"{POLICY}/check", json=FIVE, headers=headers),
    ]
    allowed = 200 if Permission.READ in ALLOWED[role] else 403
    assert {answer.status_code for answer in reads} == {allowed}
    may_set = Permission.SET_POLICY in ALLOWED[role]
    assert put(api, headers).status_code == (200 if may_set else 403)


def test_every_version_is_kept_with_who_when_and_why(
    api: TestClient, owner: dict[str, str]
) -> None:
    assert put(api, owner, why="too small to judge").json()["version"] == 2
    assert put(api, owner, {}).headers["ETag"] == '"3"'
    rows = api.get(f"{POLICY}/versions", headers=owner).json()
    told = [(row["version"], row["set_by"], row["why"]) for row in rows]
    assert told == [(3, "Ada", None), (2, "Ada", "too small to judge"), (1, "test", None)]
    assert rows[0]["sha256"] == rows[2]["sha256"] == sha256_of(document_of(Policy()))
    assert rows[1]["set_at"].endswith("Z")
    second = api.get(f"{POLICY}/versions/2", headers=owner).json()
    assert second["policy"]["drift"]["min_clients"] == 5
    assert {name: second[name] for name in rows[1]} == rows[1]
    newest = api.get(f"{POLICY}/versions", params={"limit": 1}, headers=owner).json()
    assert newest == rows[:1]


def test_the_policy_of_any_version_is_had_by_the_number_that_verdicts_name(
    api: TestClient, owner: dict[str, str], database: Database, federation: Federation
) -> None:
    put(api, owner)
    with database.read_scope() as session:
        assert service.policy_at(session, federation, 1) == Policy()
        assert service.policy_at(session, federation, 2).drift.min_clients == 5
        with pytest.raises(NotFoundError):
            service.policy_at(session, federation, 3)


@pytest.mark.parametrize("version", ["9", "0", "-1", "x", "99999999999999999999"])
def test_a_version_that_never_was_is_not_found(
    api: TestClient, owner: dict[str, str], version: str
) -> None:
    answer = api.get(f"{POLICY}/versions/{version}", headers=owner)
    assert answer.status_code == (404 if version == "9" else 422)


def test_a_check_answers_with_the_whole_policy_and_what_would_change_and_changes_nothing(
    api: TestClient, owner: dict[str, str]
) -> None:
    body = {**FIVE, "drift": {**FIVE["drift"], "subjects": {"feature:hour": {"judged": False}}}}
    answer = api.post(f"{POLICY}/check", json=body, headers=owner).json()
    assert answer["version"] == 1
    assert answer["policy"]["drift"]["min_examples"] == 30
    assert answer["changes"] == [
        {"field": "drift.min_clients", "before": 3, "after": 5},
        {"field": "drift.subjects.feature:hour", "before": None, "after": {"judged": False}},
    ]
    assert api.get(POLICY, headers=owner).json()["version"] == 1
    put(api, owner, body)
    assert api.post(f"{POLICY}/check", json=body, headers=owner).json()["changes"] == []
    back = api.post(f"{POLICY}/check", json={}, headers=owner).json()["changes"]
    assert [change["after"] for change in back] == [3, None]


@pytest.mark.parametrize("form", ['"1"', "1", "*"])
def test_a_policy_is_set_while_the_version_that_was_read_is_in_force(
    api: TestClient, owner: dict[str, str], form: str
) -> None:
    assert api.get(POLICY, headers=owner).headers["ETag"] == '"1"'
    assert put(api, owner, if_match=form).status_code == 200
    assert put(api, owner, if_match=form).status_code == (200 if form == "*" else 409)


def test_it_is_not_set_over_one_that_was_not_read(api: TestClient, owner: dict[str, str]) -> None:
    put(api, owner)
    late = put(api, owner, {}, if_match='"1"')
    assert (late.status_code, late.json()["type"]) == (409, "urn:vigie:problem:policy_changed")
    assert "version 2, not 1" in late.json()["detail"]
    assert put(api, owner, {}, if_match='"0"').status_code == 409
    assert api.get(POLICY, headers=owner).json()["policy"]["drift"]["min_clients"] == 5
    assert len(api.get(f"{POLICY}/versions", headers=owner).json()) == 2


@pytest.mark.parametrize("form", ["", '"', 'W/"1"', "one", '"1", "2"', "-1", "1" * 20, '"²"'])
def test_an_if_match_that_is_no_version_is_refused(
    api: TestClient, owner: dict[str, str], form: str
) -> None:
    headers = {**owner, "If-Match": form.encode()}
    answer = api.put(POLICY, json={}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "header.if-match"


@pytest.mark.parametrize("why", ["", "x" * 501, "a\x00b"])
def test_a_why_that_cannot_be_kept_is_refused(
    api: TestClient, owner: dict[str, str], why: str
) -> None:
    answer = put(api, owner, why=why)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "query.why")


def test_another_tenants_history_looks_like_none(
    api: TestClient, database: Database, settings: Settings, owner: dict[str, str]
) -> None:
    with database.session_scope() as session:
        body = FederationIn(name="trains", title="Trains")
        trains = service.create(session, body, "test")
        key = KeyIn(holder="Bob", role=Role.OWNER)
        _, text = service.issue_key(session, trains, key, "test", settings.secret_key)
    put(api, owner)
    bob = {"Authorization": f"Bearer {text}"}
    for path in ("", "/versions", "/versions/2"):
        assert api.get(POLICY + path, headers=bob).status_code == 404
    assert put(api, bob).status_code == 404
    assert api.post(f"{POLICY}/check", json={}, headers=bob).status_code == 404
    theirs = "/v1/federations/trains/policy/versions"
    assert [row["version"] for row in api.get(theirs, headers=bob).json()] == [1]
    assert api.get(f"{theirs}/2", headers=bob).status_code == 404


@pytest.mark.parametrize("path", [POLICY, f"{POLICY}/check"])
def test_what_is_wrong_is_refused_with_the_field_named(
    api: TestClient, owner: dict[str, str], path: str
) -> None:
    subjects = {
        "log_loss": {"detectors": {"adwin": {"detla": 0.1}}},
        "latency": {},
        "feature:hour": {"unit": "h"},
    }
    method = "PUT" if path == POLICY else "POST"
    answer = api.request(method, path, json={"drift": {"subjects": subjects}}, headers=owner)
    assert answer.status_code == 422
    told = {error["field"]: error for error in answer.json()["errors"]}
    parameter = told["drift.subjects.log_loss.detectors.adwin.detla"]
    assert parameter["code"] == "unknown_parameter"
    assert "Known: delta, clock, min_window_length, grace_period." in parameter["message"]
    assert told["drift.subjects.latency"]["code"] == "unknown_subject"
    (unit,) = (error for error in told.values() if error["code"] == "wrong_unit")
    assert unit["message"] == "feature:hour: Its effects are in 'probability'."


@pytest.mark.parametrize("path", [POLICY, f"{POLICY}/check"])
def test_a_policy_over_the_cap_is_refused(
    api: TestClient, owner: dict[str, str], path: str
) -> None:
    entry = {"effect": 0.1234567890123, "severity": "critical", "season_rounds": 365}
    parameters = {"power": 0.8123456789012}
    tests = ("ks", "energy", "cramer-von-mises", "anderson-darling", "wasserstein", "chi-square")
    whole = {**entry, "detectors": dict.fromkeys(tests, parameters)}
    subjects = {f"feature:{'x' * 50}{at}": whole for at in range(1000)}
    method = "PUT" if path == POLICY else "POST"
    answer = api.request(method, path, json={"drift": {"subjects": subjects}}, headers=owner)
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:vigie:problem:policy_too_large"
    assert api.get(POLICY, headers=owner).json()["version"] == 1


def test_of_many_that_set_at_once_one_wins_each_version(
    api: TestClient, owner: dict[str, str]
) -> None:
    def attempt(clients: int) -> tuple[int, int]:
        answer = put(api, owner, {"drift": {"min_clients": clients}}, if_match='"1"')
        return answer.status_code, clients

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(10, 18)))
    (winner,) = (clients for status, clients in answers if status == 200)
    assert sorted(status for status, _ in answers) == [200] + [409] * 7
    assert api.get(POLICY, headers=owner).json()["policy"]["drift"]["min_clients"] == winner
    with ThreadPoolExecutor(8) as pool:
        set_ = [answer.json() for answer in pool.map(lambda _: put(api, owner), range(8))]
    assert sorted(answer["version"] for answer in set_) == list(range(3, 11))
    rows = api.get(f"{POLICY}/versions", headers=owner).json()
    assert [row["version"] for row in rows] == list(range(10, 0, -1))
