"""Rows of a benchmark: ours against a named peer, measured in alternation in one run."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


@dataclass(frozen=True)
class Row:
    """One claim. `ratio` is how many times better ours is than the peer's; `goal` the least asked.

    For a quantity without a peer (a rate, a size in memory), `peer` is the limit it is held to.
    """

    what: str
    ours: float
    peer: float
    unit: str
    ratio: float
    goal: float
    holds: bool


@dataclass(frozen=True)
class Case:
    """A named claim that is measured when it is asked for; a case may give several rows."""

    what: str
    measure: Callable[[], Iterable[Row]]


def faster(
    what: str,
    ours: Callable[[], object],
    peer: Callable[[], object],
    *,
    goal: float,
    unit: str = "ms",
    repeats: int = 5,
    per: float = 1.0,
    peer_per: float | None = None,
) -> Row:
    """Time both in alternation, after one untimed run each, and compare their medians.

    `per` divides the time of one call (updates, pairs, subjects in it), `peer_per` the peer's,
    where that was given less to do.
    """
    ours(), peer()
    times: list[tuple[float, float]] = [(_seconds(ours), _seconds(peer)) for _ in range(repeats)]
    scale = UNITS[unit]
    mine = median(time for time, _ in times) * scale / per
    theirs = median(time for _, time in times) * scale / (peer_per or per)
    ratio = theirs / mine
    return Row(what, mine, theirs, unit, ratio, goal, ratio >= goal)


def at_most(what: str, ours: float, limit: float, unit: str) -> Row:
    """State a quantity that may not pass a limit."""
    ratio = limit / ours if ours else float("inf")
    return Row(what, ours, limit, unit, ratio, 1.0, ours <= limit)


def at_least(what: str, ours: float, limit: float, unit: str) -> Row:
    """State a quantity that may not fall below a limit."""
    ratio = ours / limit if limit else float("inf")
    return Row(what, ours, limit, unit, ratio, 1.0, ours >= limit)


def main(name: str, cases: Iterable[Case]) -> None:
    """Run the cases a command line asks for, and print their rows; exit 1 if a goal is missed."""
    arguments = _arguments(name)
    rows: list[Row] = []
    for case in cases:
        if arguments.only in case.what:
            print(f"{case.what} ...", file=sys.stderr, flush=True)
            rows.extend(case.measure())
    if arguments.json:
        print(json.dumps({"rows": [_plain(row) for row in rows]}))
    else:
        Console().print(_table(name, rows))
    sys.exit(0 if all(row.holds for row in rows) else 1)


def _arguments(name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        epilog=f"Example: python -m benchmarks.{name} --json --only ks",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name holds TEXT")
    return parser.parse_args()


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _plain(row: Row) -> dict[str, object]:
    """JSON knows no infinity; a ratio without end is null."""
    values = asdict(row)
    values["ratio"] = None if row.ratio == float("inf") else float(row.ratio)
    values["holds"] = bool(row.holds)  # numpy's is no JSON
    return values


def _table(name: str, rows: Iterable[Row]) -> Table:
    table = Table(title=f"benchmarks.{name}")
    for heading in ("what", "ours", "peer or limit", "unit", "ratio", "goal", "holds"):
        table.add_column(heading)
    for cells in _cells(rows):
        table.add_row(*cells)
    return table


def _cells(rows: Iterable[Row]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        numbers = (f"{row.ours:.4g}", f"{row.peer:.4g}", row.unit, f"{row.ratio:.3g}")
        yield (row.what, *numbers, f"{row.goal:g}", "yes" if row.holds else "NO")
