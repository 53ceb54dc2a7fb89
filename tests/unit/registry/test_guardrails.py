"""Guardrails, cohorts, history and outlook of a comparison, on stored canary rounds."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sqlmodel import Session

from app.core import clock
from app.core.database import Database
from app.federations.tables import Federation
from app.registry import service
from app.registry.evidence_schemas import Comparison
from app.rounds.tables import BinSpec
from tests.rounds import BIN_SPEC, blocks
from tests.unit.registry.lifecycle import MODEL, canary_report, register_two, stored_round

SPEC = "bs_0123456789abcdef"
CLIENTS, N = 12, 200
Change = Callable[[dict[str, Any], int], None]


@pytest.fixture
def session(database: Database, federation: Federation) -> Iterator[Session]:
    register_two(database, federation)
    with database.session_scope() as session:
        session.add(
            BinSpec(federation_id=federation.id, id=SPEC, document=BIN_SPEC, created_at=clock.now())
        )
        yield session


def play(
    session: Session,
    federation: Federation,
    change: Change = lambda record, client: None,
    rounds: int = 3,
    gain: float = 0.1,
    **more: Any,
) -> Comparison:
    """A candidate whose loss is lower by `gain` everywhere, changed in other ways."""
    rng = np.random.default_rng(5)
    for step in range(rounds):
        round_ = stored_round(federation, step, "canary", canary_version="2", bin_spec=SPEC, **more)
        session.add(round_)
        session.flush()
        reports = []
        for client in range(CLIENTS):
            noise = 0.005 * rng.normal()
            hub = "EWR" if client < CLIENTS // 2 else "JFK"
            report = canary_report(round_, client, 0.5, 0.5 - gain + noise, N, hub)
            change(report.record, client)
            reports.append(report)
        session.add_all(blocks(reports))
    session.flush()
    return service.comparison(session, federation, MODEL, "2")


def rail(found: Comparison, name: str) -> Any:
    return next(one for one in found.guardrails if one.name == name)


def test_what_rounds_do_not_tell_is_unknown_and_stops_nothing(
    session: Session, federation: Federation
) -> None:
    found = play(session, federation)
    states = {one.name: one.state for one in found.guardrails}
    assert states == {
        "error_rate": "within",
        "failures": "unknown",
        "latency": "unknown",
        "calibration": "unknown",
        "fairness": "within",
        "cohort_loss": "within",
    }
    assert found.recommendation.action == "promote"
    assert "It is better beyond chance." in found.recommendation.sentence
    assert "1 of" in found.recommendation.probability


def test_a_candidate_that_is_slower_for_sure_is_rejected(
    session: Session, federation: Federation
) -> None:
    def slower(record: dict[str, Any], client: int) -> None:
        record["resources"] = {"evaluate_ms": 100.0 + client}
        record["canary"]["evaluate_ms"] = 190.0 + client

    found = play(session, federation, slower)
    latency = rail(found, "latency")
    assert (latency.state, latency.limit) == ("breached", 0.5)
    assert latency.value == pytest.approx(90 / 105.5)
    assert found.recommendation.action == "reject"
    assert "time to evaluate surely passes its limit" in found.recommendation.sentence


def test_scores_that_promise_too_much_are_waited_with(
    session: Session, federation: Federation
) -> None:
    """60 of 200 are late; the champion's mean score says so, the candidate's says more."""

    def overconfident(record: dict[str, Any], client: int) -> None:
        record["label_counts"] = [140, 60]
        # Bins' middles are 1/8, 3/8, 5/8, 7/8; clients differ so much that nothing is sure.
        record["score_histogram"] = [60, 140, 0, 0]
        more = 24 if client % 2 else 0
        record["canary"]["score_histogram"] = [60 - more, 130, 10 + more, 0]

    calibration = rail(play(session, federation, overconfident), "calibration")
    assert calibration.value == pytest.approx(0.0425)
    assert calibration.lower < 0.02 < calibration.upper
    assert calibration.state == "beyond"


def test_failures_are_compared_with_the_champions_own_rounds(
    session: Session, federation: Federation
) -> None:
    asked = {"participation": {"sampled": 40, "errors": {"oom": 2}}}
    for step in range(3):
        session.add(stored_round(federation, 100 + step, "evaluate", envelope=asked))
    more = {"participation": {"sampled": 40, "errors": {"oom": 6}}}
    failures = rail(play(session, federation, envelope=more), "failures")
    assert failures.value == pytest.approx(0.1)
    assert failures.state == "beyond"


def test_a_cohort_that_loses_stops_a_candidate_that_wins_on_average(
    session: Session, federation: Federation
) -> None:
    def worse_at_jfk(record: dict[str, Any], client: int) -> None:
        if client >= CLIENTS // 2:
            metrics = record["canary"]["metrics"]
            metrics["loss_sum"] += 0.15 * N  # 0.05 nats worse than the champion
            metrics["correct_count"] = 0.62 * N

    found = play(session, federation, worse_at_jfk, gain=0.1, rounds=4)
    by_name = {one.cohort: one for one in found.cohorts}
    assert (by_name["hub=EWR"].better, by_name["hub=EWR"].worse) == (True, False)
    assert (by_name["hub=JFK"].better, by_name["hub=JFK"].worse) == (False, True)
    assert rail(found, "cohort_loss").cohorts == ["hub=JFK"]
    assert rail(found, "fairness").value == pytest.approx(0.08)
    assert rail(found, "fairness").state == "breached"
    assert found.recommendation.action == "reject"


def test_a_gap_that_widens_since_one_cohort_gains_more_stops_nobody(
    session: Session, federation: Federation
) -> None:
    def better_at_jfk(record: dict[str, Any], client: int) -> None:
        if client >= CLIENTS // 2:
            record["canary"]["metrics"]["correct_count"] = 0.85 * N

    found = play(session, federation, better_at_jfk, gain=0.1, rounds=4)
    assert rail(found, "fairness").state == "within"
    assert found.recommendation.action == "promote"


def test_cohorts_have_wider_intervals_than_one_alone(
    session: Session, federation: Federation
) -> None:
    cohort = play(session, federation).cohorts[0]
    assert cohort.difference is not None
    assert cohort.difference.confidence == pytest.approx(0.975)


def test_the_history_has_every_look_and_the_outlook_what_is_missing(
    session: Session, federation: Federation
) -> None:
    def noisy(record: dict[str, Any], client: int) -> None:
        drawn = np.random.default_rng([client, int(1e6 * record["canary"]["metrics"]["loss_sum"])])
        record["canary"]["metrics"]["loss_sum"] += 0.1 * N * drawn.normal()

    found = play(session, federation, noisy, rounds=5, gain=0.02)
    assert [one.rounds for one in found.history] == [2, 3, 4, 5]
    last = found.history[-1]
    assert found.difference is not None
    assert (last.lower, last.upper) == (found.difference.lower, found.difference.upper)
    assert found.recommendation.action == "keep_collecting"
    assert found.outlook is not None
    assert found.outlook.rounds_more is not None or found.outlook.clients is not None


def test_a_round_of_too_few_clients_is_shown_with_the_next(
    session: Session, federation: Federation
) -> None:
    before = play(session, federation)
    few = stored_round(federation, 9, "canary", canary_version="2", bin_spec=SPEC)
    session.add(few)
    session.flush()
    session.add_all(
        blocks([canary_report(few, 1, 0.5, 0.1, N), canary_report(few, 2, 0.5, 0.1, N)])
    )
    session.flush()
    after = service.comparison(session, federation, MODEL, "2")
    assert after.rounds == before.rounds + 1
    assert (after.examples, after.history) == (before.examples, before.history)


def test_the_comparison_names_where_the_candidate_comes_from(
    session: Session, federation: Federation
) -> None:
    found = play(session, federation)
    assert found.lineage is not None
    assert (found.lineage.run, found.lineage.parent_version) == ("run-2", None)
    assert found.confusion is not None
    assert np.sum(found.confusion.difference, axis=1) == pytest.approx([0, 0])
