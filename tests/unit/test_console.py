"""The console: who may see which page, forms that only its own pages can send, nothing inline."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from app.audit.tables import AuditEntry
from app.console import cookies
from app.console.plots import Interval, Line, forest, line_chart, round_ticks
from app.core import clock
from app.core.database import Database
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn
from app.federations.tables import Federation
from app.incidents.tables import Incident
from app.registry import service as registry
from tests.unit.registry import lifecycle

HOSTILE = "<script>alert(1)</script>"
KeyOf = Callable[..., dict[str, str]]


@pytest.fixture
def sign_in(api: TestClient, key_of: KeyOf) -> Callable[..., TestClient]:
    """`sign_in(role, holder)`: the client, signed in as that person."""

    def sign(role: Role, holder: str = "") -> TestClient:
        key = key_of(role, holder)["Authorization"].removeprefix("Bearer ")
        api.cookies.clear()
        answer = api.post("/login", data={"key": key, "after": "/"}, follow_redirects=False)
        assert answer.status_code == 303
        return api

    return sign


@pytest.fixture
def incident(database: Database, federation: Federation) -> Incident:
    """An open incident with a hostile title."""
    at = clock.now()
    with database.session_scope() as session:
        round_ = lifecycle.stored_round(federation, 9, "evaluate", received_at=at)
        session.add(round_)
        session.flush()
        made = Incident(
            federation_id=federation.id,
            model=lifecycle.MODEL,
            version="1",
            cause="late-arrival/concept/federation/",
            family="concept",
            scope="federation",
            subject="log_loss",
            title=f"Drift {HOSTILE}",
            severity="critical",
            opened_round=round_.id,
            opened_step=9,
            onset_step=9,
            last_step=9,
            opened_at=at,
        )
        session.add(made)
        return made


@pytest.fixture
def promotion(database: Database, federation: Federation) -> UUID:
    """A submitted promotion of version 2, with canary rounds behind it."""
    lifecycle.register_two(database, federation)
    with database.session_scope() as session:
        lifecycle.store_canary_rounds(session, federation, steps=3, gain=0.05)
        submitted = lifecycle.submitted(session, federation)
    return submitted.id


def form_token(page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def actions(database: Database) -> list[tuple[str, str]]:
    with database.read_scope() as session:
        return list(session.exec(select(AuditEntry.actor, AuditEntry.action)).all())


PAGES = ["/", "/f/flights", "/f/flights/incidents/{incident}", "/f/flights/promotions/{promotion}"]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("page", PAGES)
def test_every_page_answers_every_role_with_nothing_inline(
    sign_in: Callable[..., TestClient], incident: Incident, promotion: UUID, role: Role, page: str
) -> None:
    answer = sign_in(role).get(page.format(incident=incident.id, promotion=promotion))
    assert answer.status_code == 200, answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert HOSTILE not in answer.text
    inline = r"<script(?! src=\"/static/[0-9a-f]{12}/times\.js\" defer></script>)"
    assert not re.search(inline + r"|<style|\sstyle=|\son\w+=|https?://", answer.text)


@pytest.mark.parametrize("page", ["/", "/f/flights", "/f/flights/rounds/" + "0" * 32])
def test_who_is_not_signed_in_is_sent_to_sign_in(api: TestClient, page: str) -> None:
    answer = api.get(page, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/login?after={page}"


def test_another_tenants_pages_do_not_exist(
    sign_in: Callable[..., TestClient], database: Database, incident: Incident
) -> None:
    with database.session_scope() as session:
        federations.create(session, FederationIn(name="other", title="Other"), "test")
    client = sign_in(Role.OWNER)
    assert client.get("/f/other").status_code == 404
    assert client.get(f"/f/other/incidents/{incident.id}").status_code == 404
    assert "Other" not in client.get("/").text


def test_a_wrong_key_opens_nothing_and_guessing_is_slowed_down(api: TestClient) -> None:
    wrong = {"key": "vg_000000000000_guess", "after": "/"}
    answers = [api.post("/login", data=wrong).status_code for _ in range(22)]
    assert answers == [401] * 20 + [429] * 2
    assert cookies.SESSION not in api.cookies


def test_signing_in_never_leads_to_another_host(api: TestClient, key_of: KeyOf) -> None:
    key = key_of(Role.VIEWER)["Authorization"].removeprefix("Bearer ")
    for after, location in (("//evil.example", "/evil.example"), ("/f/flights", "/f/flights")):
        answer = api.post("/login", data={"key": key, "after": after}, follow_redirects=False)
        assert answer.headers["location"] == location
    absolute = {"key": key, "after": "https://evil.example"}
    assert api.post("/login", data=absolute, follow_redirects=False).status_code == 422


def test_a_revoked_key_ends_its_session(
    sign_in: Callable[..., TestClient], database: Database, federation: Federation
) -> None:
    client = sign_in(Role.OWNER)
    assert client.get("/").status_code == 200
    with database.session_scope() as session:
        (key,) = federations.keys_of(session, federation)
        federations.revoke_key(session, federation, key.id, "test")
    assert client.get("/", follow_redirects=False).status_code == 303


def test_the_cookie_is_out_of_reach_of_scripts(api: TestClient, key_of: KeyOf) -> None:
    key = key_of(Role.VIEWER)["Authorization"].removeprefix("Bearer ")
    answer = api.post("/login", data={"key": key, "after": "/"}, follow_redirects=False)
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=lax" in answer.headers["set-cookie"]


def test_a_form_from_elsewhere_changes_nothing(
    sign_in: Callable[..., TestClient], database: Database, incident: Incident
) -> None:
    client = sign_in(Role.ON_CALL, "Otto")
    path = f"/f/flights/incidents/{incident.id}/acknowledge"
    for data in ({}, {"form_token": "guess"}, {"form_token": "é"}):
        assert client.post(path, data=data).status_code in {403, 422}
    assert ("Otto", "incident.acknowledge") not in actions(database)


def test_on_call_acknowledges_silences_and_resolves(
    sign_in: Callable[..., TestClient], database: Database, incident: Incident
) -> None:
    client = sign_in(Role.ON_CALL, "Otto")
    path = f"/f/flights/incidents/{incident.id}"
    token = {"form_token": form_token(client.get(path).text)}
    assert client.post(f"{path}/acknowledge", data=token).status_code == 200
    silence = token | {"hours": "12", "why": "known"}
    assert client.post(f"{path}/silence", data=silence).status_code == 200
    done = token | {"resolution": "data_fault", "why": HOSTILE}
    page = client.post(f"{path}/resolve", data=done)
    assert page.status_code == 200
    assert "data fault" in page.text
    assert {
        ("Otto", "incident.acknowledge"),
        ("Otto", "silence.create"),
        ("Otto", "incident.resolve"),
    } <= set(actions(database))


def test_an_owner_accepts_the_new_normal_and_is_told_what_is_missing(
    sign_in: Callable[..., TestClient], incident: Incident
) -> None:
    path = f"/f/flights/incidents/{incident.id}"
    assert f'action="{path}/accept"' not in sign_in(Role.ON_CALL).get(path).text
    owner = sign_in(Role.OWNER, "Ada")
    page = owner.get(path).text
    assert f'action="{path}/accept"' in page
    early = owner.post(
        f"{path}/accept", data={"form_token": form_token(page), "why": "a new schedule"}
    )
    assert early.status_code == 409
    assert "a reference needs 8" in early.text


def test_a_reason_of_blanks_is_none(sign_in: Callable[..., TestClient], incident: Incident) -> None:
    client = sign_in(Role.ON_CALL)
    path = f"/f/flights/incidents/{incident.id}"
    blank = {
        "form_token": form_token(client.get(path).text),
        "resolution": "data_fault",
        "why": " ",
    }
    assert client.post(f"{path}/resolve", data=blank).status_code == 422


def test_a_viewer_has_no_forms_and_may_send_none(
    sign_in: Callable[..., TestClient], incident: Incident
) -> None:
    client = sign_in(Role.VIEWER)
    path = f"/f/flights/incidents/{incident.id}"
    page = client.get(path).text
    assert "/acknowledge" not in page
    refused = client.post(f"{path}/acknowledge", data={"form_token": form_token(page)})
    assert refused.status_code == 403


def test_a_validator_approves_with_a_reason(
    sign_in: Callable[..., TestClient], database: Database, federation: Federation, promotion: UUID
) -> None:
    client = sign_in(Role.VALIDATOR, lifecycle.VALIDATOR)
    path = f"/f/flights/promotions/{promotion}"
    page = client.get(path)
    assert "Your decision" in page.text
    assert "Promote" in page.text
    seen = re.search(r'name="evidence_sha256" value="([0-9a-f]{64})"', page.text)
    assert seen is not None
    decided = {
        "form_token": form_token(page.text),
        "reason": "better everywhere",
        "evidence_sha256": seen.group(1),
    }
    assert "better everywhere" in client.post(f"{path}/approve", data=decided).text
    with database.read_scope() as session:
        found = registry.get_promotion(session, federation.id, promotion)
    assert (found.state, found.decided_by) == ("approved", lifecycle.VALIDATOR)


def test_the_submitter_cannot_decide_and_is_told_why(
    sign_in: Callable[..., TestClient], promotion: UUID
) -> None:
    client = sign_in(Role.VALIDATOR, lifecycle.OWNER)
    path = f"/f/flights/promotions/{promotion}"
    page = client.get(path).text
    assert "somebody else decides" in page
    forced = {"form_token": form_token(page), "reason": "mine", "evidence_sha256": "0" * 64}
    assert client.post(f"{path}/approve", data=forced).status_code == 403


def test_static_files_are_immutable_and_nothing_else_is_served(api: TestClient) -> None:
    page = api.get("/login").text
    for path in re.findall(r'href="(/static/[^"]+)"', page):
        answer = api.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert api.get("/static/000000000000/console.css").status_code == 404
    assert api.get("/static/x/..%2frouter.py").status_code == 404


def test_plots_hold_for_little_data_and_escape_their_texts() -> None:
    assert line_chart(Line("t", "u", [], 0.1)) == ""
    for points in ([(1, 0.0)], [(1, 2.0), (2, 2.0)]):
        drawn = line_chart(Line(HOSTILE, HOSTILE, points, 0.05))
        assert "nan" not in drawn
        assert "<script" not in drawn
    assert forest("t", "u", []) == ""
    assert "<script" not in forest("t", "u", [Interval(HOSTILE, 0.0, -1.0, 1.0)])


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.12, 0.43), (8.0, 53.8), (0.0, 1e-6)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    ticks = round_ticks(low, high, 5)
    assert 2 <= len(ticks) <= 11
    assert all(low <= tick <= high for tick in ticks)
