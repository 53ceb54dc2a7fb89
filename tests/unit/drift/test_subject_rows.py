"""What dashboards read of verdicts: one row a subject and scope, and only what is shown."""

import json
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlmodel import Session, select

from app.core import migrations
from app.core.database import Database
from app.core.ids import new_id
from app.drift.subject_rows import OUTCOMES, rows_of, worst_of
from app.drift.tables import RoundSubject, Verdict
from app.federations.tables import Federation
from app.rounds.tables import Round, RoundAggregate
from tests.unit.dashboards import scenario
from tests.unit.registry.lifecycle import AT, stored_round

FEDERATION = Federation(name="flights", title="Flights", created_at=AT)
ROUND = stored_round(FEDERATION, 1, "evaluate", id=new_id())
EVERYONE, EWR = ("federation", ""), ("cohort", "hub=EWR")


def verdict(detector: str, outcome: str, effect: float | None = None, **more: Any) -> Verdict:
    told: dict[str, Any] = {
        "scope": "federation",
        "scope_key": "",
        "subject": "log_loss",
        "threshold": 0.05,
        "effect_unit": "nats",
        "error_budget": 0.05,
        "family": "concept",
        "explanation": {},
    }
    return Verdict(detector=detector, outcome=outcome, effect=effect, **(told | more))


def test_the_outcome_is_the_worst_and_the_numbers_are_in_the_subjects_unit() -> None:
    alarm = verdict("page-hinkley", "warning", 8.0, threshold=0.0, effect_unit="sd")
    test = verdict("median-shift", "stable", -0.02, explanation={"within_client": -0.02})
    (row,) = rows_of(ROUND, [alarm, test], {EVERYONE})
    assert OUTCOMES[row.outcome] == "warning"
    assert (row.detector, row.effect, row.effect_unit) == ("median-shift", -0.02, "nats")
    assert row.effect_ratio == pytest.approx(0.4)
    assert row.within_client == -0.02
    assert [answer["detector"] for answer in row.answers] == ["page-hinkley", "median-shift"]


def test_of_equal_answers_the_larger_effect_counts() -> None:
    smaller, larger = verdict("ks", "drift", 0.1), verdict("energy", "drift", 0.3)
    (row,) = rows_of(ROUND, [larger, smaller], {EVERYONE})
    assert row.detector == "energy"


def test_what_may_not_be_shown_and_clients_have_no_row() -> None:
    cohort = verdict("ks", "drift", 0.1, scope="cohort", scope_key="hub=EWR")
    client = verdict("ks", "drift", 0.1, scope="client", scope_key="c_1")
    assert list(rows_of(ROUND, [cohort, client], {EVERYONE})) == []
    assert len(list(rows_of(ROUND, [cohort, client], {EVERYONE, EWR}))) == 1


def test_a_cohort_alone_does_not_make_the_federation_worse() -> None:
    wide = verdict("ks", "stable", 0.01)
    cohort = verdict("ks", "drift", 0.1, scope="cohort", scope_key="hub=EWR")
    assert OUTCOMES[worst_of(rows_of(ROUND, [wide, cohort], {EVERYONE, EWR}))] == "stable"
    assert worst_of([]) == 0


def test_numbers_that_json_does_not_know_are_left_out() -> None:
    endless = verdict("ks", "drift", 0.1, statistic=float("inf"))
    (row,) = rows_of(ROUND, [endless], {EVERYONE})
    assert json.loads(json.dumps(row.answers, allow_nan=False))[0]["statistic"] is None


def test_the_migration_fills_what_the_service_would_have_written(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'vigie.db'}")
    migrations.upgrade(database)
    with database.session_scope() as session:
        scenario.seed(session)
    before = rows_in(database)
    assert before
    command.downgrade(migrations.config(database), "-1")
    migrations.upgrade(database)
    assert rows_in(database) == before
    with database.read_scope() as session:
        assert len(session.exec(select(Round)).all()) == 5
        assert session.exec(select(RoundAggregate)).first()
    database.dispose()


def rows_in(database: Database) -> list[dict[str, Any]]:
    with database.read_scope() as session:
        return sorted(
            (row.model_dump() for row in _all(session)), key=lambda row: str(sorted(row.items()))
        )


def _all(session: Session) -> list[RoundSubject]:
    return list(session.exec(select(RoundSubject)))
