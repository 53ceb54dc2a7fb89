"""`python -m benchmarks.dashboards.explain`: times of all queries, and the plans of the slowest.

As `EXPLAIN (ANALYZE, BUFFERS)` has them. What it printed last is kept in `plans.txt` beside this.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from benchmarks.dashboards.queries import queries
from benchmarks.dashboards.server import filled

SHOWN = 8


@dataclass(frozen=True)
class Plan:
    """How PostgreSQL answered a query, and in how many milliseconds."""

    name: str
    milliseconds: float
    text: str


def plans(url: str) -> Iterator[Plan]:
    """The plan of each query, run once before so that what it reads is in memory."""
    with psycopg.connect(url, autocommit=True) as connection:
        for query in queries():
            connection.execute(query.text).fetchall()
            rows = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS) {query.text}").fetchall()
            text = "\n".join(line for (line,) in rows)
            times = re.findall(r"(?:Planning|Execution) Time: ([\d.]+) ms", text)
            yield Plan(query.name, sum(map(float, times)), text)


if __name__ == "__main__":
    with filled() as url:
        found = sorted(plans(url), key=lambda plan: -plan.milliseconds)
    for plan in found:
        print(f"{plan.milliseconds:8.1f} ms  {plan.name}")
    for plan in found[:SHOWN]:
        print(f"\n== {plan.name}\n{plan.text}")
