"""The database: engine, column types, and the one owner of transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    Engine,
    bindparam,
    create_engine,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator
from sqlmodel import Session, SQLModel, select

# Named constraints are what lets a migration change one of them, on every database.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# AnyIO runs `def` routes on 40 threads; fewer connections would make them wait for each other.
POOL_SIZE, POOL_OVERFLOW = 20, 25
BUSY_SECONDS = 30
_TURN = "turn"
_KEY = func.hashtextextended(bindparam("key"), 0)
_ALONE = select(func.pg_advisory_xact_lock(_KEY))
_BESIDE = select(func.pg_advisory_xact_lock_shared(_KEY))
_SIZES = {
    "postgresql": text("SELECT pg_database_size(current_database())"),
    "sqlite": text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"),
}

# JSONB where there is one; a Python None is SQL's NULL, not JSON's.
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Utc(TypeDecorator[datetime]):
    """A point in time, aware and UTC on both sides; SQLite alone would hand back naive ones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To UTC; a naive time is a bug of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; use app.core.clock.now().")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Aware and UTC, whatever the driver returned."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """An engine and the two ways to use it: one that writes, one that only reads."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _make_engine(url)
        self._readers = self.engine.execution_options(vigie_reads=True)

    @contextmanager
    def session_scope(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Nothing else in the service commits.
        """
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read_scope(self) -> Iterator[Session]:
        """One transaction that only reads: on SQLite it waits for no writer."""
        with Session(self._readers, expire_on_commit=False) as session, session.begin():
            yield session

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def insert_unless_there(session: Session, row: SQLModel) -> bool:
    """Insert a row; False, and nothing done, where one like it was there first."""
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


def size_of(session: Session) -> int:
    """How many bytes the database takes on its disk."""
    dialect = session.get_bind().dialect.name
    return int(session.connection().execute(_SIZES[dialect]).scalar_one())


def one_at_a_time(session: Session, key: str) -> None:
    """Let one transaction at a time past here under this key; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.exec(_ALONE, params={"key": key})


def beside_others(session: Session, key: str) -> None:
    """Let any number of transactions past here, but none beside `one_at_a_time` under this key."""
    if session.get_bind().dialect.name == "postgresql":
        session.exec(_BESIDE, params={"key": key})


@lru_cache
def database(url: str) -> Database:
    """The database at `url`, one for each process (call it after any fork)."""
    return Database(url)


def _make_engine(url: str) -> Engine:
    if url.startswith("sqlite"):
        engine = create_engine(
            url,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            hide_parameters=True,  # errors are logged, and parameters hold what must not be
        )
        event.listen(engine, "connect", _prepare_sqlite)
        turns = _Turns()
        event.listen(engine, "begin", turns.begin)
        event.listen(engine, "checkin", turns.done)
        return engine
    return create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_pre_ping=True,
        hide_parameters=True,
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection
    connection.isolation_level = None  # the driver begins nothing by itself: `_begin_sqlite` does
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a commit survives a power cut
    connection.execute("PRAGMA foreign_keys=ON")


class _Turns:
    """The writers of one process take turns; left to SQLite they would sleep and try again.

    A turn lasts from a transaction's first statement until its connection is back in the pool, so
    that one who waits for a turn holds nothing that the writer needs.
    """

    def __init__(self) -> None:
        self._lock = Lock()

    def begin(self, connection: Connection) -> None:
        """Begin as a reader, or take a turn and the database's lock with it."""
        if connection.get_execution_options().get("vigie_reads", False):
            connection.exec_driver_sql("BEGIN")
            return
        if _TURN not in connection.info and self._lock.acquire(timeout=BUSY_SECONDS):
            connection.info[_TURN] = True
        # A writer takes its lock at once: two that read first and write later would deadlock.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def done(self, _connection: object, record: ConnectionPoolEntry) -> None:
        """Let the next one write."""
        if record.info.pop(_TURN, False):
            self._lock.release()
