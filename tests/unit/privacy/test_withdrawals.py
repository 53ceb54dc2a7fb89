"""A client that leaves: erased wherever it is kept, refused from then on, and named nowhere."""

import json
from typing import Any

import pytest
from numpy.random import default_rng
from sqlalchemy import inspect
from sqlmodel import col, select, text
from typer.testing import CliRunner

from app.cli import cli
from app.core.settings import Settings
from app.drift.tables import Verdict
from app.federations.roles import Role
from app.incidents.tables import Incident
from app.rounds.blocks import unpack
from app.rounds.tables import PrivacyLedger, ReportBlock, Round
from tests.rounds import pseudonym, record
from tests.unit.privacy.place import Place

GONE = pseudonym(0)


def year(place: Place, steps: range = range(1, 15)) -> None:
    """Calm rounds of six clients, then four in which client 0 has twice as many late."""
    rng = default_rng(2013)
    place.policy(incidents={"scopes": ["federation", "cohort", "client"]})
    for step in steps:
        late = [200 + (250 if name == 0 and step > 10 else 0) for name in range(6)]
        records = [
            record(name, 1000, late[name] + int(rng.normal(0, 10)), cohorts={"hub": "EWR"})
            for name in range(6)
        ]
        assert place.push(*records, step=step).status_code == 202
        place.judge()


def withdraw(place: Place, *clients: str) -> dict[str, Any]:
    answer = place.post("/withdrawals", Role.ADMIN, {"clients": list(clients)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def everything(place: Place, *without: str) -> str:
    """Every value of every table but some, with what is packed in blobs unpacked."""
    with place.database.read_scope() as session:
        tables = set(inspect(session.get_bind()).get_table_names()) - set(without)
        rows = [session.exec(text(f"SELECT * FROM {table}")).all() for table in sorted(tables)]
        packed = [unpack(block.data).to_pylist() for block in session.exec(select(ReportBlock))]
        ledgers = [ledger.data.hex() for ledger in session.exec(select(PrivacyLedger))]
    return f"{rows} {packed} {ledgers}"


def test_nothing_of_the_client_is_left_but_a_mark(place: Place) -> None:
    year(place)
    assert GONE in everything(place)
    assert [i for i in place.get("/incidents") if i["scope"] == "client"]
    done = withdraw(place, GONE)
    assert (done["withdrawn"], done["records"], done["rounds"]) == (1, 14, 14)
    assert done["verdicts"] > 0
    assert GONE not in everything(place)
    for round_ in place.get("/rounds"):
        assert round_["withdrawn"] == 1
    (reference,) = place.get("/references?model=late-arrival")
    assert reference["withdrawn"] == 1


def test_what_was_found_about_the_client_is_blank(place: Place) -> None:
    year(place)
    withdraw(place, GONE)
    with place.database.read_scope() as session:
        marked = session.exec(select(Verdict).where(col(Verdict.scope_key).startswith("w_"))).all()
        assert marked
        for verdict in marked:
            assert verdict.outcome == "insufficient_evidence"
            assert verdict.effect is verdict.statistic is verdict.p_value is verdict.q_value is None
            assert verdict.explanation == {"missing": "the client withdrew"}
        incidents = session.exec(select(Incident).where(Incident.scope == "client")).all()
        assert {(i.state, i.resolution) for i in incidents} == {("resolved", "withdrawn")}
        assert all("w_" in incident.cause for incident in incidents)


def test_the_others_are_as_they_were(place: Place) -> None:
    year(place, range(1, 4))
    before = place.get("/rounds")
    withdraw(place, GONE)
    with place.database.read_scope() as session:
        from app.rounds import service

        ids = [round_.id for round_ in session.exec(select(Round))]
        left = service.reports_of(session, ids)
    assert {report.client for report in left} == {pseudonym(name) for name in range(1, 6)}
    assert len(left) == 15
    assert [one["accepted"] for one in place.get("/rounds")] == [one["accepted"] for one in before]


def test_later_records_are_refused_and_counted(place: Place) -> None:
    year(place, range(1, 2))
    withdraw(place, GONE)
    receipt = place.push(record(0), record(1), step=2).json()
    assert [(one["index"], one["code"]) for one in receipt["refusals"]] == [(0, "withdrawn_client")]
    assert receipt["accepted"] == 1
    assert place.get("/refusals")["by_code"] == {"withdrawn_client": 1}
    assert place.push(record(0), step=3).status_code == 422
    assert GONE not in everything(place)


def test_a_client_opts_out_before_it_ever_took_part(place: Place) -> None:
    assert withdraw(place, GONE) == {"withdrawn": 1, "records": 0, "rounds": 0, "verdicts": 0}
    receipt = place.push(record(0), record(1), step=1).json()
    assert [one["code"] for one in receipt["refusals"]] == ["withdrawn_client"]


def test_once_more_changes_nothing(place: Place) -> None:
    year(place, range(1, 3))
    withdraw(place, GONE)
    before = everything(place, "api_keys", "audit_log", "audit_head")
    assert withdraw(place, GONE) == {"withdrawn": 0, "records": 0, "rounds": 0, "verdicts": 0}
    assert everything(place, "api_keys", "audit_log", "audit_head") == before
    assert len(withdrawals_of(place)) == 1
    assert [one["withdrawn"] for one in place.get("/rounds")] == [1, 1]


def withdrawals_of(place: Place) -> list[dict[str, Any]]:
    entries = place.get("/audit", Role.AUDITOR)
    return [entry for entry in entries if entry["action"] == "client.withdraw"]


def test_the_audit_log_keeps_the_fact_and_no_pseudonym(place: Place) -> None:
    year(place, range(1, 3))
    withdraw(place, GONE)
    (entry,) = withdrawals_of(place)
    assert entry["after"]["records"] == 2
    assert [mark[:2] for mark in entry["after"]["marks"]] == ["w_"]
    assert GONE not in json.dumps(place.get("/audit", Role.AUDITOR))


def test_its_privacy_ledger_is_gone_too(place: Place) -> None:
    laplace = {"mechanism": "laplace", "epsilon": 1.0, "sensitivity": 1.0}
    place.push(record(0), record(1), privacy=laplace)
    assert GONE[2:] in everything(place)
    withdraw(place, GONE)
    assert GONE[2:] not in everything(place)
    spent = place.get("/privacy")
    assert [one["client"] for one in spent["most_spent"]] == [pseudonym(1)]


@pytest.mark.parametrize("clients", [[], ["jane@example.org"], ["c_" + "Z" * 32], "c_"])
def test_what_is_no_pseudonym_is_refused(place: Place, clients: Any) -> None:
    answer = place.post("/withdrawals", Role.ADMIN, {"clients": clients})
    assert answer.status_code == 422


def test_another_federations_client_of_the_same_pseudonym_stays(place: Place) -> None:
    from app.federations import service as federations
    from app.federations.schemas import FederationIn
    from app.rounds import withdrawals

    with place.database.session_scope() as session:
        other = federations.create(session, FederationIn(name="trains", title="Trains"), "test")
        marks = withdrawals.withdraw(session, other, [GONE]).marks
    place.push(record(0), step=1)
    assert withdraw(place, GONE)["records"] == 1
    assert marks[GONE] not in json.dumps(place.get("/audit", Role.AUDITOR))


def test_on_the_machine_itself(
    place: Place, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.push(record(0), record(1), step=1)
    monkeypatch.setattr("app.commands.federations.settings", lambda: settings)
    run = CliRunner().invoke(cli, ["federations", "withdraw", "flights", GONE])
    assert run.exit_code == 0, run.output
    assert "1 client(s) withdrew: 1 record(s) in 1 round(s) erased" in run.output
    assert CliRunner().invoke(cli, ["federations", "withdraw", "flights", "jane"]).exit_code != 0
    told = CliRunner().invoke(cli, ["federations", "privacy", "flights"])
    assert "0 client(s) with declared noise" in told.output
