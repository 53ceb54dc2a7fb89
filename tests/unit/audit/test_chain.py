"""The audit chain: any edit, deletion, reordering or truncation is found."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import text

from app.audit import service as audit
from app.audit.errors import BrokenChainError
from app.audit.schemas import Checkpoint
from app.core.database import Database
from app.federations.tables import Federation

ENTRIES = 6


@pytest.fixture
def chain(database: Database) -> Database:
    """A database with a chain of six entries."""
    with database.session_scope() as session:
        for number in range(ENTRIES):
            audit.record(
                session,
                actor="ada",
                action="test.step",
                entity=f"step:{number}",
                before={"n": number},
                after={"n": number + 1, "text": "é"},
                why="because",
            )
    return database


def tamper(database: Database, *statements: str) -> None:
    with database.session_scope() as session:
        for statement in statements:
            session.exec(text(statement))  # type: ignore[call-overload]


def verify(database: Database, checkpoint: Checkpoint | None = None) -> Checkpoint:
    with database.read_scope() as session:
        return audit.verify(session, checkpoint)


def test_an_untouched_chain_verifies(chain: Database) -> None:
    assert verify(chain).seq == ENTRIES
    assert verify(chain, verify(chain)).seq == ENTRIES


def test_an_empty_chain_verifies(database: Database) -> None:
    assert verify(database) == Checkpoint(seq=0, hash=audit.GENESIS)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    column=st.sampled_from(["actor", "action", "entity", "why", "at", "before", "after", "hash"]),
    seq=st.integers(1, ENTRIES),
)
def test_an_edit_of_any_column_is_found(chain: Database, column: str, seq: int) -> None:
    with chain.read_scope() as session:
        old = session.exec(
            text(f"SELECT {column} FROM audit_log WHERE seq = {seq}")  # type: ignore[call-overload]
        ).scalar_one()
    new = {"at": "2020-01-01 00:00:00", "before": "{}", "after": "{}"}.get(column, "x")
    with chain.session_scope() as session:
        change = text(f"UPDATE audit_log SET {column} = :value WHERE seq = {seq}")
        session.connection().execute(change, {"value": new})
    with pytest.raises(BrokenChainError):
        verify(chain)
    with chain.session_scope() as session:
        session.connection().execute(change, {"value": old})
    assert verify(chain).seq == ENTRIES


@pytest.mark.parametrize("seq", range(1, ENTRIES + 1))
def test_a_deletion_is_found(chain: Database, seq: int) -> None:
    tamper(chain, f"DELETE FROM audit_log WHERE seq = {seq}")
    with pytest.raises(BrokenChainError):
        verify(chain)


def test_reordering_is_found(chain: Database) -> None:
    tamper(
        chain,
        "UPDATE audit_log SET seq = 99 WHERE seq = 2",
        "UPDATE audit_log SET seq = 2 WHERE seq = 3",
        "UPDATE audit_log SET seq = 3 WHERE seq = 99",
    )
    with pytest.raises(BrokenChainError):
        verify(chain)


def test_a_truncation_that_mends_the_head_is_found_by_a_checkpoint(chain: Database) -> None:
    checkpoint = verify(chain)
    tamper(
        chain,
        f"DELETE FROM audit_log WHERE seq = {ENTRIES}",
        f"UPDATE audit_head SET seq = {ENTRIES - 1},"
        f" hash = (SELECT hash FROM audit_log WHERE seq = {ENTRIES - 1})",
    )
    assert verify(chain).seq == ENTRIES - 1
    with pytest.raises(BrokenChainError, match="checkpoint"):
        verify(chain, checkpoint)


def test_an_entry_belongs_to_its_transaction(database: Database, federation: Federation) -> None:
    before = verify(database)
    with pytest.raises(RuntimeError), database.session_scope() as session:
        audit.record(session, actor="ada", action="test.step", entity="step:1")
        raise RuntimeError
    assert verify(database) == before
