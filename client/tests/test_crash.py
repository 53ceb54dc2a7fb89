"""A reporter that is killed with -9 loses nothing and repeats nothing that takes effect."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import vigie_client
from vigie_client import RoundReporter

if TYPE_CHECKING:
    from conftest import LoopbackService

# Pushes, then stays; says of each push that it was taken once `push` has returned.
CHILD = """
import sys, threading
from vigie_client import RoundReporter

url, key, spool, run, size = sys.argv[1:]
reporter = RoundReporter(url, key, "stroke", spool)
clients = [{"client": f"c_{n:032x}", "counts": list(range(50))} for n in range(int(size))]
for number in range(200):
    body = {"attempt": 1, "global_step": number, "clients": clients}
    reporter.push(run, number, "fit", body)
    print(number, flush=True)
threading.Event().wait()
"""


def start_child(*arguments: str) -> subprocess.Popen[str]:
    source = Path(vigie_client.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )


def kill_after(child: subprocess.Popen[str], pushes: int) -> list[int]:
    """Read until so many pushes were taken, kill, and return all that the child said."""
    assert child.stdout is not None
    with child, child.stdout as said:
        taken = [int(next(said)) for _ in range(pushes)]
        child.kill()
        return taken + [int(line) for line in said if line.endswith("\n")]


@pytest.fixture(params=["the service answers", "the service keeps its answers back"])
def answering(request: pytest.FixtureRequest, loopback: LoopbackService) -> Iterator[None]:
    if request.param == "the service keeps its answers back":
        loopback.hold.clear()
    yield
    loopback.hold.set()


@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize("size", [0, 1000], ids=["small rounds", "rounds of 1000 clients"])
def test_every_push_that_was_taken_is_delivered_once(
    loopback: LoopbackService, key: str, tmp_path: Path, size: int
) -> None:
    taken = {}
    for kill, pushes in enumerate([1, 7, 30]):
        run = f"run-{kill}"
        child = start_child(loopback.url, key, str(tmp_path), run, str(size))
        taken[run] = kill_after(child, pushes)
    loopback.hold.set()
    with RoundReporter(loopback.url, key, "stroke", tmp_path) as reporter:
        assert reporter.flush(60)
        assert (reporter.pending, reporter.refused) == (0, 0)
    for run, numbers in taken.items():
        expected = [f"/v1/federations/stroke/runs/{run}/rounds/{n}/fit" for n in numbers]
        assert [path for path in loopback.first_seen if path in set(expected)] == expected
    assert loopback.conflicts == 0
    receipts = len(list((tmp_path / "receipts").iterdir()))
    assert receipts == len(loopback.first_seen) >= sum(map(len, taken.values()))
