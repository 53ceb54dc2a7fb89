"""A version that is not what was registered is not submitted, approved or put in force."""

from collections.abc import Iterator

import pytest
from sqlmodel import Session, select

from app.audit.tables import AuditEntry
from app.core.database import Database
from app.federations.tables import Federation
from app.registry import deviations, promoting, repository, service
from app.registry.deviations import Difference, Kind
from app.registry.errors import NotAsRegisteredError
from app.registry.tables import Model
from tests.mirrored import mirrored
from tests.unit.registry.lifecycle import (
    MODEL,
    OWNER,
    VALIDATOR,
    approve,
    approved,
    draft,
    register_two,
    submitted,
    tasks,
)

FAULTS = [
    Difference(Kind.WEIGHTS_CHANGED, "2", "weights", "a", "b"),
    Difference(Kind.WEIGHTS_GONE, "2", "weights", "a", None),
    Difference(Kind.SOURCE_CHANGED, "2", "source", "a", "b"),
    Difference(Kind.TAG_CHANGED, "2", "weights_sha256", "a", "b"),
    Difference(Kind.VERSION_DELETED, "2", "7", "7", None),
    Difference(Kind.MODEL_DELETED, "", "", "a registered model", None),
]
OF_OTHERS = [
    Difference(Kind.WEIGHTS_CHANGED, "1", "weights", "a", "b"),
    Difference(Kind.ALIAS_MOVED, "", "champion", "1", "2"),
]


@pytest.fixture
def session(database: Database, federation: Federation) -> Iterator[Session]:
    register_two(database, federation)
    with database.session_scope() as session:
        yield session


def locked(session: Session, federation: Federation) -> Model:
    found = service.model_named(session, federation.id, MODEL)
    return repository.locked_model(session, found.id)


def notice(session: Session, federation: Federation, *found: Difference) -> None:
    deviations.note(session, locked(session, federation), found)


def mismatch(session: Session, federation: Federation) -> None:
    version = service.version_named(session, federation.id, MODEL, "2")
    version.artifact_state = "mismatch"
    session.add(version)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.kind.value)
def test_a_deviating_version_is_neither_submitted_nor_approved_until_it_is_right(
    session: Session, federation: Federation, fault: Difference
) -> None:
    promotion = draft(session, federation)
    notice(session, federation, fault)
    with pytest.raises(NotAsRegisteredError), session.begin_nested():
        service.submit(session, federation, promotion.id, OWNER)
    notice(session, federation)
    service.submit(session, federation, promotion.id, OWNER)
    notice(session, federation, fault)
    with pytest.raises(NotAsRegisteredError):
        approve(session, federation, promotion.id, VALIDATOR, "agreed")
    assert service.approvals_of(session, promotion) == []
    notice(session, federation)
    assert approve(session, federation, promotion.id, VALIDATOR, "agreed").state == "approved"


def test_weights_with_another_hash_are_not_promoted(
    session: Session, federation: Federation
) -> None:
    promotion = submitted(session, federation)
    mismatch(session, federation)
    with pytest.raises(NotAsRegisteredError, match="SHA-256 that it was registered with"):
        approve(session, federation, promotion.id, VALIDATOR, "agreed")
    service.reject(session, federation, promotion.id, VALIDATOR, "other weights")
    with pytest.raises(NotAsRegisteredError):
        submitted(session, federation)


def test_what_deviates_elsewhere_keeps_no_version_from_being_promoted(
    session: Session, federation: Federation
) -> None:
    notice(session, federation, *OF_OTHERS)
    assert approved(session, federation).state == "approved"


@pytest.mark.parametrize("known_before", [True, False])
def test_what_became_another_after_the_approval_is_not_put_in_force(
    session: Session, federation: Federation, known_before: bool
) -> None:
    promotion = approved(session, federation)
    if known_before:
        notice(session, federation, FAULTS[0])
    wanted = promoting.prepare(session, promotion.id)
    assert wanted is not None
    assert wanted.aliases["champion"] == ("1" if known_before else "2")
    if not known_before:  # noticed while MLflow was being told
        notice(session, federation, FAULTS[0])
    before = tasks(session)
    promoting.record(session, promotion.id, mirrored(wanted))
    assert promotion.state == "rolled_back"
    assert locked(session, federation).champion == "1"
    assert set(tasks(session)[len(before) :]) == {"registry.mirror_version", "registry.log_card"}
    (said,) = service.comments_of(session, federation, promotion.id)
    assert "its weights' file is not the one that was checked" in said.text
    entry = session.exec(select(AuditEntry).where(AuditEntry.action == "promotion.refuse")).one()
    assert entry.after == {"state": "rolled_back"}
    assert promoting.prepare(session, promotion.id) is None
