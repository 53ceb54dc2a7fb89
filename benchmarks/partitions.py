"""What partitions and binary COPY would gain client-level data on PostgreSQL: see ADR 0016.

Blocks as they are (`report_blocks`: one packed value a chunk) for 5,000 rounds of 200 clients, of
which retention drops a twelfth at a time; and one push of 20,000 clients.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import LiteralString

import psycopg

from benchmarks.harness import Case, Row, at_least, at_most, main
from tests.servers import running_postgres

ROUNDS, CLIENTS, RECORD_BYTES, PARTS = 5000, 200, 176, 12
LARGEST_PUSH = 20_000 * RECORD_BYTES
REPEATS = 5
# An hour has 3,600,000 ms: retention runs once in each.
MOST_RETENTION_MS = 5000.0

WHOLE = "CREATE TABLE whole (round_id int, part int, data bytea, PRIMARY KEY (round_id))"
FORGET = "UPDATE whole SET data = NULL WHERE part = %s"
PARTED = "CREATE TABLE parted (round_id int, part int, data bytea) PARTITION BY LIST (part)"


def retention() -> Iterator[Row]:
    """Milliseconds to drop a twelfth of the records, by row and by partition."""
    with _server() as connection:
        _fill(connection)
        rows = [_ms(connection, FORGET, (part,)) for part in range(REPEATS)]
        parts = [_ms(connection, f"DROP TABLE parted_{part}") for part in range(REPEATS)]
        yield at_most("records forgotten by row", sorted(rows)[2], MOST_RETENTION_MS, "ms")
        yield at_most("records forgotten by partition", sorted(parts)[2], MOST_RETENTION_MS, "ms")


def bulk() -> Iterator[Row]:
    """Milliseconds to store a push's one value by binary COPY, against half of INSERT's."""
    with _server() as connection:
        connection.execute("CREATE TABLE blocks (data bytea)")
        data = os.urandom(LARGEST_PUSH)
        _insert(connection, data), _copy(connection, data)
        pairs = [(_insert(connection, data), _copy(connection, data)) for _ in range(4 * REPEATS)]
        inserted, copied = (sorted(times)[len(times) // 2] for times in zip(*pairs, strict=True))
        # COPY must win twofold to be worth a second path; below that INSERT stays.
        yield at_least("binary COPY of a push, against half of INSERT", copied, inserted / 2, "ms")


def _fill(connection: psycopg.Connection) -> None:
    connection.execute(WHOLE)
    connection.execute(PARTED)
    for part in range(PARTS):
        table = f"CREATE TABLE parted_{part} PARTITION OF parted FOR VALUES IN ({part})"
        connection.execute(table)
    for number in range(ROUNDS):
        row = (number, number * PARTS // ROUNDS, os.urandom(CLIENTS * RECORD_BYTES))
        connection.execute("INSERT INTO whole VALUES (%s, %s, %s)", row)
        connection.execute("INSERT INTO parted VALUES (%s, %s, %s)", row)
    connection.commit()


def _ms(
    connection: psycopg.Connection, statement: LiteralString, values: tuple[int, ...] = ()
) -> float:
    started = perf_counter()
    connection.execute(statement, values)
    connection.commit()
    return 1000 * (perf_counter() - started)


def _insert(connection: psycopg.Connection, data: bytes) -> float:
    started = perf_counter()
    connection.execute("INSERT INTO blocks VALUES (%b)", (data,))
    connection.commit()
    return 1000 * (perf_counter() - started)


def _copy(connection: psycopg.Connection, data: bytes) -> float:
    started = perf_counter()
    with connection.cursor().copy("COPY blocks FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["bytea"])
        copy.write_row((data,))
    connection.commit()
    return 1000 * (perf_counter() - started)


@contextmanager
def _server() -> Iterator[psycopg.Connection]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_postgres(Path(folder), durable=True) as url,
        psycopg.connect(url.replace("+psycopg", "")) as connection,
    ):
        yield connection


CASES = [Case("retention", retention), Case("bulk", bulk)]

if __name__ == "__main__":
    main("partitions", CASES)
