"""`python -m benchmarks.dashboards --json`: each query of the dashboards, over the whole time.

On a PostgreSQL of its own with 200 clients, 20 subjects and 5,000 rounds; the best of five runs
after one untimed, since other work on the machine only adds, and all rows fetched. `python -m
benchmarks.dashboards.explain` prints the plans.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache, partial
from time import perf_counter
from typing import Any

import psycopg

from benchmarks.dashboards.queries import Query, queries
from benchmarks.dashboards.server import filled
from benchmarks.harness import Case, Row, at_most, main

LIMIT_MS, RUNS = 200.0, 5
_open = ExitStack()


@cache
def _connection() -> psycopg.Connection[Any]:
    """One server for all queries, filled when the first is asked."""
    url = _open.enter_context(filled())
    return _open.enter_context(psycopg.connect(url, autocommit=True))


def _measured(query: Query) -> Iterator[Row]:
    _seconds(query)
    took = min(_seconds(query) for _ in range(RUNS))
    yield at_most(query.name, took * 1000, LIMIT_MS, "ms")


def _seconds(query: Query) -> float:
    connection = _connection()
    started = perf_counter()
    connection.execute(query.text).fetchall()
    return perf_counter() - started


if __name__ == "__main__":
    with _open:
        main("dashboards", [Case(query.name, partial(_measured, query)) for query in queries()])
