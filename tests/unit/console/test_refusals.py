"""What is refused is refused whole: nothing of it is stored, and people can read why."""

from collections.abc import Callable
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session, func, select

from app.audit.tables import AuditEntry
from app.core.database import Database
from app.federations.roles import ALLOWED, Permission, Role
from app.incidents.tables import Incident
from app.registry.tables import Model, Promotion
from tests.unit.console.conftest import SignIn, form_token
from tests.unit.console.world import MODEL, World

P = Permission
FORMS: dict[str, tuple[str, Permission, dict[str, str]]] = {
    "acknowledge": ("incident", P.HANDLE_INCIDENTS, {}),
    "silence": ("incident", P.HANDLE_INCIDENTS, {"hours": "12", "why": "known"}),
    "resolve": ("incident", P.HANDLE_INCIDENTS, {"resolution": "data_fault", "why": "a fault"}),
    "retrain": ("federation", P.REQUEST_RETRAINING, {"model": MODEL, "why": "summer"}),
    "approve": ("promotion", P.DECIDE_PROMOTIONS, {"reason": "better"}),
    "reject": ("promotion", P.DECIDE_PROMOTIONS, {"reason": "worse at EWR"}),
}


def recorded(database: Database) -> int:
    with database.read_scope() as session:
        return session.exec(select(func.count()).select_from(AuditEntry)).one()


def post(browser: TestClient, world: World, form: str, **more: str) -> int:
    page, _, fields = FORMS[form]
    if form == "approve":
        more = {"evidence_sha256": world.evidence_sha256, **more}
    return browser.post(f"{world.pages[page]}/{form}", data=fields | more).status_code


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("role", list(Role))
def test_a_form_does_what_the_role_may(
    sign_in: SignIn, world: World, database: Database, role: Role, form: str
) -> None:
    browser, before = sign_in(role), recorded(database)
    status = post(browser, world, form, form_token=form_token(browser))
    allowed = FORMS[form][1] in ALLOWED[role]
    # The policy asked for retraining already, and one request is open at a time.
    refused_later = form == "retrain"
    assert status == (409 if refused_later else 303) if allowed else status == 403
    assert (recorded(database) > before) == (allowed and not refused_later)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_another_session_or_none_changes_nothing(
    sign_in: SignIn, site: Callable[[], TestClient], world: World, database: Database, form: str
) -> None:
    role = Role.VALIDATOR if FORMS[form][0] == "promotion" else Role.ON_CALL
    browser, others = sign_in(role), form_token(sign_in(Role.OWNER))
    before = recorded(database)
    assert post(browser, world, form) == 403
    assert post(browser, world, form, form_token="") == 403
    assert post(browser, world, form, form_token=others) == 403
    nobody = site()
    assert post(nobody, world, form, form_token=others) == 303, "sent to sign in"
    assert recorded(database) == before


@pytest.mark.parametrize("form", FORMS)
def test_a_stranger_changes_nothing(
    sign_in: SignIn, world: World, database: Database, form: str
) -> None:
    stranger, before = sign_in(key=world.stranger), recorded(database)
    assert post(stranger, world, form, form_token=form_token(stranger)) in {403, 404}
    assert recorded(database) == before


@pytest.mark.parametrize("form", ["approve", "reject", "resolve", "silence", "retrain"])
@pytest.mark.parametrize("reason", ["", " \n", "x" * 1001, "nul\x00"])
def test_a_reason_is_asked_for(
    sign_in: SignIn, world: World, database: Database, form: str, reason: str
) -> None:
    browser = sign_in(Role.VALIDATOR if FORMS[form][0] == "promotion" else Role.ON_CALL)
    name, before = "reason" if "reason" in FORMS[form][2] else "why", recorded(database)
    assert post(browser, world, form, form_token=form_token(browser), **{name: reason}) == 422
    assert recorded(database) == before


def test_a_refused_approval_leaves_nothing_behind(
    sign_in: SignIn, world: World, database: Database
) -> None:
    """The service had moved the promotion on before it found that the champion is another."""
    _change_champion(database, world, "2")
    grace = sign_in(Role.VALIDATOR)
    form = {"form_token": form_token(grace), "reason": "better", "evidence_sha256": "0" * 64}
    answer = grace.post(f"{world.pages['promotion']}/approve", data=form)
    assert answer.status_code == 409
    assert "stands on version 1 being champion" in answer.text
    with database.read_scope() as session:
        promotion = _promotion(session, world)
        assert (promotion.state, promotion.decided_by) == ("awaiting_review", None)


def test_a_second_acknowledgement_is_told_of_the_first(
    sign_in: SignIn, world: World, database: Database
) -> None:
    browser = sign_in(Role.ON_CALL)
    token = form_token(browser)
    assert post(browser, world, "acknowledge", form_token=token) == 303
    assert post(sign_in(Role.OWNER), world, "acknowledge", form_token=token) == 403
    assert post(browser, world, "acknowledge", form_token=token) == 409
    with database.read_scope() as session:
        incident = session.get(Incident, world.incident_id)
    assert incident is not None
    assert (incident.state, incident.acknowledged_by) == ("acknowledged", "Olu")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/f/nowhere", 404),
        (f"/f/flights/incidents/{UUID(int=1)}", 404),
        ("/f/flights/rounds/no-uuid", 404),
        ("/f/flights/nothing/here", 404),
        ("/f/nul%00/incidents/nul%00", 404),
        ("/f/FLIGHTS", 404),
        ("/logout", 405),
    ],
)
def test_a_refusal_is_a_page(sign_in: SignIn, path: str, status: int) -> None:
    answer = sign_in(Role.VIEWER).get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    assert "To the overview" in answer.text


def test_the_api_still_answers_with_problem_details(sign_in: SignIn, world: World) -> None:
    headers = {"Authorization": f"Bearer {world.keys[Role.VIEWER]}"}
    answer = sign_in(Role.VIEWER).get("/v1/federations/nowhere/incidents", headers=headers)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_rejected_draft_has_a_page_without_evidence(
    sign_in: SignIn, world: World, database: Database
) -> None:
    """Its candidate may be champion by now, so there is nothing to compare."""
    with database.session_scope() as session:
        promotion = _promotion(session, world)
        promotion.state, promotion.evidence, promotion.evidence_sha256 = "rejected", {}, None
        promotion.decided_by, promotion.reason = "Grace", "a draft in the way"
        session.add(promotion)
    _change_champion(database, world, "2")
    answer = sign_in(Role.VIEWER).get(world.pages["promotion"])
    assert answer.status_code == 200
    assert "Nothing was frozen" in answer.text
    assert "a draft in the way" in answer.text


def test_a_name_in_other_letters_is_the_same_person(
    sign_in: SignIn, world: World, database: Database
) -> None:
    with database.session_scope() as session:
        promotion = _promotion(session, world)
        promotion.submitted_by = "GRACE"
        session.add(promotion)
    assert "somebody else decides" in sign_in(Role.VALIDATOR).get(world.pages["promotion"]).text


def _change_champion(database: Database, world: World, version: str) -> None:
    with database.session_scope() as session:
        model = session.get(Model, _promotion(session, world).model_id)
        assert model is not None
        model.champion = version
        session.add(model)


def _promotion(session: Session, world: World) -> Promotion:
    found = session.get(Promotion, world.promotion_id)
    assert found is not None
    return found
