"""The ledger: declared noise adds up, receipts warn, and past the budget records are refused."""

from typing import Any

import pytest
from sqlmodel import select

from app.audit.tables import AuditEntry
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.tables import Federation
from app.rounds import accounting, ledger
from tests.rounds import pseudonym, record
from tests.unit.privacy.place import Place

LAPLACE = {"mechanism": "laplace", "epsilon": 1.0, "sensitivity": 1.0}


def push(place: Place, step: int, *names: str, **privacy: Any) -> dict[str, Any]:
    records = [record(name) for name in names]
    answer = place.push(*records, step=step, privacy={**LAPLACE, **privacy})
    found: dict[str, Any] = answer.json()
    return found


def test_declared_epsilon_adds_up_for_each_client(place: Place) -> None:
    push(place, 1, "AA", "UA")
    push(place, 2, "AA")
    spent = place.get("/privacy")
    assert (spent["clients"], spent["epsilon_budget"], spent["near"]) == (2, None, 0)
    assert spent["worst_epsilon"] == pytest.approx(2.0)
    assert spent["most_spent"] == [
        {"client": pseudonym("AA"), "epsilon": pytest.approx(2.0)},
        {"client": pseudonym("UA"), "epsilon": pytest.approx(1.0)},
    ]


def test_the_same_push_again_spends_nothing_and_a_new_attempt_does(place: Place) -> None:
    for _ in range(2):
        push(place, 1, "AA")
    assert place.get("/privacy")["worst_epsilon"] == pytest.approx(1.0)
    place.push(record("AA"), step=1, attempt=2, privacy=LAPLACE)
    assert place.get("/privacy")["worst_epsilon"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    "privacy", [{"mechanism": "none"}, {"secure_aggregation": True, "cohort_size": 5}]
)
def test_what_costs_nothing_is_in_no_ledger(place: Place, privacy: dict[str, Any]) -> None:
    push(place, 1, "AA", **privacy)
    assert place.get("/privacy")["clients"] == 0


def test_near_the_budget_receipts_warn_and_the_audit_log_has_it(place: Place) -> None:
    place.policy(privacy={"epsilon_budget": 3.0})
    assert push(place, 1, "AA", "UA")["warnings"] == []
    push(place, 2, "AA")
    receipt = push(place, 3, "AA", "UA")
    assert receipt["warnings"] == ["privacy_budget_near: 1 client(s)"]
    with place.database.read_scope() as session:
        entries = session.exec(select(AuditEntry).where(AuditEntry.action == "round.ingest"))
        assert [entry.after["warnings"] for entry in entries][-1] == receipt["warnings"]
    spent = place.get("/privacy")
    assert (spent["near"], spent["exhausted"]) == (1, 1)


def test_past_the_budget_a_record_is_refused_and_the_others_are_not(place: Place) -> None:
    place.policy(privacy={"epsilon_budget": 1.0})
    push(place, 1, "AA")
    receipt = place.push(
        record("UA"), record("DL", cohorts={"no": "such"}), record("AA"), step=2, privacy=LAPLACE
    ).json()
    assert (receipt["accepted"], receipt["quarantined"]) == (1, 2)
    assert [(one["index"], one["code"]) for one in receipt["refusals"]] == [
        (1, "unknown_cohort_tag"),
        (2, "privacy_budget_exceeded"),
    ]
    assert place.get("/refusals")["by_code"]["privacy_budget_exceeded"] == 1
    assert place.get("/privacy")["worst_epsilon"] == pytest.approx(1.0)
    refused = push(place, 3, "AA")
    assert refused["errors"][0]["code"] == "privacy_budget_exceeded"


def test_only_those_who_may_read_clients_see_which_of_them(place: Place) -> None:
    push(place, 1, "AA")
    assert place.get("/privacy", Role.VIEWER)["most_spent"] is None
    shown = place.get("/privacy", Role.ON_CALL)["most_spent"][0]["client"]
    assert shown.startswith("d_")


def test_many_clients_in_any_order_keep_their_own_sums(
    place: Place, federation: Federation
) -> None:
    names = [pseudonym(number) for number in range(500)]
    cost = accounting.cost_of(LAPLACE)
    assert cost is not None
    with place.database.session_scope() as session:
        here = federations.get(session, federation.id)
        for step in range(1, 5):
            ledger.charge(session, here, cost, names[::step])
        most = dict(ledger.spent_in(session, here).most)
        assert len(most) == ledger.MOST_LISTED
    assert most[names[0]] == pytest.approx(4.0)
    for number in (12, 24, 36):
        assert most[names[number]] == pytest.approx(4.0)
