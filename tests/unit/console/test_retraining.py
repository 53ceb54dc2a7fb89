"""The console's side of retraining: what is proposed, what came of it, and who may say what."""

from collections.abc import Callable
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session, select

from app.core import clock
from app.core.database import Database
from app.federations.roles import Role
from app.incidents.tables import Incident
from app.retraining.tables import RetrainingDecision, RetrainingOutcome, RetrainRequest
from tests.unit.console.conftest import SignIn, form_token
from tests.unit.console.world import FEDERATION, MODEL, World

HERE = f"/f/{FEDERATION}"
WHY = "It costs 9 client-hours; above 1 client-hours a person has to say yes."


def incident_of(session: Session, world: World) -> Incident:
    return session.get_one(Incident, world.incident_id)


@pytest.fixture
def proposed(database: Database, world: World) -> UUID:
    """A request of the incident that waits for a yes, and proposes a rollback."""
    at = clock.now()
    with database.session_scope() as session:
        incident = incident_of(session, world)
        for other in session.exec(select(RetrainRequest)):
            if other.ended_at is None:
                other.state, other.ended_at = "cancelled", at
        session.flush()
        made = RetrainRequest(
            federation_id=incident.federation_id, model=MODEL, base_version="1",
            incident_id=incident.id, state="proposed", reason=incident.title,
            benefit={"sentence": "Saves about <b>820</b> errors."},
            proposal={"why": WHY, "roll_back_to": "2"}, requested_by="policy",
            requested_step=13, created_at=at, expires_at=at,
        )  # fmt: skip
        session.add(made)
        session.flush()
        session.add(
            RetrainingDecision(
                federation_id=incident.federation_id,
                model=MODEL,
                incident_id=incident.id,
                request_id=made.id,
                step=13,
                answer="awaits_approval",
                why=WHY,
                at=at,
            )
        )
        return made.id


def test_an_incident_shows_the_decision_and_the_sum(
    sign_in: SignIn, world: World, proposed: UUID
) -> None:
    page = sign_in(Role.ON_CALL).get(world.pages["incident"]).text
    assert WHY in page
    assert "Saves about &lt;b&gt;820&lt;/b&gt; errors." in page
    assert "Approve the retraining" in page
    assert "Draft the rollback" not in page  # that is an owner's


@pytest.mark.parametrize(
    ("verb", "role", "state"),
    [("approve", Role.ON_CALL, "requested"), ("cancel", Role.OWNER, "cancelled")],
)
def test_a_person_says_yes_or_no(
    sign_in: SignIn, database: Database, proposed: UUID, verb: str, role: Role, state: str
) -> None:
    browser = sign_in(role)
    body = {"why": "seen", "form_token": form_token(browser)}
    answer = browser.post(f"{HERE}/retrain-requests/{proposed}/{verb}", data=body)
    assert answer.status_code == 303
    with database.read_scope() as session:
        assert session.get_one(RetrainRequest, proposed).state == state


def test_who_may_not_is_refused(sign_in: SignIn, proposed: UUID) -> None:
    browser = sign_in(Role.VIEWER)
    body = {"why": "seen", "form_token": form_token(browser)}
    for verb in ("approve", "cancel", "roll-back", "allow-again"):
        answer = browser.post(f"{HERE}/retrain-requests/{proposed}/{verb}", data=body)
        assert answer.status_code == 403, verb


def test_what_did_not_help_is_shown_until_somebody_allows_another_try(
    sign_in: Callable[..., TestClient], database: Database, world: World, proposed: UUID
) -> None:
    with database.session_scope() as session:
        incident = incident_of(session, world)
        session.add(
            RetrainingOutcome(
                request_id=proposed,
                federation_id=incident.federation_id,
                model=MODEL,
                incident_id=incident.id,
                base_version="1",
                result_version="2",
                answer="did_not_help",
                why="Retraining did not help.",
                at=clock.now(),
                measured={
                    "measure": "error_rate",
                    "error_before": 0.3,
                    "error_after": 0.31,
                    "error_if_not": 0.29,
                    "cohorts": [],
                },
            )
        )
    browser = sign_in(Role.OWNER)
    page = browser.get(world.pages["incident"]).text
    assert "Version 2 beside 1, error rate" in page
    assert "Let the policy ask again" in page
    body = {"why": "mended", "form_token": form_token(browser)}
    answer = browser.post(f"{HERE}/retrain-requests/{proposed}/allow-again", data=body)
    assert answer.status_code == 303
    assert "Ada lets the policy ask again" in browser.get(world.pages["incident"]).text
