"""The inventory: described by owners, reviewed by others, and told of when a review is overdue."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from app.audit.tables import AuditEntry
from app.core import clock
from app.core.database import Database
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.federations.roles import Role
from app.federations.tables import Federation
from app.incidents import governance
from app.incidents.loading import _telling
from app.incidents.tables import Announcement
from app.registry import service
from app.registry.criticality import QUESTIONS, Criticality
from tests.audited import actions
from tests.unit.registry.lifecycle import MODEL, register

KeyOf = Callable[..., dict[str, str]]
HOME = "/v1/federations/flights/inventory"
PAGE = f"{HOME}/models/{MODEL}"
START = datetime(2026, 1, 1, tzinfo=UTC)
MOST = {question.name: list(question.answers)[-1] for question in QUESTIONS}
BODY: dict[str, Any] = {
    "purpose": "Tells ground crews which flights will be late.",
    "data_used": "Departures and weather.",
    "owner": "Ada",
    "developer": "Lin",
    "validator": "Grace",
    "feeds": ["crew-plan"],
    "documentation": [{"title": "Validation", "url": "https://docs.example.org/v"}],
    "answers": MOST,
}


@pytest.fixture
def moved() -> Iterator[list[datetime]]:
    at = [START]
    with clock.using(lambda: at[0]):
        yield at


@pytest.fixture(autouse=True)
def model(moved: list[datetime], database: Database, federation: Federation) -> None:
    with database.session_scope() as session:
        register(session, federation, 1)
        service.ensure_model(session, federation.id, "crew-plan")


def reminders(database: Database) -> int:
    with database.session_scope() as session:
        service.remind(session)
    with database.read_scope() as session:
        rows = session.exec(select(OutboxRow)).all()
    return sum(row.task == "incidents.announce_review" for row in rows)


def test_an_owner_describes_a_model_and_its_class_follows(
    api: TestClient, key_of: KeyOf, database: Database, federation: Federation
) -> None:
    owner = key_of(Role.OWNER, "Ada")
    with database.read_scope() as session:
        assert service.criticality_of(session, federation.id, MODEL) is None
    assert api.put(PAGE, headers=key_of(Role.VALIDATOR), json=BODY).status_code == 403
    shown = api.put(PAGE, headers=owner, json=BODY).json()
    assert (shown["criticality"], shown["review_every_days"]) == ("critical", 91)
    assert (shown["materiality"], shown["risk"], shown["overdue"]) == (100.0, 100.0, False)
    assert shown["next_review_at"] == "2026-01-31T00:00:00Z"  # never reviewed: within a month
    with database.read_scope() as session:
        found = service.criticality_of(session, federation.id, MODEL)
        assert found is Criticality.CRITICAL
        entry = session.exec(
            select(AuditEntry).where(AuditEntry.action == "inventory.describe")
        ).one()
        assert entry.actor == "Ada"
    listed = {one["model"]: one for one in api.get(HOME, headers=owner).json()}
    assert listed[MODEL]["described"]
    assert not listed["crew-plan"]["described"]
    assert listed["crew-plan"]["fed_by"] == [MODEL]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"answers": MOST | {"harm": "none"}}, "answers.harm"),
        ({"answers": {k: v for k, v in MOST.items() if k != "reach"}}, "answers.reach"),
        ({"validator": "Lin"}, "validator"),
        ({"documentation": [{"title": "x", "url": "javascript:alert(1)"}]}, "documentation.0.url"),
    ],
)
def test_what_cannot_be_is_refused_by_field(
    api: TestClient, key_of: KeyOf, change: dict[str, Any], field: str
) -> None:
    refused = api.put(PAGE, headers=key_of(Role.OWNER), json=BODY | change)
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["errors"]] == [field]


def test_a_review_is_by_another_person_and_sets_the_next(
    api: TestClient, key_of: KeyOf, database: Database, moved: list[datetime]
) -> None:
    review = {"outcome": "fit_with_conditions", "note": "Watch JFK."}
    grace = key_of(Role.VALIDATOR, "Grace")
    assert api.post(f"{PAGE}/reviews", headers=grace, json=review).status_code == 409
    api.put(PAGE, headers=key_of(Role.OWNER), json=BODY)
    own = api.post(f"{PAGE}/reviews", headers=key_of(Role.VALIDATOR, "Lin"), json=review)
    assert (own.status_code, own.json()["type"]) == (403, "urn:vigie:problem:four_eyes")
    moved[0] += timedelta(days=10)
    done = api.post(f"{PAGE}/reviews", headers=grace, json=review)
    assert done.status_code == 201
    shown = done.json()
    assert (shown["last_review_by"], shown["last_review_outcome"]) == ("Grace", review["outcome"])
    with database.read_scope() as session:
        assert actions(session)[0] == "inventory.review"
    assert shown["next_review_at"] == "2026-04-12T00:00:00Z"  # 91 days later
    milder = BODY | {"answers": {q.name: next(iter(q.answers)) for q in QUESTIONS}}
    shown = api.put(PAGE, headers=key_of(Role.OWNER), json=milder).json()
    assert shown["next_review_at"] == "2028-01-11T00:00:00Z"  # 730 days after the review


def test_an_overdue_review_is_told_weekly_until_it_is_done(
    api: TestClient,
    key_of: KeyOf,
    database: Database,
    settings: Settings,
    moved: list[datetime],
) -> None:
    api.put(PAGE, headers=key_of(Role.OWNER), json=BODY)
    assert reminders(database) == 0
    moved[0] += timedelta(days=30)
    assert [reminders(database) for _ in range(3)] == [1, 1, 1]
    assert api.get(PAGE, headers=key_of(Role.VIEWER)).json()["overdue"]
    moved[0] += timedelta(days=7)
    assert reminders(database) == 2
    with database.session_scope() as session:
        row = session.exec(
            select(OutboxRow).where(OutboxRow.task == "incidents.announce_review")
        ).first()
        assert row is not None
        governance.announce_review(session, row.subject)
        told = session.exec(select(Announcement)).one()
        assert (told.event, told.severity) == ("review_overdue", "critical")
        message = _telling(session, told, "flights", settings)
    assert message.title == f"[critical] The review of {MODEL} is overdue"
    assert "validator Grace" in message.points["Who"]
    grace = key_of(Role.VALIDATOR, "Grace")
    api.post(f"{PAGE}/reviews", headers=grace, json={"outcome": "fit", "note": "Sound."})
    assert reminders(database) == 2


def test_the_questions_are_the_ones_that_are_asked(api: TestClient, key_of: KeyOf) -> None:
    shown = api.get(f"{HOME}/questions", headers=key_of(Role.VIEWER)).json()
    assert [one["name"] for one in shown] == [question.name for question in QUESTIONS]
