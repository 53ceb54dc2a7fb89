"""Promotions: one open, two people, frozen evidence, and a way back."""

import threading
from collections.abc import Callable, Iterator

import pytest
from sqlmodel import Session, col, select

from app.audit import service as audit
from app.audit.tables import AuditEntry
from app.core.database import Database
from app.core.errors import DomainError, IllegalTransitionError, NotFoundError
from app.federations.tables import Federation
from app.registry import service
from app.registry.errors import (
    ChampionChangedError,
    EvidenceChangedError,
    FourEyesError,
    NotACandidateError,
    NotTheAuthorError,
    OpenPromotionError,
)
from app.registry.promotions import evidence_hash
from app.registry.tables import Promotion
from tests.unit.registry.lifecycle import (
    MODEL,
    OWNER,
    SERVER,
    VALIDATOR,
    approve,
    approved,
    draft,
    model_now,
    register,
    register_two,
    store_canary_rounds,
    submitted,
    tasks,
)


@pytest.fixture
def session(database: Database, federation: Federation) -> Iterator[Session]:
    register_two(database, federation)
    with database.session_scope() as session:
        store_canary_rounds(session, federation, steps=2, gain=0.1)
        yield session


def in_force(session: Session, federation: Federation) -> Promotion:
    """An approved promotion as the worker leaves it."""
    promotion = approved(session, federation)
    model = service.model_of(session, promotion)
    promotion.state, model.champion, model.canary = "applied", promotion.candidate, None
    session.add_all([promotion, model])
    session.flush()
    return promotion


def test_approval_asks_for_the_promotion_to_be_applied(
    session: Session, federation: Federation
) -> None:
    promotion = approved(session, federation)
    assert (promotion.state, promotion.submitted_by, promotion.decided_by) == (
        "approved",
        OWNER,
        VALIDATOR,
    )
    assert "registry.apply_promotion" in tasks(session)
    assert service.model_of(session, promotion).champion == "1"  # until the worker has been


def test_submission_freezes_what_was_seen(session: Session, federation: Federation) -> None:
    promotion = submitted(session, federation)
    seen = service.comparison(session, federation, MODEL, "2").model_dump(mode="json")
    assert promotion.evidence == seen
    assert promotion.evidence_sha256 == evidence_hash(seen)
    promotion.evidence = seen | {"examples": 1}
    session.add(promotion)
    session.flush()
    with pytest.raises(EvidenceChangedError):
        approve(session, federation, promotion.id, VALIDATOR, "agreed")


def test_evidence_keeps_its_hash_through_the_database(
    session: Session, database: Database, federation: Federation
) -> None:
    promotion = submitted(session, federation)
    session.flush()
    session.expire_all()
    stored = service.get_promotion(session, federation.id, promotion.id)
    assert evidence_hash(stored.evidence) == stored.evidence_sha256


@pytest.mark.parametrize("actor", [OWNER, "ada ", SERVER])
@pytest.mark.parametrize("decide", [approve, service.reject])
def test_nobody_decides_on_their_own_work(
    session: Session, federation: Federation, actor: str, decide: Callable[..., Promotion]
) -> None:
    promotion = submitted(session, federation)
    with pytest.raises(FourEyesError) as refusal:
        decide(session, federation, promotion.id, actor, "mine")
    assert (refusal.value.code, refusal.value.kind.value) == ("four_eyes", 403)


def test_only_its_author_submits_a_draft(session: Session, federation: Federation) -> None:
    promotion = draft(session, federation)
    with pytest.raises(NotTheAuthorError):
        service.submit(session, federation, promotion.id, "Grace")


def test_a_model_has_one_open_promotion(session: Session, federation: Federation) -> None:
    first = draft(session, federation)
    register(session, federation, 3)
    with pytest.raises(OpenPromotionError):
        draft(session, federation, "3")
    service.reject(session, federation, first.id, VALIDATOR, "stands in the way")
    assert draft(session, federation, "3").state == "draft"


def test_only_another_version_is_a_candidate(session: Session, federation: Federation) -> None:
    with pytest.raises(NotACandidateError):
        draft(session, federation, "1")
    with pytest.raises(NotFoundError):
        draft(session, federation, "9")


def test_a_draft_cannot_be_approved(session: Session, federation: Federation) -> None:
    with pytest.raises(IllegalTransitionError):
        approve(session, federation, draft(session, federation).id, VALIDATOR, "in a hurry")


def test_rolling_back_restores_the_champion_and_outdates_what_was_open(
    session: Session, federation: Federation
) -> None:
    first = in_force(session, federation)
    register(session, federation, 3)
    later = submitted(session, federation, "3")
    unsubmitted_evidence = later.evidence_sha256
    back = service.roll_back(session, federation, first.id, VALIDATOR, "worse at night")
    assert back.state == "rolled_back"
    model = service.model_of(session, back)
    assert (model.champion, model.canary) == ("1", "3")
    assert "registry.apply_rollback" in tasks(session)
    with pytest.raises(ChampionChangedError):
        approve(session, federation, later.id, VALIDATOR, "agreed")
    session.refresh(later)
    assert later.evidence_sha256 == unsubmitted_evidence


def test_an_approval_that_is_not_in_force_is_taken_back(
    session: Session, federation: Federation
) -> None:
    promotion = approved(session, federation)
    service.roll_back(session, federation, promotion.id, VALIDATOR, "second thoughts")
    model = service.model_of(session, promotion)
    assert (promotion.state, model.champion, model.canary) == ("rolled_back", "1", "2")


def test_nothing_is_rolled_back_under_a_promotion_that_is_being_applied(
    session: Session, federation: Federation
) -> None:
    first = in_force(session, federation)
    register(session, federation, 3)
    second = approved(session, federation, "3")
    with pytest.raises(OpenPromotionError):
        service.roll_back(session, federation, first.id, VALIDATOR, "worse")
    service.roll_back(session, federation, second.id, VALIDATOR, "worse")
    # The refused call left nothing behind, so the first can be rolled back now.
    session.refresh(first)


def test_only_the_champions_promotion_is_rolled_back(
    session: Session, federation: Federation
) -> None:
    first = in_force(session, federation)
    model = service.model_of(session, first)
    model.champion = "9"
    session.add(model)
    with pytest.raises(ChampionChangedError):
        service.roll_back(session, federation, first.id, VALIDATOR, "worse")


def test_each_step_is_audited_with_its_reason(session: Session, federation: Federation) -> None:
    promotion = in_force(session, federation)
    service.roll_back(session, federation, promotion.id, VALIDATOR, "worse at night")
    steps = session.exec(
        select(AuditEntry.action, AuditEntry.actor, AuditEntry.why)
        .where(AuditEntry.entity == f"promotion:{promotion.id}")
        .order_by(col(AuditEntry.seq))
    ).all()
    assert steps == [
        ("promotion.draft", OWNER, "better"),
        ("promotion.submit", OWNER, None),
        ("promotion.approve", VALIDATOR, "agreed"),
        ("promotion.roll_back", VALIDATOR, "worse at night"),
    ]
    audit.verify(session)


def test_of_two_decisions_at_once_one_wins(database: Database, federation: Federation) -> None:
    register_two(database, federation)
    with database.session_scope() as session:
        promotion = submitted(session, federation)
    start = threading.Barrier(2)
    answers: list[str | None] = []

    def decide(decision: Callable[..., Promotion], actor: str) -> None:
        start.wait()
        try:
            with database.session_scope() as session:
                answers.append(
                    decision(session, federation, promotion.id, actor, "decided").decided_by
                )
        except DomainError as error:
            answers.append(error.code)

    threads = [
        threading.Thread(target=decide, args=(approve, VALIDATOR)),
        threading.Thread(target=decide, args=(service.reject, "Joan")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "illegal_transition" in answers
    with database.read_scope() as session:
        stored = service.get_promotion(session, federation.id, promotion.id)
    assert stored.decided_by in answers
    assert model_now(database, federation).champion == "1"
