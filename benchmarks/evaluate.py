"""Drift evaluation through the whole service: how fast, how much of it, and how right.

`python -m benchmarks.evaluate --json --only stroke` runs a part of it; `--full` soaks a federation
without drift for 2,000 rounds instead of 120. Rounds come in over HTTP, and judgements are the
effects of the outbox; the histories, and what is known to happen in them, are in
`benchmarks/worlds`. Those on real data need `../shared/data`.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import numpy as np

from benchmarks.harness import Case, Row, at_least, at_most, main
from benchmarks.worlds import latency, million, tables

SOAK, FULL_SOAK = 120, 2_000
FEDDRIFT = (("SINE", "A"), ("CIRCLE", "A"), ("SEA", "A"), ("SEA", "B"))
PERCENTILE = 0.95
GIB = 2**30


def latencies(
    name: str, start: Callable[[], AbstractContextManager[str]], limit: float
) -> Iterator[Row]:
    """From the push's 202 to stored verdicts and an open incident."""
    with start() as service:
        taken = latency.seconds(service)
    what = f"a round of {latency.CLIENTS:,} clients judged, 95th percentile, {name}"
    yield at_most(what, float(np.quantile(taken, PERCENTILE)), limit, "s")


def streams() -> Iterator[Row]:
    """A million streams, by one worker process and by two."""
    count = million.CLIENTS * million.STREAMS_OF_A_CLIENT
    one, two, apart = million.advance(1), million.advance(2), million.advance_apart(2)
    what = f"{count:,} client-metric streams advanced by one round"
    yield at_most(f"{what}, one worker", one.seconds, 10, "s")
    yield at_most(f"{what}: memory of the worker", one.peak_bytes / GIB, 2, "GiB")
    yield at_least(f"{what}: two workers, times one", one.seconds / two.seconds, 1.7, "times")
    alone = f"{what}: two services with a worker each, times one (what this machine gives)"
    yield at_least(alone, 2 * one.seconds / apart, 1.7, "times")


def cases(soak: int) -> list[Case]:
    """Every claim, with so many rounds without drift."""
    return [
        Case("latency, embedded", partial(latencies, "embedded", latency.embedded, 1.0)),
        Case("latency, full", partial(latencies, "PostgreSQL and Redis", latency.full, 0.5)),
        Case("streams", streams),
        Case("soak without drift", partial(tables.quiet, soak)),
        Case("stroke", tables.stroke),
        Case("beijing", tables.beijing),
        *(
            Case(f"feddrift {stream} {name}", partial(tables.feddrift, stream, name))
            for stream, name in FEDDRIFT
        ),
        *(Case(f"table of {name}", partial(tables.against, name)) for name in tables.WORLDS),
    ]


if __name__ == "__main__":
    full = "--full" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--full"]  # the rest is common
    main("evaluate", cases(FULL_SOAK if full else SOAK))
