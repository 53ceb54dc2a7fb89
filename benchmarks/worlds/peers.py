"""What a user would do today, where rows could be had: Evidently on each round, ADWIN on the loss.

Evidently's default preset compares a round's pooled rows with those of the first rounds, and calls
the data drifted when half of the columns are. ADWIN (river's, with its defaults) watches the mean
loss of each round. Both know nothing of clients, so they are let off with finding that something
changed, wherever and in whatever.
"""

import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pandas as pd

from benchmarks.worlds.scoring import Incident
from benchmarks.worlds.world import Change, World, WorldRound

REFERENCE = 8  # rounds, as the service's own default
_LEAST = 1e-15


@dataclass(frozen=True)
class Watched:
    """What a tool made of a world: the rounds' names, what it would open, the processor's time."""

    rounds: Sequence[str]
    incidents: Sequence[Incident]
    cpu_seconds: float


def evidently(world: World, rounds: int | None = None) -> Watched:
    """An incident opens when the data of a round drift and those of the round before did not."""
    from evidently import Report  # noqa: PLC0415 - takes seconds
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    def drifts(reference: "pd.DataFrame", current: "pd.DataFrame") -> bool:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = Report([DataDriftPreset()]).run(current, reference).dict()
        share: float = result["metrics"][0]["value"]["share"]
        return share >= 0.5  # noqa: PLR2004 - the preset's own

    history = islice(world.rounds(), rounds)
    first = list(islice(history, REFERENCE))
    reference = pd.concat([_columns(each) for each in first], ignore_index=True)
    names = [each.name for each in first]
    opened, before, spent = [], False, 0.0
    for each in history:
        names.append(each.name)
        current, start = _columns(each), time.process_time()
        now = drifts(reference, current)
        spent += time.process_time() - start
        if now and not before:
            opened.append(len(names))
        before = now
    return Watched(names, _incidents(opened), spent)


def adwin(world: World, rounds: int | None = None) -> Watched:
    """Each alarm opens an incident."""
    from river.drift import ADWIN  # noqa: PLC0415 - takes a second

    names, losses = [], []
    for each in islice(world.rounds(), rounds):
        names.append(each.name)
        losses.append(_loss(each))
    detector, opened, start = ADWIN(), [], time.process_time()
    for step, loss in enumerate(losses, 1):
        detector.update(loss)
        if detector.drift_detected:
            opened.append(step)
    return Watched(names, _incidents(opened), time.process_time() - start)


def let_off(changes: Iterable[Change]) -> list[Change]:
    """The same changes, found by whatever opens while they last."""
    return [replace(each, scope="federation", clients=(), subjects=("",)) for each in changes]


def _columns(each: WorldRound) -> "pd.DataFrame":
    rows = each.rows()
    return rows.drop(columns="client").assign(label=rows["label"].astype(str))


def _loss(each: WorldRound) -> float:
    rows = each.rows()
    told = np.where(rows["label"] == 1, rows["score"], 1 - rows["score"])
    return float(-np.log(np.maximum(told, _LEAST)).mean())


def _incidents(steps: Iterable[int]) -> list[Incident]:
    place = {"scope": "federation", "scope_key": "", "subject": "", "family": "", "evidence": {}}
    return [{**place, "opened_step": step} for step in steps]
