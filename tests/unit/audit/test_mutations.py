"""A thousand random mutations of the audit table, each found with a checkpoint kept elsewhere."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import Session, col, delete, select, update

from app.audit import service as audit
from app.audit.errors import BrokenChainError
from app.audit.schemas import Checkpoint
from app.audit.tables import AuditEntry, AuditHead
from app.core.database import Database

MUTATIONS, ENTRIES = 1000, 12
Mutation = Callable[[Session, Random], None]


@pytest.fixture
def chain(database: Database) -> Database:
    """A chain whose entries have something in every column, or nothing where that may be."""
    with database.session_scope() as session:
        for n in range(ENTRIES):
            audit.record(
                session,
                actor=audit.Actor("Ada", f"person:{n}") if n % 3 else "service",
                action="test.step",
                entity=f"step:{n}",
                federation_id=UUID(int=n) if n % 2 else None,
                before={"n": n, "deep": {"list": [1, 2.5, None]}} if n % 4 else None,
                after={"n": n + 1, "text": "é"},
                why="because" if n % 5 else None,
            )
    return database


def edit(session: Session, random: Random) -> None:
    """Another value in one column of one entry."""
    entry = _any(session, random)
    name = random.choice([name for name in AuditEntry.model_fields if name != "seq"])
    setattr(entry, name, _other(getattr(entry, name), name, random))
    session.add(entry)
    session.flush()


def _other(value: Any, name: str, random: Random) -> Any:
    if name in {"before", "after"}:
        return random.choice([{"n": -1}, {}, (value or {}) | {"more": None}])
    if name == "federation_id":
        return UUID(int=random.getrandbits(128)) if value is None or random.random() < 0.5 else None
    if name == "at":
        return value + timedelta(microseconds=random.choice([-1, 1, 10**6]))
    if name in {"actor_id", "why"} and value is not None and random.random() < 0.5:
        return None
    text = value or "x"
    place = random.randrange(len(text))
    return text[:place] + chr(ord(text[place]) + 1) + text[place + 1 :]


def remove(session: Session, random: Random) -> None:
    """Some entries gone from the middle, or the end."""
    first = random.randint(1, ENTRIES)
    last = random.randint(first, ENTRIES)
    session.exec(delete(AuditEntry).where(col(AuditEntry.seq).between(first, last)))


def swap(session: Session, random: Random) -> None:
    """Two entries in each other's place, everything but the number."""
    one, other = random.sample(range(1, ENTRIES + 1), 2)
    for seq, target in ((one, 10**6), (other, one), (10**6, other)):
        session.exec(update(AuditEntry).where(col(AuditEntry.seq) == seq).values(seq=target))


def cut_and_mend(session: Session, random: Random) -> None:
    """The end gone, and the head row put right."""
    last = random.randint(0, ENTRIES - 1)
    session.exec(delete(AuditEntry).where(col(AuditEntry.seq) > last))
    _mend_head(session)


def compute_anew(session: Session, random: Random) -> None:
    """An entry edited, every hash from there on computed anew, and the head row put right."""
    entries = _all(session)
    first = random.randrange(ENTRIES)
    entries[first].actor += "!"
    for place in range(first, ENTRIES):
        entry = entries[place]
        entry.previous_hash = entries[place - 1].hash if place else audit.GENESIS
        entry.hash = audit.entry_hash(entry)
    session.add_all(entries)
    session.flush()
    _mend_head(session)


def forge(session: Session, random: Random) -> None:
    """A copy of an entry at the end, under a hash of its own, that the head does not know."""
    facts = _any(session, random).model_dump()
    forged = AuditEntry(**facts | {"seq": ENTRIES + 1, "previous_hash": _all(session)[-1].hash})
    forged.hash = audit.entry_hash(forged)
    session.add(forged)
    session.flush()


def move_head(session: Session, random: Random) -> None:
    """The head row alone."""
    seq = random.choice([0, ENTRIES - 1, ENTRIES + 1])
    session.exec(update(AuditHead).values(seq=seq))


def _any(session: Session, random: Random) -> AuditEntry:
    return random.choice(_all(session))


def _all(session: Session) -> list[AuditEntry]:
    return list(session.exec(select(AuditEntry).order_by(col(AuditEntry.seq))))


def _mend_head(session: Session) -> None:
    entries = _all(session)
    seq, last = (entries[-1].seq, entries[-1].hash) if entries else (0, audit.GENESIS)
    session.exec(update(AuditHead).values(seq=seq, hash=last))


KINDS: list[Mutation] = [
    edit,
    edit,
    edit,
    remove,
    swap,
    cut_and_mend,
    compute_anew,
    forge,
    move_head,
]


def test_a_thousand_mutations_are_all_found(chain: Database) -> None:
    with chain.read_scope() as session:
        checkpoint = audit.verify(session)
    missed = [seed for seed in range(MUTATIONS) if not _is_found(chain, checkpoint, Random(seed))]
    assert missed == []
    with chain.read_scope() as session:
        assert audit.verify(session, checkpoint) == checkpoint


def _is_found(chain: Database, checkpoint: Checkpoint, random: Random) -> bool:
    """Mutate and verify in a transaction that is taken back."""
    with Session(chain.engine, expire_on_commit=False) as session:
        random.choice(KINDS)(session, random)
        session.expunge_all()
        try:
            audit.verify(session, checkpoint)
        except BrokenChainError:
            return True
        finally:
            session.rollback()
    return False
