"""What alarms are worth: delay, missed and false on trials, NAB's score on SKAB."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.streams.readers import Run
from benchmarks.streams.trials import Trial
from benchmarks.streams.watchers import Watcher
from detectors.arrays import FloatArray

WINDOW = 60.0
_FALSE = -0.11


@dataclass(frozen=True)
class Record:
    """Over all trials: mean delay in examples, missed changes, false alarms.

    A missed change is as late as its trial is long.
    """

    delay: float
    missed: int
    false: int

    def dominated_by(self, other: "Record") -> bool:
        """Whether the other is as good in all three and better in one."""
        mine, its = (self.delay, self.missed, self.false), (other.delay, other.missed, other.false)
        return mine != its and all(b <= a for a, b in zip(mine, its, strict=True))


def record(watch: Watcher, trials: Iterable[Trial], round_size: int) -> Record:
    """Let a watcher see every trial.

    An alarm counts at the end of its round, whoever gave it: a server learns of nothing sooner.
    Alarms before the change are false; the first one after is the detection, later ones are not
    counted, since a new model would be trained by then.
    """
    delays, missed, false = [], 0, 0
    for trial in trials:
        alarms = np.array(watch(trial), dtype=np.float64)
        false += int(np.sum(alarms < trial.change))
        after = alarms[alarms >= trial.change]
        missed += not after.size
        known = (after[0] // round_size + 1) * round_size if after.size else len(trial.values)
        delays.append(float(known - trial.change))
    return Record(float(np.mean(delays)), missed, false)


@dataclass(frozen=True)
class NabScore:
    """SKAB's leaderboard figures: NAB's standard profile, missed change points, false alarms."""

    score: float
    missed: int
    false: int


def nab(runs: Sequence[Run], alarms: Sequence[FloatArray]) -> NabScore:
    """Score alarms, in seconds, as SKAB does.

    Each change point opens a window of 60 seconds after it, cut where the one before still lasts.
    The first alarm in a window earns from 1 at its start down to -0.11 at its end, along a tanh;
    others in it count nothing, a window without any costs 1, an alarm outside all of them 0.11.
    100 is perfect and 0 what silence gets. Hotelling's T2 as SKAB sets it misses 71 so, and the
    leaderboard's misses 70; with windows before, or around, change points it would miss 73 to 87.
    """
    points, missed, false = 0.0, 0, 0
    for run, found in zip(runs, alarms, strict=True):
        outside = np.ones(found.size, dtype=np.bool_)
        for low, high in _windows(run.changes):
            inside = (found >= low) & (found <= high)
            outside &= ~inside
            missed += not inside.any()
            points += _earned(float(found[inside][0]), low, high) if inside.any() else -1.0
        false += int(outside.sum())
    changes = sum(run.changes.size for run in runs)
    score = 100 * (points + _FALSE * false + changes) / (2 * changes)
    return NabScore(score, missed, false)


def _windows(changes: FloatArray) -> list[tuple[float, float]]:
    windows: list[tuple[float, float]] = []
    for change in changes.tolist():
        low = max(change, windows[-1][1]) if windows else change
        windows.append((low, change + WINDOW))
    return windows


def _earned(alarm: float, low: float, high: float) -> float:
    place = np.pi * ((alarm - low) / (high - low) - 0.5) if high > low else 0.0
    return float((1 - _FALSE) / 2 * (1 - np.tanh(place) / np.tanh(np.pi / 2)) + _FALSE)
