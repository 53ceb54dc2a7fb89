"""Where client records live: one packed value a chunk, against rows for values or clients.

Each way stores the same round durably (one commit) and reads it back as columns, on SQLite and on
PostgreSQL. Parquet is packed as the same one value.
"""

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
)

from app.core.database import Database
from app.rounds.blocks import pack, unpack
from app.rounds.columns import batch_of_trees, trees_of
from app.rounds.layout import layout_of
from app.rounds.schemas import BinSpecIn
from benchmarks.harness import Case, Row, at_most, faster, main
from benchmarks.ingesting.payload import BIN_SPEC, records
from tests.servers import running_postgres

SIZES = (10, 1000, 20_000)
REPEATS = {10: 20, 1000: 5, 20_000: 1}
LAYOUT = layout_of(BinSpecIn.model_validate(BIN_SPEC), ())

metadata = MetaData()
VALUES = Table(
    "bench_values",
    metadata,
    Column("client", String),
    Column("name", String),
    Column("place", Integer),
    Column("value", Float),
)
CLIENTS = Table("bench_clients", metadata, Column("client", String), Column("record", JSON))
BLOCKS = Table("bench_blocks", metadata, Column("chunk", Integer), Column("data", LargeBinary))
FILES = Table("bench_files", metadata, Column("chunk", Integer), Column("data", LargeBinary))
MOST_BY_VALUE = 1000  # clients; at 20,000 a row a value takes the better part of a minute


@dataclass(frozen=True)
class Way:
    """A way to keep a round: into which table, as which rows, and back."""

    name: str
    table: Table
    rows: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
    back: Callable[[list[Any]], object]


def _batch(trees: list[dict[str, Any]]) -> pa.RecordBatch:
    return batch_of_trees(trees, LAYOUT)


def _values(trees: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"client": tree["client"], "name": name, "place": place, "value": float(value)}
        for tree in trees
        for name, values in _flat(tree)
        for place, value in enumerate(values)
    ]


def _flat(tree: dict[str, Any]) -> Iterator[tuple[str, list[float]]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", [number]) for inner, number in value.items())
        elif isinstance(value, list):
            yield name, value
        elif name != "client":
            yield name, [value]


def _parquet(trees: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_batches([_batch(trees)]), sink, compression="zstd")
    return [{"chunk": 0, "data": sink.getvalue()}]


OURS = Way(
    "packed columns",
    BLOCKS,
    lambda trees: [{"chunk": 0, "data": pack(_batch(trees))}],
    lambda rows: unpack(rows[0].data),
)
PEERS = (
    Way("a row a value", VALUES, _values, lambda rows: [row.value for row in rows]),
    Way(
        "a JSON row a client",
        CLIENTS,
        lambda trees: [{"client": tree["client"], "record": tree} for tree in trees],
        lambda rows: _batch([row.record for row in rows]),
    ),
    Way("Parquet", FILES, _parquet, lambda rows: pq.read_table(io.BytesIO(rows[0].data))),
)


def storing() -> Iterator[Row]:
    """Time to store and to read back, by size, way and database."""
    for name, database in _databases():
        with database as opened:
            for size in SIZES:
                yield from _compared(opened, name, records(size))


def sizes() -> Iterator[Row]:
    """Bytes a client record takes, against the same as JSON and as Parquet."""
    trees = trees_of(_batch(records(1000)))
    ours = len(OURS.rows(trees)[0]["data"])
    as_json = sum(len(json.dumps(tree, separators=(",", ":"))) for tree in trees)
    yield at_most("bytes a record, against JSON", ours / 1000, as_json / 1000, "B")
    yield at_most(
        "bytes a record, against twice Parquet's",
        ours / 1000,
        len(_parquet(trees)[0]["data"]) / 500,
        "B",
    )


def _compared(database: Database, name: str, trees: list[dict[str, Any]]) -> Iterator[Row]:
    repeats = REPEATS[len(trees)]
    for peer in PEERS:
        if peer.table is VALUES and len(trees) > MOST_BY_VALUE:
            continue
        at = f"{name}, {len(trees)} clients, against {peer.name}"
        storing = partial(_store, database, OURS, trees), partial(_store, database, peer, trees)
        yield faster(f"stored: {at}", *storing, goal=1.0, repeats=repeats)
        reading = partial(_read, database, OURS), partial(_read, database, peer)
        yield faster(f"read back: {at}", *reading, goal=1.0, repeats=repeats)


def _store(database: Database, way: Way, trees: list[dict[str, Any]]) -> None:
    with database.engine.begin() as connection:
        connection.execute(delete(way.table))
        connection.execute(insert(way.table), way.rows(trees))


def _read(database: Database, way: Way) -> object:
    with database.engine.connect() as connection:
        return way.back(_all(connection, way))


def _all(connection: Connection, way: Way) -> list[Any]:
    return list(connection.execute(select(way.table)))


def _databases() -> Iterator[tuple[str, Any]]:
    yield "SQLite", _on_sqlite()
    yield "PostgreSQL", _on_postgres()


@contextmanager
def _on_sqlite() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder, _prepared(f"sqlite:///{folder}/b.db") as database:
        yield database


@contextmanager
def _on_postgres() -> Iterator[Database]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_postgres(Path(folder), durable=True) as url,
        _prepared(url) as database,
    ):
        yield database


@contextmanager
def _prepared(url: str) -> Iterator[Database]:
    database = Database(url)
    with database.engine.begin() as connection:
        metadata.create_all(connection)
    yield database
    database.dispose()


CASES = [Case("storing", storing), Case("sizes", sizes)]

if __name__ == "__main__":
    main("storage", CASES)
