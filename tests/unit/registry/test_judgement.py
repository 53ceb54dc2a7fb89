"""An older version judges the champion where labels have not come."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlmodel import Session

from app.core.database import Database
from app.federations.tables import Federation
from app.registry import service
from app.registry.errors import NotACandidateError
from tests.rounds import blocks
from tests.unit.registry.lifecycle import MODEL, canary_report, register_two, stored_round


@pytest.fixture
def session(database: Database, federation: Federation) -> Iterator[Session]:
    register_two(database, federation)
    with database.session_scope() as session:
        yield session


def store(session: Session, round_: Any, records: list[dict[str, Any]]) -> None:
    session.add(round_)
    session.flush()
    session.add_all(
        blocks([canary_report(round_, at, 0, 0, record=one) for at, one in enumerate(records)])
    )
    session.flush()


def crossed(session: Session, federation: Federation, step: int, clients: int = 6) -> None:
    """Of 100 unlabelled examples the two differ on 10 and a few."""
    cells = [{"canary": {"crossed": [[60, 4 + k], [6, 30 - k]]}} for k in range(clients)]
    store(session, stored_round(federation, step, "canary", canary_version="2"), cells)


def validated(session: Session, federation: Federation, step: int) -> None:
    """With labels, version 2 was wrong on 8 of 100 and a few."""
    told = [{"metrics": {"loss_sum": 30.0, "correct_count": 92 - k % 3}} for k in range(6)]
    store(session, stored_round(federation, step, "evaluate", version="2"), told)


def test_the_champions_error_is_bounded_by_agreement_and_the_judges_own(
    session: Session, federation: Federation
) -> None:
    validated(session, federation, 1)
    crossed(session, federation, 2)
    found = service.judgement(session, federation, MODEL, "2")
    assert (found.clients, found.validated_clients, found.examples) == (6, 6, 600)
    assert found.disagreement is not None
    assert found.judge_error is not None
    assert found.disagreement.value == pytest.approx(0.125)
    assert found.judge_error.value == pytest.approx(0.09)
    assert found.error_lower == pytest.approx(
        max(found.disagreement.lower - found.judge_error.upper, 0)
    )
    assert found.error_upper == pytest.approx(found.disagreement.upper + found.judge_error.upper)
    assert found.error_if_independent == pytest.approx((0.125 - 0.09) / (1 - 0.18))
    assert found.pseudo_recalls == [
        pytest.approx(360 / 396),
        pytest.approx(165 / 204),
    ]
    assert "validated" in found.assumption


def test_without_labels_for_the_judge_nothing_is_said(
    session: Session, federation: Federation
) -> None:
    crossed(session, federation, 2)
    found = service.judgement(session, federation, MODEL, "2")
    assert (found.clients, found.validated_clients, found.disagreement) == (6, 0, None)


def test_a_round_of_too_few_clients_does_not_count(
    session: Session, federation: Federation
) -> None:
    validated(session, federation, 1)
    crossed(session, federation, 2)
    before = service.judgement(session, federation, MODEL, "2")
    crossed(session, federation, 3, clients=2)
    assert service.judgement(session, federation, MODEL, "2") == before


def test_fewer_clients_than_the_minimum_are_not_shown(
    session: Session, federation: Federation
) -> None:
    federation.min_cohort_size = 7
    validated(session, federation, 1)
    crossed(session, federation, 2)
    found = service.judgement(session, federation, MODEL, "2")
    assert (found.clients, found.disagreement, found.error_upper) == (0, None, None)


def test_the_champion_does_not_judge_itself(session: Session, federation: Federation) -> None:
    with pytest.raises(NotACandidateError):
        service.judgement(session, federation, MODEL, "1")
