"""Soak: memory of one API process under a steady load, minute by minute.

`python -m benchmarks.soak --json --minutes 10`. The resident memory is read from `/proc` once a
second; its slope is Theil's (1950) over what follows the first minute, in which caches, pools and
arenas fill.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Event, Thread

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from benchmarks.harness import Case, Row, at_most, main
from benchmarks.ingesting.sender import Sender
from benchmarks.ingesting.service import Service, on_sqlite

CLIENTS, RATE, CONNECTIONS = 1000, 10, 4  # pushes a second; half of them JSON, half Arrow
WARM_SECONDS, MINUTE = 60.0, 60.0
MEBIBYTE = 2**20
Series = NDArray[np.float64]
# MiB. The allocator gives pages back by tens of MiB at a time, so a slope over minutes is not 0; a
# leak of 4 kB a push is over the first of these.
MOST_SLOPE, MOST_GROWTH, MOST_RESIDENT = 2.0, 32.0, 1024.0


def soak(minutes: float) -> Iterator[Row]:
    """Push for so many minutes, and see how the process grows."""
    with on_sqlite() as service:
        times, sizes = _sampled(service, minutes * MINUTE)
    settled = times >= min(WARM_SECONDS, times[-1] / 2)
    minute, size = times[settled] / MINUTE, sizes[settled]
    slope = float(scipy.stats.theilslopes(size, minute).slope)
    what = f"{minutes:g} minutes of {RATE} pushes a second of {CLIENTS} clients"
    yield at_most(f"{what}: slope of resident memory", slope, MOST_SLOPE, "MiB/min")
    growth = float(np.median(size[-10:]) - np.median(size[:10]))
    yield at_most(f"{what}: growth after the first minute", growth, MOST_GROWTH, "MiB")
    yield at_most(f"{what}: most resident memory", float(sizes.max()), MOST_RESIDENT, "MiB")


def _sampled(service: Service, seconds: float) -> tuple[Series, Series]:
    """Seconds since the start, and MiB resident then, once a second while pushes come."""
    stop = Event()
    threads = [Thread(target=_push, args=(service, number, stop)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    start = time.monotonic()
    samples: list[tuple[float, float]] = []
    while (now := time.monotonic() - start) < seconds and all(map(Thread.is_alive, threads)):
        samples.append((now, _resident(service.pid)))
        time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()
    assert now >= seconds, "a sender gave up"
    times, sizes = np.array(samples).T
    return times, sizes


def _push(service: Service, connection: int, stop: Event) -> None:
    """Push round after round at this connection's share of the pace, until it is over."""
    rounds = service.rounds(f"soak-{connection}", CLIENTS, as_json=connection % 2 == 1)
    with Sender(service.port) as sender:
        while not stop.is_set():
            due = time.monotonic() + CONNECTIONS / RATE
            status, answer = sender.send(next(rounds))
            assert status == 202, answer  # noqa: PLR2004 - accepted
            stop.wait(max(0.0, due - time.monotonic()))


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(kibibytes) * 1024 / MEBIBYTE


def _minutes() -> float:
    """How long, from the command line; what else is there is the harness's to read."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--minutes", type=float, default=10.0)
    told, sys.argv[1:] = parser.parse_known_args()
    return float(told.minutes)


if __name__ == "__main__":
    main("soak", [Case("memory", partial(soak, _minutes()))])
