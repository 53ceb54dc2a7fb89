"""Each rule of the policy: what it lets through, what it holds back, and how it says so."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import Session

from app.core.errors import NotFoundError
from app.drift.explaining.schemas import Fitting
from app.federations.tables import Federation
from app.registry import service as registry
from app.retraining import service
from app.retraining.errors import NoRollbackProposedError, NotProposedError
from app.retraining.tables import RetrainRequest
from tests.audited import actions
from tests.unit.retraining.conftest import Watch
from tests.unit.retraining.histories import beside, drifted, fitted, serve
from tests.unit.retraining.requests import MODEL, OTHER, PERSON, ask, claim, trained
from tests.unit.retraining.test_asking import set_policy


def answers(session: Session, here: Federation) -> list[tuple[str, str]]:
    """The decisions, oldest first."""
    found = service.decisions_of(session, here.id)
    return [(one.answer, one.why) for one in found[::-1]]


def done(session: Session, here: Federation, step: int = 23) -> RetrainRequest:
    """A request that was carried out."""
    asked = service.consider(session, here, ask(step))
    assert asked is not None
    claimed = claim(session, here)
    assert claimed is not None
    return service.complete(session, here, claimed.id, trained(weights=str(step % 10)))


def test_a_decision_is_kept_once_however_often_it_is_made(
    session: Session, here: Federation, watch: Watch
) -> None:
    for step in (23, 24, 25):
        watch.forward(hours=1)
        service.consider(session, here, ask(step, severity="info"))
    watch.forward(hours=1)
    service.consider(session, here, ask(26))
    kept = answers(session, here)
    assert [answer for answer, _ in kept] == ["severity", "asked"]
    assert kept[0][1] == "It is of severity info, not warning or critical."


def test_the_sum_is_on_the_request_and_the_decision(session: Session, here: Federation) -> None:
    drifted(session, here)
    fitted(session, here)
    made = service.consider(session, here, ask())
    assert made is not None
    assert made.benefit is not None
    assert made.benefit["excess"] == pytest.approx(0.1, abs=0.01)
    assert made.benefit["examples_a_week"] == pytest.approx(3_000, rel=0.1)
    cost = made.benefit["cost"]
    assert cost["client_seconds"] == pytest.approx(20 * 6 * 30)
    assert (cost["bytes"], cost["watt_hours"]) == (20 * 6e6, 20 * 6 * 5)
    ((answer, why),) = answers(session, here)
    assert answer == "asked"
    assert why == made.benefit["sentence"]
    assert "costs 1 client-hours, 120 MB, 600 Wh" in why


def test_of_fewer_clients_than_the_minimum_no_cost_is_told(
    session: Session, here: Federation
) -> None:
    fitted(session, here, clients=2)
    made = service.consider(session, here, ask())
    assert made is not None
    assert made.benefit is not None
    assert made.benefit["cost"]["client_seconds"] is None


@pytest.mark.parametrize(("excess", "asked"), [(0.1, True), (0.0001, False)])
def test_only_what_pays_is_asked_where_it_has_to(
    session: Session, here: Federation, excess: float, asked: bool
) -> None:
    set_policy(session, here, benefit={"required": True})
    drifted(session, here, excess)
    fitted(session, here)
    assert (service.consider(session, here, ask()) is not None) == asked
    ((answer, why),) = answers(session, here)
    assert answer == ("asked" if asked else "does_not_pay")
    assert "probability" in why


def test_what_is_not_known_does_not_pay(session: Session, here: Federation) -> None:
    set_policy(session, here, benefit={"required": True})
    assert service.consider(session, here, ask()) is None
    assert answers(session, here) == [
        ("does_not_pay", "It is not expected to pay: the version's error is not known.")
    ]


def test_the_weeks_requests_are_limited(session: Session, here: Federation, watch: Watch) -> None:
    set_policy(session, here, budget={"requests": 1}, cooldown_rounds=0)
    done(session, here, 23)
    watch.forward(days=6)
    assert service.consider(session, here, ask(30)) is None
    assert answers(session, here)[-1] == ("budget", "1 of the week's 1 requests are made.")
    watch.forward(days=1, seconds=1)
    assert service.consider(session, here, ask(31)) is not None


def test_the_weeks_client_hours_are_limited(
    session: Session, here: Federation, watch: Watch
) -> None:
    set_policy(session, here, budget={"client_hours": 1.5}, cooldown_rounds=0)
    drifted(session, here)
    fitted(session, here)
    done(session, here, 23)
    watch.forward(days=1)
    assert service.consider(session, here, ask(24)) is None
    assert answers(session, here)[-1] == (
        "budget",
        "1 of the week's 1.5 client-hours are spent, and it needs 1.",
    )


@pytest.mark.parametrize(
    ("hour", "quiet"), [(21, False), (22, True), (23, True), (0, True), (5, True), (6, False)]
)
def test_quiet_hours_go_past_midnight(
    session: Session, here: Federation, watch: Watch, hour: int, quiet: bool
) -> None:
    set_policy(session, here, quiet_hours=[22, 6])
    watch.forward(hours=hour)
    assert (service.consider(session, here, ask()) is None) == quiet
    assert (answers(session, here)[0][0] == "quiet_hours") == quiet


@pytest.mark.parametrize(("limit", "free"), [(2.0, True), (0.5, False)])
def test_above_a_cost_a_person_has_to_say_yes(
    session: Session, here: Federation, limit: float, free: bool
) -> None:
    set_policy(session, here, approval={"client_hours": limit})
    fitted(session, here)
    made = service.consider(session, here, ask())
    assert made is not None
    assert made.state == ("requested" if free else "proposed")
    assert (claim(session, here) is not None) == free
    if not free:
        assert made.proposal is not None
        assert "above 0.5 client-hours a person has to say yes" in made.proposal["why"]
        assert answers(session, here)[0][0] == "awaits_approval"


def test_a_cost_that_nobody_knows_is_above_every_limit(session: Session, here: Federation) -> None:
    set_policy(session, here, approval={"gigabytes": 1000})
    made = service.consider(session, here, ask())
    assert made is not None
    assert made.state == "proposed"


@pytest.fixture
def proposed(session: Session, here: Federation) -> RetrainRequest:
    """A request that waits for a person's yes."""
    set_policy(session, here, approval={"client_hours": 0})
    made = service.consider(session, here, ask())
    assert made is not None
    return made


def test_a_yes_lets_it_be_claimed(
    session: Session, here: Federation, proposed: RetrainRequest, watch: Watch
) -> None:
    watch.forward(hours=70)
    service.approve(session, here, proposed.id, PERSON, "before the winter")
    assert actions(session)[0] == "retraining.approve"
    watch.forward(hours=70)
    assert service.release_expired(session) == 0
    assert claim(session, here) is proposed
    assert proposed.approved_by == PERSON
    with pytest.raises(NotProposedError, match="is claimed"):
        service.approve(session, here, proposed.id, PERSON, "again")


def test_without_a_yes_it_expires(
    session: Session, here: Federation, proposed: RetrainRequest, watch: Watch
) -> None:
    watch.forward(hours=72)
    assert service.release_expired(session) == 1
    assert proposed.state == "expired"


def test_a_no_ends_it(session: Session, here: Federation, proposed: RetrainRequest) -> None:
    service.cancel(session, here, proposed.id, PERSON, "too dear")
    assert (proposed.state, claim(session, here)) == ("cancelled", None)


def test_it_is_another_federations_secret(
    session: Session, here: Federation, proposed: RetrainRequest
) -> None:
    other = here.model_copy(update={"id": proposed.id})
    with pytest.raises(NotFoundError):
        service.approve(session, other, proposed.id, PERSON, "mine")


@pytest.fixture
def recurring(session: Session, here: Federation, watch: Watch) -> RetrainRequest:
    """Version 2 drifts, and version 1 fits: what was known is back."""
    done(session, here, 10)
    watch.forward(weeks=20)
    beside(session, here, [20, 21, 22], "2", "1", gain=0.1)
    made = service.consider(session, here, ask(23, base_version="2"))
    assert made is not None
    return made


def test_a_version_that_fitted_is_proposed_before_any_training(
    session: Session, here: Federation, recurring: RetrainRequest
) -> None:
    assert recurring.state == "proposed"
    assert recurring.proposal is not None
    assert recurring.proposal["roll_back_to"] == "1"
    assert recurring.proposal["error"] < recurring.proposal["error_in_use"]
    assert "Roll back to it before any training." in recurring.proposal["why"]
    assert answers(session, here)[-1][0] == "roll_back_proposed"


def test_taking_the_rollback_drafts_a_promotion(
    session: Session, here: Federation, recurring: RetrainRequest
) -> None:
    registry.model_named(session, here.id, MODEL).champion = "2"
    draft = service.roll_back_instead(session, here, recurring.id, PERSON, "it is back")
    assert (draft.candidate, draft.champion, draft.state) == ("1", "2", "draft")
    assert recurring.state == "cancelled"
    assert {"retraining.roll_back", "promotion.draft"} <= set(actions(session))
    with pytest.raises(NoRollbackProposedError):
        service.roll_back_instead(session, here, recurring.id, PERSON, "again")


def test_a_version_whose_reference_is_back_is_proposed(
    session: Session, here: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no earlier version ran beside the one in use, what its rounds were like decides."""
    done(session, here, 10)
    known = Fitting(
        version="1",
        reference=1,
        since=datetime(2026, 3, 1, tzinfo=UTC),
        until=datetime(2026, 3, 31, tzinfo=UTC),
        metric="error_rate",
        figure_then=0.21,
        figure_now=0.3,
        probability=0.97,
        p_value=0.4,
        subjects=["feature:hour"],
    )
    monkeypatch.setattr("app.drift.service.fitting_version", lambda *_: known)
    made = service.consider(session, here, ask(23, base_version="2"))
    assert made is not None
    assert made.proposal is not None
    assert made.proposal["roll_back_to"] == "1"
    assert made.proposal["why"] == (
        "Version 1 fits what the rounds show now: error rate 0.21 against 0.3 of the version in"
        " use, by its reference of 2026-03-01 to 2026-03-31 UTC, which the newest rounds are like"
        " in feature:hour (97% probable). Roll back to it before any training."
    )


def test_a_version_that_fits_no_better_is_not_proposed(session: Session, here: Federation) -> None:
    done(session, here, 10)
    beside(session, here, [20, 21, 22], "2", "1", gain=-0.05)
    made = service.consider(session, here, ask(23, base_version="2"))
    assert made is not None
    assert made.state == "requested"


@pytest.mark.parametrize(
    ("clients", "scope", "planned"),
    [
        ("all", "cohort", {"which": "all"}),
        ("drifted", "cohort", {"which": "drifted", "cohort": "hub=EWR"}),
        ("weighted", "cohort", {"which": "weighted", "cohort": "hub=EWR", "weight": 3.0}),
        ("drifted", "federation", {"which": "all"}),
        ("drifted", "client", {"which": "all"}),  # nobody is singled out
    ],
)
def test_who_trains_follows_from_who_drifted(
    session: Session, here: Federation, clients: str, scope: str, planned: dict[str, Any]
) -> None:
    set_policy(session, here, clients=clients)
    made = service.consider(session, here, ask(scope=scope, scope_key="hub=EWR"))
    assert made is not None
    assert made.plan["clients"] == planned


def test_a_cohort_alone_costs_less(session: Session, here: Federation) -> None:
    set_policy(session, here, clients="drifted")
    fitted(session, here)
    made = service.consider(session, here, ask(scope="cohort", scope_key="hub=EWR"))
    assert made is not None
    assert made.benefit is not None
    assert made.benefit["cost"]["client_seconds"] == pytest.approx(20 * 4 * 30)


def test_the_calendar_counts_rounds_since_the_last_request(
    session: Session, here: Federation
) -> None:
    set_policy(session, here, schedule={"every_rounds": 10}, cooldown_rounds=0)
    drifted(session, here)  # its reference ends with step 8
    assert service.consider_schedule(session, here, MODEL, 17) is None
    made = service.consider_schedule(session, here, MODEL, 18)
    assert made is not None
    assert made.reason == "10 rounds since it was last trained; the policy's calendar says 10."
    service.cancel(session, here, made.id, PERSON, "no")
    assert service.consider_schedule(session, here, MODEL, 27) is None
    assert service.consider_schedule(session, here, MODEL, 28) is not None


def test_the_calendar_counts_days_without_any_round(
    session: Session, here: Federation, watch: Watch
) -> None:
    set_policy(session, here, schedule={"every_days": 7}, cooldown_rounds=0)
    drifted(session, here)
    watch.forward(days=6)
    service.consider_all_schedules(session)
    assert service.list_of(session, here.id) == []
    watch.forward(days=1)
    service.consider_all_schedules(session)
    (made,) = service.list_of(session, here.id)
    assert (made.base_version, made.requested_step, made.state) == ("1", 23, "requested")


def test_the_old_version_alone_is_no_evidence_of_recurrence(
    session: Session, here: Federation
) -> None:
    done(session, here, 10)
    serve(session, here, range(20, 24), 0.1)
    made = service.consider(session, here, ask(24, base_version="2"))
    assert made is not None
    assert made.state == "requested"
    assert claim(session, here, OTHER) is made
