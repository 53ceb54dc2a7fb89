"""Signing in with a name and password: who comes in, who waits, and what is told."""

import pytest
from fastapi.testclient import TestClient

from app.federations.roles import Role
from app.people import lockout, roles, service
from tests.unit.people.conftest import OTHER, PASSWORD, Clock, Place, post


def test_a_person_signs_in_and_decisions_carry_name_and_id(place: Place) -> None:
    place.person("olu", Role.ON_CALL, name="Olu Ade")
    browser = place.signed_in("olu")
    home = browser.get("/f/flights")
    assert home.status_code == 200
    assert "Olu Ade" in home.text
    (started,) = place.audited("session.start")
    with place.database.read_scope() as session:
        person = service.named(session, "olu")
    assert (started.actor, started.actor_id) == ("Olu Ade", f"person:{person.id}")


def test_the_name_is_taken_in_any_case_and_with_blanks(place: Place) -> None:
    place.person("grace")
    assert place.enter(place.browser(), " GRACE ").status_code == 303


def test_a_wrong_password_and_nobodys_look_alike(place: Place) -> None:
    place.person("grace")
    wrong, nobody = (place.enter(place.browser(), login, OTHER) for login in ("grace", "nobody"))
    assert wrong.status_code == nobody.status_code == 401
    assert wrong.text == nobody.text
    assert "set-cookie" not in wrong.headers


def test_after_five_failures_even_the_right_password_waits(place: Place, time: Clock) -> None:
    place.person("grace")
    browser = place.browser()
    answers = [place.enter(browser, "grace", OTHER).status_code for _ in range(6)]
    assert answers == [401] * 5 + [429]
    blocked = place.enter(browser, "grace")
    assert blocked.status_code == 429
    assert "30 seconds" in blocked.text
    time.forward(seconds=31)
    assert place.enter(browser, "grace").status_code == 303
    (entry,) = place.audited("sign_in.block_login")
    assert "grace" not in entry.entity


def test_each_failure_past_the_limit_doubles_the_wait_to_a_quarter_of_an_hour(
    place: Place, time: Clock
) -> None:
    waits = []
    for _ in range(12):
        answer = place.enter(place.browser(), "grace", OTHER)
        while answer.status_code == 429:
            waits.append(int(answer.text.split("Wait ")[1].split()[0]))
            time.forward(seconds=waits[-1])
            answer = place.enter(place.browser(), "grace", OTHER)
    assert waits == [30, 60, 120, 240, 480, 900, 900]


def test_an_unknown_name_is_blocked_like_a_known_one(place: Place, time: Clock) -> None:
    place.person("grace")
    for login in ("grace", "nobody"):
        answers = [place.enter(place.browser(), login, OTHER) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]


def test_an_address_that_tries_many_names_waits(place: Place, time: Clock) -> None:
    place.person("grace")
    browser = place.browser()
    answers = [place.enter(browser, f"name{n}", OTHER).status_code for n in range(21)]
    assert answers == [401] * 20 + [429]
    assert place.enter(browser, "grace").status_code == 429
    assert len(place.audited("sign_in.block_address")) == 1


def test_success_gives_the_address_no_more_guesses_than_it_had(place: Place, time: Clock) -> None:
    place.person("grace")
    browser = place.browser()
    for n in range(20):
        place.enter(browser, f"name{n}", OTHER)
    time.forward(minutes=2)
    assert place.enter(browser, "grace").status_code == 303
    assert place.enter(browser, "other", OTHER).status_code == 429


def test_failures_are_forgotten_after_a_day(place: Place, time: Clock) -> None:
    for _ in range(4):
        place.enter(place.browser(), "grace", OTHER)
    time.forward(hours=25)
    answers = [place.enter(place.browser(), "grace", OTHER).status_code for _ in range(6)]
    assert answers == [401] * 5 + [429]


def test_an_admin_lets_somebody_try_again(place: Place, time: Clock) -> None:
    place.person("grace")
    for _ in range(6):
        place.enter(place.browser(), "grace", OTHER)
    with place.database.session_scope() as session:
        service.enable(session, "grace", "test", place.settings.secret_key)
    assert place.enter(place.browser(), "grace").status_code == 303


def test_who_has_no_role_is_told_so_and_not_let_in(place: Place) -> None:
    place.person("grace", None)
    answer = place.enter(place.browser(), "grace")
    assert answer.status_code == 403
    assert "no role in any federation" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_disabled_account_is_none_and_its_sessions_end(place: Place, grace: TestClient) -> None:
    with place.database.session_scope() as session:
        service.disable(session, "grace", "test")
    assert grace.get("/").status_code == 303
    assert place.enter(place.browser(), "grace").status_code == 401


def test_a_person_has_another_role_in_each_federation(place: Place) -> None:
    from app.federations import service as federations
    from app.federations.schemas import FederationIn

    place.person("grace", Role.ADMIN)
    with place.database.session_scope() as session:
        for name in ("trains", "ships"):
            made = federations.create(session, FederationIn(name=name, title=name), "test")
            if name == "trains":
                roles.give(session, "grace", made.id, Role.VIEWER, "test")
    browser = place.signed_in("grace")
    overview = browser.get("/").text
    assert 'href="/f/flights"' in overview
    assert 'href="/f/trains"' in overview
    assert "/f/ships" not in overview
    assert "<small>admin</small>" in browser.get("/f/flights").text
    assert "<small>viewer</small>" in browser.get("/f/trains").text
    ships, none = browser.get("/f/ships"), browser.get("/f/boats")
    assert ships.status_code == none.status_code == 404
    assert ships.text.replace("ships", "boats") == none.text


def test_a_role_in_all_federations_gives_way_to_one_in_a_federation(place: Place) -> None:
    place.person("grace", Role.VIEWER)
    with place.database.session_scope() as session:
        roles.give(session, "grace", None, Role.ADMIN, "test")
    assert "<small>viewer</small>" in place.signed_in("grace").get("/f/flights").text


def test_a_form_that_another_site_sent_is_refused(place: Place, grace: TestClient) -> None:
    body = {"login": "grace", "password": PASSWORD, "after": "/"}
    for headers, status in (
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://vigie.example"}, 303),
        ({"Origin": "http://testserver"}, 303),
        ({"Origin": "http://127.0.0.1:8000"}, 303),
    ):
        answer = place.browser().post("/login", data=body, headers=headers)
        assert answer.status_code == status, headers
    assert post(grace, "/account/sign-out-everywhere").status_code == 303


def test_what_is_counted_names_nobody(place: Place) -> None:
    place.enter(place.browser(), "grace", OTHER)
    with place.database.read_scope() as session:
        kept = str(session.connection().exec_driver_sql("SELECT * FROM sign_in_failures").all())
    assert "grace" not in kept
    assert "testclient" not in kept
    assert {*lockout.FREE} == {"login", "address"}


@pytest.mark.parametrize("login", ["\x00", "'; DROP TABLE people; --", "é" * 90, "x" * 200])
def test_odd_names_are_wrong_names(place: Place, login: str) -> None:
    assert place.enter(place.browser(), login).status_code == 401
