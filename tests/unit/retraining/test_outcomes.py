"""Did it help: the new version beside the old one, on the same examples."""

import pytest
from sqlmodel import Session

from app.core.errors import NotFoundError
from app.federations.tables import Federation
from app.retraining import service
from app.retraining.tables import RetrainingOutcome, RetrainRequest
from tests.audited import actions
from tests.unit.retraining.conftest import Watch
from tests.unit.retraining.histories import beside, drifted, serve
from tests.unit.retraining.requests import MODEL, PERSON, ask, claim, trained


@pytest.fixture
def retrained(session: Session, here: Federation, watch: Watch) -> RetrainRequest:
    """Version 1 drifted and version 2 was trained for that."""
    drifted(session, here)
    assert service.consider(session, here, ask()) is not None
    claimed = claim(session, here)
    assert claimed is not None
    return service.complete(session, here, claimed.id, trained())


def assessed(
    session: Session, here: Federation, request: RetrainRequest
) -> RetrainingOutcome | None:
    return service.assess(session, here, request)


def test_while_too_few_rounds_measured_both_nothing_is_said(
    session: Session, here: Federation, retrained: RetrainRequest
) -> None:
    beside(session, here, [24], "1", "2", gain=0.08)
    assert assessed(session, here, retrained) is None
    assert service.to_be_assessed(session, here, MODEL) is retrained
    with pytest.raises(NotFoundError, match="outcome"):
        service.outcome_of(session, here, retrained.id)


def test_a_gain_that_is_certain_helped(
    session: Session, here: Federation, retrained: RetrainRequest
) -> None:
    beside(session, here, [24, 25, 26], "1", "2", gain=0.08)
    found = assessed(session, here, retrained)
    assert found is not None
    assert found.answer == "helped"
    told = found.measured
    assert told["error_before"] == pytest.approx(0.3, abs=0.01)
    assert told["error_if_not"] == pytest.approx(0.3, abs=0.01)
    assert told["error_after"] == pytest.approx(0.216, abs=0.01)
    assert told["gain"]["lower"] > 0
    assert told["share"]["mean"] == pytest.approx(0.84, abs=0.1)  # of an excess of 0.1
    assert (told["rounds"], told["clients"], told["both_ran"]) == (3, 6, "as a candidate")
    assert service.to_be_assessed(session, here, MODEL) is None
    assert assessed(session, here, retrained) is None


def test_cohorts_below_the_minimum_are_not_told(
    session: Session, here: Federation, retrained: RetrainRequest
) -> None:
    """JFK has two clients of the three that it takes, and would follow from EWR."""
    beside(session, here, [24, 25, 26], "1", "2", gain=0.08)
    found = assessed(session, here, retrained)
    assert found is not None
    assert found.measured["cohorts"] == []


def test_cohorts_that_may_be_shown_have_their_own_figures(
    session: Session, here: Federation, retrained: RetrainRequest
) -> None:
    here.min_cohort_size = 2
    beside(session, here, [24, 25, 26], "1", "2", gain=0.08)
    found = assessed(session, here, retrained)
    assert found is not None
    assert [cohort["cohort"] for cohort in found.measured["cohorts"]] == ["hub=EWR", "hub=JFK"]
    assert all(one["error_after"] < one["error_if_not"] for one in found.measured["cohorts"])


def test_a_cohort_that_is_worse_off_is_no_success(
    session: Session, here: Federation, retrained: RetrainRequest
) -> None:
    here.min_cohort_size = 2
    beside(session, here, [24, 25, 26], "1", "2", gain=0.08, harm=0.05)
    found = assessed(session, here, retrained)
    assert found is not None
    assert found.answer == "did_not_help"
    assert found.why.startswith("It is worse for hub=EWR; for all: ")


def test_the_old_version_as_a_shadow_counts_the_other_way_round(
    session: Session, here: Federation, retrained: RetrainRequest
) -> None:
    beside(session, here, [24, 25, 26], "2", "1", gain=-0.08)
    found = assessed(session, here, retrained)
    assert found is not None
    assert (found.answer, found.measured["both_ran"]) == ("helped", "with the old one as a shadow")
    assert found.measured["error_after"] < found.measured["error_if_not"]


@pytest.mark.parametrize(("gain", "rounds"), [(-0.08, 3), (0.0, 8)])
def test_a_loss_or_no_gain_in_time_did_not_help(
    session: Session, here: Federation, retrained: RetrainRequest, gain: float, rounds: int
) -> None:
    beside(session, here, range(24, 23 + rounds), "1", "2", gain)
    if gain == 0:
        assert assessed(session, here, retrained) is None
    beside(session, here, [23 + rounds], "1", "2", gain)
    found = assessed(session, here, retrained)
    assert found is not None
    assert found.answer == "did_not_help"


def test_a_version_that_runs_alone_is_not_measured(
    session: Session, here: Federation, retrained: RetrainRequest
) -> None:
    serve(session, here, range(24, 31), 0.2, version="2")
    assert assessed(session, here, retrained) is None
    serve(session, here, [31], 0.2, version="2")
    found = assessed(session, here, retrained)
    assert found is not None
    assert found.answer == "not_measured"


def test_no_second_try_before_somebody_allows_it(
    session: Session, here: Federation, retrained: RetrainRequest, watch: Watch
) -> None:
    beside(session, here, [24, 25, 26], "1", "2", gain=-0.08)
    assert assessed(session, here, retrained) is not None
    watch.forward(days=30)
    assert service.consider(session, here, ask(60)) is None
    assert service.decisions_of(session, here.id)[0].answer == "did_not_help"
    service.allow_again(session, here, retrained.id, PERSON, "the labels were mended")
    assert actions(session)[0] == "retraining.allow_again"
    assert service.consider(session, here, ask(61)) is not None


def test_a_persons_own_request_allows_it_too(
    session: Session, here: Federation, retrained: RetrainRequest, watch: Watch
) -> None:
    beside(session, here, [24, 25, 26], "1", "2", gain=-0.08)
    outcome = assessed(session, here, retrained)
    assert outcome is not None
    watch.forward(days=30)
    service.request(session, here, ask(60), PERSON)
    assert (outcome.allowed_by, outcome.allowed_at) == (PERSON, watch.at)


def test_what_was_seen_weighs_in_the_next_sum(
    session: Session, here: Federation, retrained: RetrainRequest, watch: Watch
) -> None:
    beside(session, here, [24, 25, 26], "1", "2", gain=0.01)
    found = assessed(session, here, retrained)
    assert found is not None
    before = retrained.benefit
    watch.forward(days=30)
    made = service.consider(session, here, ask(60))
    assert made is not None
    assert before is not None
    assert made.benefit is not None
    assert (before["seen"], made.benefit["seen"]) == (0, 1)
    assert made.benefit["saved"] / made.benefit["excess"] < before["saved"] / before["excess"]
