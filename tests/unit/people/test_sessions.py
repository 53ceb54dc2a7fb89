"""Sessions end when they should, and nobody finds one in the database."""

import re

from fastapi.testclient import TestClient
from sqlmodel import select

from app.console import cookies
from app.people import service
from app.people.tables import SignIn
from tests.unit.people.conftest import OTHER, PASSWORD, Clock, Place, post


def test_the_token_is_in_no_column(place: Place, grace: TestClient) -> None:
    token = grace.cookies[cookies.SESSION]
    assert len(token) == 43
    with place.database.read_scope() as session:
        (row,) = session.exec(select(SignIn)).all()
    assert token not in str(row.model_dump())
    assert not re.search(token, str(place.audited("session.start")[0].model_dump()))


def test_a_session_that_is_not_used_ends(place: Place, time: Clock) -> None:
    place.person("grace")
    browser = place.signed_in("grace")
    for _ in range(4):
        time.forward(minutes=50)
        assert browser.get("/").status_code == 200
    time.forward(minutes=61)
    assert browser.get("/").status_code == 303


def test_a_session_ends_after_half_a_day_however_much_it_is_used(place: Place, time: Clock) -> None:
    place.person("grace")
    browser = place.signed_in("grace")
    answers = []
    for _ in range(25):
        time.forward(minutes=30)
        answers.append(browser.get("/").status_code)
    assert answers == [200] * 23 + [303] * 2


def test_signing_in_again_gives_another_token_and_ends_the_old_one(
    place: Place, grace: TestClient
) -> None:
    old = grace.cookies[cookies.SESSION]
    assert place.enter(grace, "grace").status_code == 303
    assert grace.cookies[cookies.SESSION] != old
    assert _opens(place, grace.cookies[cookies.SESSION])
    assert not _opens(place, old)


def test_a_token_that_was_planted_is_not_taken_on(place: Place) -> None:
    place.person("grace")
    browser = place.browser()
    browser.cookies.set(cookies.SESSION, "planted" * 6)
    place.enter(browser, "grace")
    assert not _opens(place, "planted" * 6)


def test_signing_out_ends_it_here_too(place: Place, grace: TestClient) -> None:
    token = grace.cookies[cookies.SESSION]
    assert post(grace, "/logout").status_code == 303
    assert not _opens(place, token)


def test_signing_out_everywhere_ends_all(place: Place, grace: TestClient) -> None:
    other = place.signed_in("grace")
    assert post(grace, "/account/sign-out-everywhere").status_code == 303
    assert [browser.get("/").status_code for browser in (grace, other)] == [303, 303]
    assert place.audited("session.end_all")[0].after == {"sessions": 2}


def test_one_ends_one_of_ones_sessions_and_no_other_persons(
    place: Place, grace: TestClient
) -> None:
    place.person("ada")
    ada, other = place.signed_in("ada"), place.signed_in("grace")
    with place.database.read_scope() as session:
        person = service.named(session, "grace")
        theirs = session.exec(select(SignIn).where(SignIn.person_id == person.id)).all()
    ids = [str(row.id) for row in sorted(theirs, key=lambda row: row.started_at)]
    assert post(ada, f"/account/sessions/{ids[1]}/end").status_code == 404
    assert post(grace, f"/account/sessions/{ids[1]}/end").status_code == 303
    assert [browser.get("/").status_code for browser in (grace, other)] == [200, 303]


def test_a_new_password_ends_every_session_but_this_browsers(
    place: Place, grace: TestClient
) -> None:
    other, old = place.signed_in("grace"), grace.cookies[cookies.SESSION]
    done = post(grace, "/account/password", old=PASSWORD, password=OTHER, again=OTHER)
    assert done.status_code == 303, done.text
    assert grace.get("/").status_code == 200
    assert other.get("/").status_code == 303
    assert not _opens(place, old)
    assert place.enter(place.browser(), "grace", PASSWORD).status_code == 401
    assert place.enter(place.browser(), "grace", OTHER).status_code == 303


def test_a_password_is_not_changed_without_the_old_one_or_for_a_weak_one(
    place: Place, grace: TestClient
) -> None:
    for data, said in (
        ({"old": OTHER, "password": OTHER, "again": OTHER}, "open nothing"),
        ({"old": PASSWORD, "password": "123456789012345", "again": "123456789012345"}, "guessed"),
        ({"old": PASSWORD, "password": OTHER, "again": PASSWORD}, "twice"),
    ):
        answer = post(grace, "/account/password", **data)
        assert answer.status_code in {401, 422}
        assert said in answer.text
    assert len(place.audited("person.set_password")) == 1


def test_guessing_the_old_password_is_slowed_down_too(place: Place, grace: TestClient) -> None:
    data = {"old": OTHER, "password": OTHER, "again": OTHER}
    answers = [post(grace, "/account/password", **data).status_code for _ in range(6)]
    assert answers == [401] * 5 + [429]


def _opens(place: Place, token: str) -> bool:
    browser = place.browser()
    browser.cookies.set(cookies.SESSION, token)
    return browser.get("/").status_code == 200
