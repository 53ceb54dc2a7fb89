"""Accounts, links and roles over HTTP and on the command line."""

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app import cli as command
from app.audit.service import Actor
from app.core import settings as settings_module
from app.federations import service as federations
from app.federations.roles import Role
from app.people import roles, service
from app.people.errors import OwnRoleError
from tests.unit.people.conftest import OTHER, PASSWORD, Clock, Place


@pytest.fixture
def admin(place: Place) -> TestClient:
    """The API as the installation's admin calls it."""
    with place.database.session_scope() as session:
        key = federations.bootstrap_admin(session, place.settings.secret_key)
    return TestClient(place.app, headers={"Authorization": f"Bearer {key}"})


GRACE = {"login": "grace", "name": "Grace Hopper"}


def invite(admin: TestClient) -> str:
    made = admin.post("/v1/people", json=GRACE)
    assert made.status_code == 201, made.text
    return str(made.json()["link"]["url"]).removeprefix("http://127.0.0.1:8000")


def set_password(place: Place, path: str, password: str = PASSWORD) -> int:
    return place.browser().post(path, data={"password": password, "again": password}).status_code


def test_an_invited_person_sets_a_password_once_and_signs_in(
    place: Place, admin: TestClient
) -> None:
    path = invite(admin)
    assert "grace" in place.browser().get(path).text
    assert place.enter(place.browser(), "grace").status_code == 401
    assert admin.put("/v1/federations/flights/people/grace", json={"role": "owner"}).is_success
    assert set_password(place, path, "short") == 422
    assert set_password(place, path) == 303
    assert set_password(place, path, OTHER) == 410
    assert place.browser().get(path).status_code == 410
    assert place.enter(place.browser(), "grace").status_code == 303


def test_a_link_ends_after_three_days_or_with_the_next(
    place: Place, admin: TestClient, time: Clock
) -> None:
    first = invite(admin)
    second = admin.post("/v1/people/grace/password-link").json()["url"][
        len("http://127.0.0.1:8000") :
    ]
    assert place.browser().get(first).status_code == 410
    time.forward(hours=71)
    assert place.browser().get(second).status_code == 200
    time.forward(hours=2)
    assert set_password(place, second) == 410


def test_a_reset_ends_what_was_open(place: Place, admin: TestClient, grace: TestClient) -> None:
    url = admin.post("/v1/people/grace/password-link").json()["url"]
    assert grace.get("/").status_code == 200
    assert set_password(place, url.removeprefix("http://127.0.0.1:8000"), OTHER) == 303
    assert grace.get("/").status_code == 303


def test_no_link_and_no_password_is_in_the_audit_log(place: Place, admin: TestClient) -> None:
    path = invite(admin)
    set_password(place, path)
    with place.database.read_scope() as session:
        kept = str(session.connection().exec_driver_sql("SELECT * FROM audit_log").all())
        people = str(session.connection().exec_driver_sql("SELECT * FROM people").all())
    for secret in (path.rsplit("/", 1)[1], PASSWORD):
        assert secret not in kept
        assert secret not in people


def test_a_login_is_taken_once(admin: TestClient) -> None:
    invite(admin)
    again = admin.post("/v1/people", json=GRACE)
    assert again.status_code == 409
    assert again.json()["type"] == "urn:vigie:problem:login_taken"


@pytest.mark.parametrize("login", ["Grace", "gra ce", "", "é", "x" * 101, "gr\u0000ace"])
def test_a_login_is_lower_case_and_plain(admin: TestClient, login: str) -> None:
    assert admin.post("/v1/people", json=GRACE | {"login": login}).status_code == 422


def test_giving_a_role_does_not_tell_who_has_an_account(place: Place, admin: TestClient) -> None:
    place.person("grace", None)
    known, unknown = (
        admin.put(f"/v1/federations/flights/people/{login}", json={"role": "viewer"})
        for login in ("grace", "ghost")
    )
    assert known.status_code == unknown.status_code == 200
    forget = {"login", "given_at"}
    assert {k: v for k, v in known.json().items() if k not in forget} == {
        k: v for k, v in unknown.json().items() if k not in forget
    }


def test_roles_are_listed_replaced_and_taken_away(place: Place, admin: TestClient) -> None:
    path = "/v1/federations/flights/people"
    for role in ("viewer", "owner"):
        admin.put(f"{path}/grace", json={"role": role})
    assert [(row["login"], row["role"]) for row in admin.get(path).json()] == [("grace", "owner")]
    assert admin.delete(f"{path}/grace").status_code == 204
    assert admin.delete(f"{path}/grace").status_code == 404
    assert admin.get(path).json() == []
    assert [entry.before for entry in place.audited("role.take")] == [
        {"role": "owner", "source": "hand"}
    ]


def test_a_role_in_all_federations_is_given_by_the_installations_admin(
    place: Place, admin: TestClient
) -> None:
    place.person("aud", None)
    assert admin.put("/v1/roles/aud", json={"role": "auditor"}).is_success
    assert [row["login"] for row in admin.get("/v1/roles").json()] == ["aud"]
    assert "<small>auditor</small>" in place.signed_in("aud").get("/f/flights").text
    assert admin.delete("/v1/roles/aud").status_code == 204
    assert place.enter(place.browser(), "aud").status_code == 403


def test_nobody_changes_what_they_may_do_themselves(place: Place) -> None:
    place.person("ann", Role.ADMIN)
    with place.database.read_scope() as session:
        ann = service.named(session, "ann")
    actor = Actor("Ann", f"person:{ann.id}")
    for act in (
        lambda session: roles.give(session, "ann", place.federation.id, Role.VALIDATOR, actor),
        lambda session: roles.take(session, "ann", place.federation.id, actor),
        lambda session: service.disable(session, "ann", actor),
    ):
        with pytest.raises(OwnRoleError), place.database.session_scope() as session:
            act(session)


def test_disabling_and_enabling_over_http(place: Place, admin: TestClient) -> None:
    place.person("grace")
    assert admin.post("/v1/people/grace/disable").json()["disabled_at"] is not None
    assert place.enter(place.browser(), "grace").status_code == 401
    assert admin.post("/v1/people/grace/enable").json()["disabled_at"] is None
    browser = place.signed_in("grace")
    assert admin.post("/v1/people/grace/sign-out").status_code == 204
    assert browser.get("/").status_code == 303


def test_the_command_line_adds_a_person_with_a_role(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIE_DATA_DIR", str(place.settings.data_dir))
    monkeypatch.setenv("VIGIE_SECRET", "s" * 32)
    settings_module.settings.cache_clear()
    run = CliRunner()
    words = ["people", "add", "grace", "--name", "Grace", "--role", "owner", "--federation"]
    done = run.invoke(command.cli, [*words, "flights"])
    assert done.exit_code == 0, done.output
    assert set_password(place, done.stdout.strip().removeprefix("http://127.0.0.1:8000")) == 303
    assert place.enter(place.browser(), "grace").status_code == 303
    assert "owner in flights" in run.invoke(command.cli, ["people", "list"]).stdout
    for words in (["disable", "grace"], ["enable", "grace"], ["link", "grace"]):
        assert run.invoke(command.cli, ["people", *words]).exit_code == 0
    assert (
        run.invoke(command.cli, ["people", "take", "grace", "--federation", "flights"]).exit_code
        == 0
    )
    assert run.invoke(command.cli, ["people", "give", "grace", "auditor"]).exit_code == 0
    assert "auditor in all federations" in run.invoke(command.cli, ["people", "list"]).stdout
    assert run.invoke(command.cli, ["people", "link", "ghost"]).exit_code == 2
    settings_module.settings.cache_clear()
