"""FedDrift's client-steps: what the service's verdicts say of them, and the library alone."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.streams.concepts import schedule
from benchmarks.worlds.feddrift import LEAD_IN, FedDrift
from benchmarks.worlds.runner import Played
from benchmarks.worlds.world import POSITIVE_FROM, Examples
from detectors.clients.tracking import track_concepts

WITHIN = 3
ALPHA = 2e-4
Alarms = NDArray[np.bool_]


def of_service(played: Played, clients: int = 10) -> Alarms:
    """Where the service told that a client came under another concept, shape (steps, clients)."""
    alarms = np.zeros((len(played.rounds), clients), dtype=np.bool_)
    for at, verdicts in enumerate(played.verdicts):
        for verdict in verdicts:
            if verdict["detector"] == "concept" and verdict["outcome"] == "drift":
                alarms[at, int(verdict["scope_key"])] = True
    return alarms[LEAD_IN:]


def of_library(world: FedDrift) -> Alarms:
    """The library's alarms on the confusion matrices of the same rounds, shape (steps, clients)."""
    matrices = [[_confusion(client) for client in each.clients] for each in world.rounds()]
    return track_concepts(np.array(matrices), alpha=ALPHA).alarms[LEAD_IN:]


def score(name: str, alarms: Alarms) -> tuple[float, float]:
    """The recall of a schedule's changes within three steps, and false alarms a client-step.

    A change is found by the first alarm before the client's next change, three steps late at most;
    every other alarm is false.
    """
    truth = schedule(name)
    changed = np.zeros(truth.shape, dtype=np.bool_)
    changed[1:] = truth[1:] != truth[:-1]
    found = 0
    for alarmed, changes in zip(alarms.T, changed.T, strict=True):
        steps = np.flatnonzero(changes)
        ends = np.minimum(np.append(steps[1:], len(changes)), steps + WITHIN + 1)
        found += sum(bool(alarmed[step:end].any()) for step, end in zip(steps, ends, strict=True))
    total = int(changed.sum())
    return found / total, (int(alarms.sum()) - found) / (truth.size - total)


def _confusion(examples: Examples) -> NDArray[np.float64]:
    cells = 2 * examples.label + (examples.probability >= POSITIVE_FROM)
    return np.bincount(cells, minlength=4).reshape(2, 2).astype(np.float64)
