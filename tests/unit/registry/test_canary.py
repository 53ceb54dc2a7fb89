"""The canary comparison: what is merged, what it says, and what it keeps to itself."""

from collections.abc import Iterator

import pytest
from sqlmodel import Session, select

from app.core.database import Database
from app.core.errors import NotFoundError
from app.federations.tables import Federation
from app.registry import service
from app.registry.errors import NotACandidateError
from app.registry.evidence_schemas import Comparison
from app.rounds import bin_specs
from app.rounds.schemas import BinSpecIn
from app.rounds.tables import Round
from tests.rounds import BIN_SPEC, blocks
from tests.unit.registry.lifecycle import (
    MODEL,
    canary_report,
    register_two,
    store_canary_rounds,
    stored_round,
)


@pytest.fixture
def session(database: Database, federation: Federation) -> Iterator[Session]:
    register_two(database, federation)
    with database.session_scope() as session:
        yield session


def compare(session: Session, federation: Federation) -> Comparison:
    return service.comparison(session, federation, MODEL, "2")


def test_before_any_round_there_is_nothing_but_patience(
    session: Session, federation: Federation
) -> None:
    found = compare(session, federation)
    assert (found.rounds, found.clients, found.difference) == (0, 0, None)
    assert found.recommendation.action == "keep_collecting"
    assert "0 of 2 canary rounds" in found.recommendation.sentence


def test_sums_are_merged_over_rounds_and_clients(session: Session, federation: Federation) -> None:
    store_canary_rounds(session, federation, steps=2, gain=0.1)
    found = compare(session, federation)
    assert (found.rounds, found.clients, found.examples) == (2, 6, 1200)
    assert found.champion_measured is not None
    assert found.candidate_measured is not None
    assert found.champion_measured.log_loss == pytest.approx(0.525)
    assert found.champion_measured.error_rate == pytest.approx(0.30)
    assert found.candidate_measured.log_loss == pytest.approx(0.425)
    assert found.candidate_measured.error_rate == pytest.approx(0.25)
    assert found.agreement == [[780.0, 60.0], [120.0, 240.0]]
    assert found.confusion is not None
    assert found.confusion.champion == [[600.0, 120.0], [240.0, 240.0]]
    assert found.confusion.candidate == [[600.0, 120.0], [180.0, 300.0]]


def test_classes_have_the_names_of_the_bin_spec(session: Session, federation: Federation) -> None:
    store_canary_rounds(session, federation, steps=2, gain=0.1)
    unnamed = compare(session, federation).confusion
    assert unnamed is not None
    assert unnamed.labels == []
    spec = bin_specs.define(session, federation, BinSpecIn.model_validate(BIN_SPEC), "test")
    for round_ in session.exec(select(Round)):
        round_.bin_spec = spec.id
        session.add(round_)
    session.flush()
    named = compare(session, federation).confusion
    assert named is not None
    assert named.labels == BIN_SPEC["labels"]


def test_a_better_candidate_is_recommended(session: Session, federation: Federation) -> None:
    store_canary_rounds(session, federation, steps=2, gain=0.1)
    found = compare(session, federation)
    assert found.difference is not None
    assert found.difference.log_loss == pytest.approx(-0.1)
    assert found.difference.lower < -0.1 < found.difference.upper < 0
    assert found.recommendation.action == "promote"
    assert "0.1000 nats per example lower" in found.recommendation.sentence


def test_a_worse_candidate_is_not(session: Session, federation: Federation) -> None:
    store_canary_rounds(session, federation, steps=2, gain=-0.1)
    assert compare(session, federation).recommendation.action == "reject"


def test_one_round_is_too_early_however_good(session: Session, federation: Federation) -> None:
    store_canary_rounds(session, federation, steps=1, gain=0.3)
    found = compare(session, federation)
    assert found.difference is not None
    assert found.recommendation.action == "keep_collecting"


def test_cohorts_are_shown_where_none_gives_away_too_few_clients(
    session: Session, federation: Federation
) -> None:
    store_canary_rounds(session, federation, steps=2, gain=0.1)  # 4 at EWR, 2 at JFK; k is 3
    assert compare(session, federation).cohorts == []  # EWR would give JFK away
    federation.min_cohort_size = 2
    cohorts = compare(session, federation).cohorts
    assert [(one.cohort, one.clients) for one in cohorts] == [("hub=EWR", 4), ("hub=JFK", 2)]
    assert cohorts[0].examples == 800
    assert cohorts[0].difference is not None


def test_a_comparison_over_too_few_clients_shows_no_number(
    session: Session, federation: Federation
) -> None:
    store_canary_rounds(session, federation, steps=2, gain=0.1)
    federation.min_cohort_size = 7
    found = compare(session, federation)
    assert (found.clients, found.examples, found.champion_measured) == (6, 0, None)
    assert (found.difference, found.confusion, found.cohorts) == (None, None, [])
    assert found.recommendation.sentence == (
        "Keep collecting: 6 of 7 clients measured both versions."
    )


def test_clients_that_did_not_measure_both_do_not_count(
    session: Session, federation: Federation
) -> None:
    round_ = stored_round(federation, 0, "canary", canary_version="2")
    session.add(round_)
    session.flush()
    bare = {"metrics": {"loss_sum": 5.0, "correct_count": 7}}
    reports = [
        canary_report(round_, 1, 0.5, 0.4),
        canary_report(round_, 2, 0.5, 0.4, status="error"),
        canary_report(round_, 3, 0.5, 0.4, record=bare),
        canary_report(round_, 4, 0.5, 0.4, num_examples=0),
    ]
    session.add_all(blocks(reports))
    found = compare(session, federation)
    assert (found.clients, found.examples, found.difference) == (1, 0, None)


def test_rounds_of_another_pair_do_not_count(session: Session, federation: Federation) -> None:
    for step, more in enumerate(
        [{"canary_version": "3"}, {"version": "9"}, {"model": "another"}, {"state": "superseded"}]
    ):
        fields = {"canary_version": "2"} | more
        session.add(stored_round(federation, step, "canary", **fields))
    session.flush()
    assert compare(session, federation).rounds == 0


def test_confusions_of_other_classes_are_not_added(
    session: Session, federation: Federation
) -> None:
    store_canary_rounds(session, federation, steps=1, gain=0.1)
    round_ = stored_round(federation, 5, "canary", canary_version="2")
    session.add(round_)
    session.flush()
    report = canary_report(round_, 1, 0.5, 0.4)
    three = [[10, 0, 0], [0, 10, 0], [0, 0, 10]]
    canary = report.record["canary"] | {"confusion": three}
    report.record.update(confusion=three, canary=canary)
    session.add_all(blocks([report], BIN_SPEC | {"labels": ["early", "on time", "late"]}))
    found = compare(session, federation)
    assert found.confusion is None
    assert found.examples == 700


def test_the_champion_is_not_compared_with_itself(session: Session, federation: Federation) -> None:
    with pytest.raises(NotACandidateError):
        service.comparison(session, federation, MODEL, "1")
    with pytest.raises(NotFoundError):
        service.comparison(session, federation, MODEL, "3")
