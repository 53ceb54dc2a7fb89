"""The database: engine, column types, and the one owner of transactions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock
from time import monotonic
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Insert,
    bindparam,
    create_engine,
    event,
    func,
    text,
)
from sqlalchemy import insert as sqlalchemy_insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DisconnectionError, IntegrityError
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

KEPT_CONNECTIONS = 20  # of a pool, while idle; what is beyond is closed after use
BUSY_SECONDS = 30
TRUSTED_SECONDS = 1.0  # so long is a connection taken to be alive without asking
_TURN, _IDLE_SINCE = "turn", "idle since"
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


@dataclass(frozen=True)
class Pool:
    """How many connections a process may have at most, and how PostgreSQL's are used.

    AnyIO runs `def` routes on 40 threads: with fewer connections they wait for each other.
    `prepared`: frequent statements are prepared on the server, which a pooler between transactions
    (pgbouncer) cannot bear.
    """

    connections: int = 45
    prepared: bool = True

    @property
    def options(self) -> dict[str, int]:
        """As SQLAlchemy has it."""
        kept = min(KEPT_CONNECTIONS, self.connections)
        return {"pool_size": kept, "max_overflow": self.connections - kept}


class Database:
    """An engine and the ways to use it: to write, to read, and to ask a single query."""

    def __init__(self, url: str, pool: Pool | None = None) -> None:
        self.url = url
        self.engine = _make_engine(url, pool or Pool())
        self.after_commit: list[Callable[[Session], None]] = []
        self._readers = self.engine.execution_options(vigie_reads=True)
        self._askers = self._readers
        if self.engine.dialect.name == "postgresql":
            self._askers = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def session_scope(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Nothing else in the service commits. Whoever is in `after_commit` is told, and neither
        raises nor waits.
        """
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session
        for tell in self.after_commit:
            tell(session)

    @contextmanager
    def read_scope(self) -> Iterator[Session]:
        """One transaction that only reads: on SQLite it waits for no writer."""
        with Session(self._readers, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def query_scope(self) -> Iterator[Session]:
        """One query: PostgreSQL is asked once, where a transaction would ask it three times."""
        with Session(self._askers, expire_on_commit=False) as session, session.begin():
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


def insert_plainly(session: Session, row: SQLModel) -> None:
    """Insert a row that the session shall not track: a third of the time of one that it does."""
    session.connection().execute(_inserts(type(row)), row.model_dump())


def insert_once(session: Session, row: SQLModel) -> bool:
    """Insert a row plainly; False, and nothing done, where one with a key of its is there.

    The database decides: of two transactions that ask at once, neither sees the other's row.
    """
    connection = session.connection()
    insert = _inserts_once(type(row), connection.dialect.name)
    return bool(connection.execute(insert, row.model_dump()).rowcount)


@lru_cache(maxsize=64)
def _inserts(model: type[SQLModel]) -> Insert:
    return sqlalchemy_insert(model)


@lru_cache(maxsize=64)
def _inserts_once(model: type[SQLModel], dialect: str) -> Insert:
    if dialect == "postgresql":
        return postgresql.insert(model).on_conflict_do_nothing()
    return sqlite.insert(model).on_conflict_do_nothing()


def size_of(session: Session) -> int:
    """How many bytes the database takes on its disk."""
    dialect = session.get_bind().dialect.name
    return int(session.connection().execute(_SIZES[dialect]).scalar_one())


def one_at_a_time(session: Session, key: str) -> None:
    """Let one transaction at a time past here under this key; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(_ALONE, {"key": key})


def beside_others(session: Session, key: str) -> None:
    """Let any number of transactions past here, but none beside `one_at_a_time` under this key."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(_BESIDE, {"key": key})


@lru_cache
def database(url: str, pool: Pool | None = None) -> Database:
    """The database at `url`, one for each process (call it after any fork)."""
    return Database(url, pool)


def _make_engine(url: str, pool: Pool) -> Engine:
    if url.startswith("sqlite"):
        engine = create_engine(
            url,
            **pool.options,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            hide_parameters=True,  # errors are logged, and parameters hold what must not be
        )
        event.listen(engine, "connect", _prepare_sqlite)
        turns = _Turns()
        event.listen(engine, "begin", turns.begin)
        event.listen(engine, "checkin", turns.done)
        return engine
    unprepared = {} if pool.prepared else {"prepare_threshold": None}
    engine = create_engine(url, **pool.options, connect_args=unprepared, hide_parameters=True)
    pings = _Pings(engine)
    event.listen(engine, "checkout", pings.check)
    event.listen(engine, "checkin", pings.note)
    return engine


class _Pings:
    """Sees to it that a connection which lay idle for a while is still one.

    The engine's own ping asks at every checkout: a trip to the server for each transaction.
    """

    def __init__(self, engine: Engine) -> None:
        self._dialect = engine.dialect

    def note(self, _connection: object, record: ConnectionPoolEntry) -> None:
        """Remember since when a connection has nothing to do."""
        record.info[_IDLE_SINCE] = monotonic()

    def check(self, connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:  # noqa: ANN401 - a DBAPI connection
        """Ask one that was idle; the pool replaces one that is dead."""
        since = record.info.get(_IDLE_SINCE, float("inf"))
        if monotonic() - since > TRUSTED_SECONDS and not self._answers(connection):
            raise DisconnectionError

    def _answers(self, connection: Any) -> bool:  # noqa: ANN401 - a DBAPI connection
        try:
            return self._dialect.do_ping(connection)
        except self._dialect.loaded_dbapi.Error:
            return False


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
