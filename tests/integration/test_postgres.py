"""What the service relies on a real PostgreSQL for: locks, types, and migrations."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine
from sqlmodel import Session, col, func, select

from app.audit import service as audit
from app.audit.tables import AuditEntry
from app.core import migrations, outbox
from app.core.database import Database
from app.core.ids import new_id
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.federations.roles import Role
from app.rounds.tables import Round
from tests.rounds import BIN_SPEC, body, record
from tests.servers import migrated_postgres
from workers import tasks
from workers.effects import Local
from workers.relay import relay_due

BIN_SPECS = "/v1/federations/flights/bin-specs"
PUSH = "/v1/federations/flights/runs/run-1/rounds/1/evaluate"
WRITERS, ENTRIES_A_WRITER, PUSHES = 8, 10, 8
ROWS, RESEND_SECONDS = 20, 30.0
TASK = "test.task"

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL whose database `postgres` is migrated, to be copied."""
    with migrated_postgres(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def settings(settings: Settings, server: str) -> Settings:
    """The service on a fresh, migrated database of that server."""
    name = f"vigie_{new_id().hex}"
    other = create_engine(beside(server, "template1"), isolation_level="AUTOCOMMIT")
    with other.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE postgres")
    other.dispose()
    return settings.model_copy(update={"database_url": beside(server, name)})


def beside(address: str, name: str) -> str:
    """The address of another database on the same server."""
    return f"{address.rpartition('/')[0]}/{name}"


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Do the work in that many threads, all let go at the same moment."""
    gate = threading.Barrier(count)

    def wait_and_work(number: int) -> Any:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(wait_and_work, range(count)))


def ask(database: Database, count: int = ROWS) -> None:
    with database.session_scope() as session:
        for _ in range(count):
            outbox.enqueue(session, TASK, new_id())


def test_the_migrated_schema_is_that_of_the_tables_in_code(database: Database) -> None:
    migrations.check(database)


def test_a_claim_skips_rows_that_a_worker_holds(database: Database) -> None:
    ask(database)
    with database.session_scope() as worker, database.session_scope() as sweeper:
        held = worker.exec(select(OutboxRow).limit(ROWS // 2).with_for_update()).all()
        claimed = outbox.claim_due(sweeper, RESEND_SECONDS)
    assert len(claimed) == ROWS // 2
    assert not {delivery.row_id for delivery in claimed} & {row.id for row in held}


def test_sweeps_at_once_put_no_more_in_flight_than_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_IN_FLIGHT", ROWS // 4)
    ask(database)
    sent: list[outbox.Delivery] = []
    at_once(WRITERS, lambda _: relay_due(database, sent.append, RESEND_SECONDS))
    assert len(sent) == len(set(sent)) == ROWS // 4


def test_two_beats_have_periodic_work_done_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_database", lambda: database)

    def remind(_number: int) -> None:
        with tasks._turn("test.remind") as session:
            if session.exec(select(func.count()).select_from(AuditEntry)).one() == 0:
                append(session, "what was due")

    at_once(WRITERS, remind)
    with database.read_scope() as session:
        assert session.exec(select(func.count()).select_from(AuditEntry)).one() == 1


def test_claims_at_once_hand_out_every_row_once(database: Database) -> None:
    ask(database)

    def claim(_number: int) -> list[outbox.Delivery]:
        with database.session_scope() as session:
            return outbox.claim_due(session, RESEND_SECONDS)

    claimed = [delivery for each in at_once(4, claim) for delivery in each]
    assert len(claimed) == len(set(claimed)) == ROWS


def test_what_was_done_long_ago_is_forgotten_batch_by_batch(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_database", lambda: database)
    monkeypatch.setattr(outbox, "FORGOTTEN_AT_ONCE", ROWS // 4)
    ask(database)
    with database.session_scope() as session:
        for row in session.exec(select(OutboxRow).limit(ROWS - 1)):
            row.state, row.due_at = "done", row.due_at - 2 * outbox.KEPT
    at_once(WRITERS, lambda _: tasks.forget_work.run())
    with database.read_scope() as session:
        assert outbox.depth(session) == {"pending": 1, "done": 0, "failed": 0}


def test_a_row_worked_on_by_many_at_once_has_its_effect_once(database: Database) -> None:
    ask(database, 1)
    with database.session_scope() as session:
        (delivery,) = outbox.claim_due(session, RESEND_SECONDS)
    at_once(WRITERS, lambda _: Local(append).run(database, delivery.row_id))
    with database.read_scope() as session:
        assert session.exec(select(func.count()).select_from(AuditEntry)).one() == 1
        assert session.exec(select(OutboxRow.state, OutboxRow.failures)).one() == ("done", 0)


def append(session: Session, subject: object) -> None:
    audit.record(session, actor="test", action="test.tally", entity=f"subject:{subject}")


def test_the_audit_chain_holds_under_concurrent_writers_from_its_first_entry(
    database: Database,
) -> None:
    def write(writer: int) -> None:
        for number in range(ENTRIES_A_WRITER):
            with database.session_scope() as session:
                append(session, f"{writer}.{number}")

    at_once(WRITERS, write)
    with database.read_scope() as session:
        assert audit.verify(session).seq == WRITERS * ENTRIES_A_WRITER


def test_identical_pushes_at_once_are_one_round_with_one_receipt(
    api: TestClient, key_of: Callable[..., dict[str, str]], database: Database
) -> None:
    headers = key_of(Role.INGEST)
    spec = api.post(BIN_SPECS, json=BIN_SPEC, headers=headers).json()["id"]
    content = body(record("AA"), record("UA"), spec=spec)
    answers = at_once(PUSHES, lambda _: api.post(PUSH, json=content, headers=headers))
    assert [answer.status_code for answer in answers] == [202] * PUSHES
    assert all(answer.json() == answers[0].json() for answer in answers)
    with database.read_scope() as session:
        assert session.exec(select(func.count()).select_from(Round)).one() == 1
        assert session.exec(select(func.count()).select_from(OutboxRow)).one() == 1
        audit.verify(session)


def test_times_come_back_aware_and_in_utc(database: Database) -> None:
    elsewhere = datetime(2026, 1, 1, 1, 30, 0, 123456, timezone(timedelta(hours=5, minutes=30)))
    row = OutboxRow(task=TASK, subject=new_id(), key="k", created_at=elsewhere, due_at=elsewhere)
    with database.session_scope() as session:
        session.add(row)
    with database.read_scope() as session:
        session.connection().exec_driver_sql("SET LOCAL TIME ZONE 'America/New_York'")
        back = session.exec(select(OutboxRow.created_at)).one()
    assert back == elsewhere
    assert back.tzinfo is UTC


def test_json_comes_back_as_it_went(database: Database) -> None:
    document = {
        "text": "é \U0001f4a1 ' \" \\",
        "numbers": [0, -1, 2**53, 0.1, 1.0, 1e-300],
        "nested": {"b": [], "a": {}, "none": None, "yes": True},
    }
    with database.session_scope() as session:
        note(session, document)
    with database.read_scope() as session:
        entry = session.exec(select(AuditEntry)).one()
        assert (entry.before, entry.after) == (None, document)
        assert session.exec(select(func.count()).where(col(AuditEntry.before).is_(None))).one() == 1


@pytest.mark.parametrize("number", [0.1, 1.0, -0.0, 5e-324, 1e16, 1e22, 1.7e308, 10**30])
def test_the_audit_chain_holds_whatever_number_an_entry_tells(
    database: Database, number: float
) -> None:
    """JSONB keeps numbers as decimals: 1e22 comes back as an integer, -0.0 without its sign."""
    with database.session_scope() as session:
        note(session, {"number": number})
    with database.read_scope() as session:
        assert audit.verify(session).seq == 1


def note(session: Session, after: dict[str, Any]) -> None:
    audit.record(session, actor="test", action="test.note", entity="note:1", after=after)


def test_a_connection_that_died_while_idle_is_replaced(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(settings.database)
    own = select(func.pg_backend_pid())
    with database.read_scope() as session:
        first = session.exec(own).one()
    other = create_engine(settings.database)
    with other.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({first})")
    other.dispose()
    monkeypatch.setattr("app.core.database.TRUSTED_SECONDS", 0.0)  # idle for long enough
    with database.read_scope() as session:
        assert session.exec(own).one() != first
    database.dispose()
