"""Withdrawal and the ledger on a real PostgreSQL, with its cursors, its types and its locks."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlmodel import select

from app.core.database import beside_others, one_at_a_time
from app.core.settings import Settings
from app.federations.roles import Role
from app.rounds.blocks import unpack
from app.rounds.tables import PrivacyLedger, ReportBlock
from tests.rounds import pseudonym, record
from tests.servers import migrated_postgres
from tests.unit.privacy.place import Place

pytestmark = pytest.mark.postgres

LAPLACE = {"mechanism": "laplace", "epsilon": 1.0, "sensitivity": 1.0}
ROUNDS = 120  # more than a cursor hands out at once


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """The embedded profile, but on a migrated PostgreSQL."""
    with migrated_postgres(tmp_path) as url:
        yield Settings(data_dir=tmp_path, secret="s" * 32, database_url=url)


def test_a_client_is_erased_from_more_chunks_than_fit_in_one_fetch(place: Place) -> None:
    place.policy(privacy={"epsilon_budget": 500.0})
    for step in range(1, ROUNDS + 1):
        push = place.push(record(0), record(1), step=step, privacy=LAPLACE)
        assert push.status_code == 202, push.text
    assert place.get("/privacy")["most_spent"][0]["epsilon"] == pytest.approx(ROUNDS, rel=0.2)
    answer = place.post("/withdrawals", Role.ADMIN, {"clients": [pseudonym(0)]})
    assert (answer.json()["records"], answer.json()["rounds"]) == (ROUNDS, ROUNDS)
    with place.database.read_scope() as session:
        left = [
            unpack(block.data).to_pydict()["client"] for block in session.exec(select(ReportBlock))
        ]
        (spent,) = session.exec(select(PrivacyLedger)).all()
    assert left == [[pseudonym(1)]] * ROUNDS
    assert pseudonym(0)[2:] not in spent.data.hex()
    refused = place.push(record(0), step=ROUNDS + 1, privacy=LAPLACE)
    assert refused.json()["errors"][0]["code"] == "withdrawn_client"


def test_a_withdrawal_waits_for_pushes_and_pushes_do_not_wait_for_each_other(place: Place) -> None:
    first = Event()

    def withdraw() -> None:
        with place.database.session_scope() as session:
            one_at_a_time(session, "withdrawals")
            first.set()

    with place.database.session_scope() as one, place.database.session_scope() as two:
        beside_others(one, "withdrawals")
        beside_others(two, "withdrawals")
        thread = Thread(target=withdraw)
        thread.start()
        assert not first.wait(0.3)
    thread.join(10)
    assert first.is_set()
