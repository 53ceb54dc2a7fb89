"""What it takes to approve: whose approvals, of which evidence, in what time; and what is said."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlmodel import Session, select

from app.audit.tables import AuditEntry
from app.core import clock
from app.core.database import Database
from app.core.errors import IllegalTransitionError
from app.federations.policy import Policy
from app.federations.roles import Role
from app.federations.tables import Federation
from app.registry import approving, promoting, service
from app.registry.errors import (
    AlreadyApprovedError,
    EvidenceChangedError,
    NoVoteError,
    PromotionExpiredError,
    SeenEvidenceError,
)
from app.registry.mirroring import Mirrored
from app.registry.tables import Promotion
from tests.mirrored import mirrored
from tests.unit.registry.lifecycle import (
    MODEL,
    OWNER,
    VALIDATOR,
    approve,
    approved,
    draft,
    register_two,
    store_canary_rounds,
    submitted,
    tasks,
)

HIGH = lambda session, federation_id, model: "high"  # noqa: E731 - in the place of an assessment


@pytest.fixture
def session(database: Database, federation: Federation) -> Iterator[Session]:
    register_two(database, federation)
    with database.session_scope() as session:
        store_canary_rounds(session, federation, steps=2, gain=0.1)
        yield session


def test_a_critical_model_needs_two_validators(
    session: Session, federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approving, "criticality_of", HIGH)
    promotion = submitted(session, federation)
    assert (promotion.criticality, promotion.required) == ("high", ["validator", "validator"])
    first = approve(session, federation, promotion.id, VALIDATOR, "agreed")
    assert (first.state, first.decided_by) == ("awaiting_review", None)
    assert "registry.apply_promotion" not in tasks(session)
    with pytest.raises(AlreadyApprovedError):
        approve(session, federation, promotion.id, " grace", "agreed twice")
    second = approve(session, federation, promotion.id, "Joan", "so do I")
    assert (second.state, second.decided_by) == ("approved", "Joan")
    assert "registry.apply_promotion" in tasks(session)
    given = service.approvals_of(session, second)
    assert [(one.actor, one.evidence_sha256) for one in given] == [
        (VALIDATOR, second.evidence_sha256),
        ("Joan", second.evidence_sha256),
    ]
    assert service.missing_of(second, given) == []


def test_one_rejection_is_enough(
    session: Session, federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approving, "criticality_of", HIGH)
    promotion = submitted(session, federation)
    approve(session, federation, promotion.id, VALIDATOR, "agreed")
    service.reject(session, federation, promotion.id, "Joan", "not at night")
    with pytest.raises(IllegalTransitionError):
        approve(session, federation, promotion.id, "Alan", "agreed")


def test_what_was_asked_at_submission_stays_asked(session: Session, federation: Federation) -> None:
    promotion = submitted(session, federation)
    federation.policy = {"promotion": {"approvals": {"medium": ["validator"] * 3}}}
    assert approve(session, federation, promotion.id, VALIDATOR, "agreed").state == "approved"


def test_only_the_roles_that_are_asked_for_have_a_vote(
    session: Session, federation: Federation
) -> None:
    promotion = submitted(session, federation)
    with pytest.raises(NoVoteError):
        approve(session, federation, promotion.id, "Joan", "agreed", Role.OWNER)


def test_a_role_that_may_not_approve_is_refused_in_the_policy() -> None:
    with pytest.raises(ValidationError, match="viewer may not approve"):
        Policy.model_validate({"promotion": {"approvals": {"low": ["validator", "viewer"]}}})


def test_nobody_approves_evidence_that_they_have_not_seen(
    session: Session, federation: Federation
) -> None:
    promotion = submitted(session, federation)
    with pytest.raises(SeenEvidenceError):
        service.approve(
            session,
            federation,
            promotion.id,
            VALIDATOR,
            "agreed",
            role=Role.VALIDATOR,
            evidence_sha256="0" * 64,
        )


def test_evidence_that_was_tampered_with_is_not_approved(
    session: Session, federation: Federation
) -> None:
    promotion = submitted(session, federation)
    promotion.evidence = promotion.evidence | {"clients": 600}
    session.add(promotion)
    with pytest.raises(EvidenceChangedError):
        approve(session, federation, promotion.id, VALIDATOR, "agreed")


def test_what_nobody_decides_expires(session: Session, federation: Federation) -> None:
    promotion = submitted(session, federation)
    assert promotion.submitted_at is not None
    assert promotion.expires_at == promotion.submitted_at + timedelta(days=14)
    session.flush()
    late = promotion.expires_at + timedelta(seconds=1)
    with clock.using(lambda: late):
        with pytest.raises(PromotionExpiredError):
            approve(session, federation, promotion.id, VALIDATOR, "agreed")
        session.refresh(promotion)
        assert service.expire_due(session) == 1
        assert service.expire_due(session) == 0
    assert (promotion.state, promotion.decided_by) == ("rejected", "expiry")
    assert draft(session, federation).state == "draft"


def test_people_say_what_they_think(session: Session, federation: Federation) -> None:
    promotion = submitted(session, federation)
    service.comment(session, federation, promotion.id, OWNER, "JFK is small")
    service.comment(session, federation, promotion.id, VALIDATOR, "and at night?")
    said = service.comments_of(session, federation, promotion.id)
    assert [(one.author, one.text) for one in said] == [
        (OWNER, "JFK is small"),
        (VALIDATOR, "and at night?"),
    ]
    verbs = session.exec(select(AuditEntry.action)).all()
    assert verbs.count("promotion.comment") == 2


class KilledError(Exception):
    """The worker is gone."""


def performed(session: Session, promotion: Promotion) -> Mirrored:
    wanted = promoting.prepare(session, promotion.id)
    assert wanted is not None
    return mirrored(wanted)


@pytest.mark.parametrize("step", ["freeze", "audit", "notify"])
def test_a_worker_killed_at_any_step_leaves_all_or_nothing(
    database: Database, federation: Federation, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The alias in MLflow is done again; the rest is of one transaction, in its order."""
    register_two(database, federation)
    with database.session_scope() as session:
        promotion = approved(session, federation)
        mirrored = performed(session, promotion)
    killed_in = {
        "freeze": (promoting.drift, "freeze_newest"),
        "audit": (promoting, "audit_step"),
        "notify": (promoting.outbox, "enqueue"),
    }

    def die(*args: object, **more: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(*killed_in[step], die)
        with pytest.raises(KilledError), database.session_scope() as session:
            promoting.record(session, promotion.id, mirrored)
    with database.session_scope() as session:
        found = service.get_promotion(session, federation.id, promotion.id)
        assert found.state == "approved"
        assert service.model_named(session, federation.id, MODEL).champion == "1"
        mirrored = performed(session, found)
    for _ in range(2):  # sent twice
        with database.session_scope() as session:
            promoting.record(session, promotion.id, mirrored)
    with database.session_scope() as session:
        assert service.get_promotion(session, federation.id, promotion.id).state == "applied"
        assert service.model_named(session, federation.id, MODEL).champion == "2"
        assert tasks(session).count(promoting.ON_APPLIED) == 1
        applied = select(AuditEntry).where(AuditEntry.action == "promotion.apply")
        assert len(session.exec(applied).all()) == 1
