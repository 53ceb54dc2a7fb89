"""`python -m benchmarks.streams --json`: changes in four streams, ours beside river's and SKAB's.

A row compares our delay with one peer's and holds unless the peer is as good in delay, missed and
false together and better in one. On SKAB it compares NAB's score. KSWIN, whose tests take minutes
on the RBF stream, is left out there.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from benchmarks.harness import Case, Row, at_least, at_most, main
from benchmarks.streams import readers, sensors
from benchmarks.streams.scoring import NabScore, Record, nab, record
from benchmarks.streams.trials import Trial, elec2_inputs, elec2_trials, rbf_trials, sea_trials
from benchmarks.streams.watchers import (
    Watcher,
    cusum_on_rounds,
    eprocess_on_rounds,
    river_on_examples,
)

RIVER = ("ADWIN", "Page-Hinkley", "HDDM_A", "HDDM_W", "DDM", "KSWIN")
ON_NUMBERS = ("ADWIN", "Page-Hinkley", "KSWIN")
LEADERBOARD = {
    "MSCRED": NabScore(32.4, 55, 342),
    "isolation forest": NabScore(26.2, 76, 135),
    "T2+Q": NabScore(25.35, 72, 232),
    "T2": NabScore(19.5, 70, 106),
}


def on_trials(
    stream: str,
    trials: Callable[[], list[Trial]],
    size: int,
    reference: int,
    peers: Iterable[str],
) -> Iterator[Row]:
    """Rows for both of ours against every peer of river's."""
    tried = trials()
    watchers: dict[str, Watcher] = {
        "CUSUM": cusum_on_rounds(size, reference),
        "e-process": eprocess_on_rounds(size, reference),
    }
    theirs = {name: record(river_on_examples(name), tried, size) for name in peers}
    for name, watch in watchers.items():
        mine = record(watch, tried, size)
        yield at_most(f"{stream}: missed by {name} of {len(tried)}", mine.missed, 0, "changes")
        most = min(each.false for each in theirs.values())
        yield at_most(f"{stream}: false, {name} against river's fewest", mine.false, most, "alarms")
        for peer, its in theirs.items():
            yield _against(f"{stream}: delay, {name} against river's {peer}", mine, its)


def on_sensors() -> Iterator[Row]:
    """Rows for SKAB: both of ours against its leaderboard, its T2 run here, and river's."""
    runs = list(readers.skab())
    peers = {f"leaderboard's {name}": score for name, score in LEADERBOARD.items()}
    peers["SKAB's T2, run here"] = nab(runs, [sensors.skabs_t2(run) for run in runs])
    for name in ON_NUMBERS:
        alarms = [sensors.river_on_t2(run, name) for run in runs]
        peers[f"river's {name}, run here"] = nab(runs, alarms)
    watchers = {"Page-Hinkley": sensors.page_hinkley_on_t2, "e-process": sensors.eprocess_on_t2}
    for name, watch in watchers.items():
        mine = nab(runs, [watch(run) for run in runs])
        for peer, its in peers.items():
            counts = f"missed/false {mine.missed}/{mine.false} and {its.missed}/{its.false}"
            what = f"SKAB: NAB score, our {name} against {peer}, {counts}"
            yield at_least(what, mine.score, its.score, "points")


def _against(what: str, mine: Record, its: Record) -> Row:
    counts = f"missed/false {mine.missed}/{mine.false} and {its.missed}/{its.false}"
    ratio, holds = its.delay / mine.delay, not mine.dominated_by(its)
    return Row(f"{what}, {counts}", mine.delay, its.delay, "examples", ratio, 1.0, holds)


CASES = [
    Case("SEA", partial(on_trials, "SEA", lambda: sea_trials(readers.sea()), 25, 40, RIVER)),
    Case("RBF", partial(on_trials, "RBF", lambda: rbf_trials(readers.rbf()), 10, 50, RIVER[:-1])),
    Case(
        "Elec2",
        partial(on_trials, "Elec2", lambda: elec2_trials(readers.elec2()), 48, 60, RIVER),
    ),
    Case(
        "Elec2 inputs",
        partial(
            on_trials, "Elec2 inputs", lambda: elec2_inputs(readers.elec2()), 48, 60, ON_NUMBERS
        ),
    ),
    Case("SKAB", on_sensors),
]

if __name__ == "__main__":
    if reason := readers.absent():
        sys.exit(f"benchmarks.streams cannot run: {reason}.")
    main("streams", CASES)
