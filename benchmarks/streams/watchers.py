"""Who watches the errors: this library on rounds, river's detectors on single examples.

Ours takes what a server gets, the mean of a merged batch, standardises and pre-whitens it by what
the first rounds show, and hands it to CUSUM or to the e-process. river's are as they come, with
their defaults and a seed for KSWIN, on every single value.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from benchmarks.streams.trials import Trial, rounds
from detectors.arrays import FloatArray
from detectors.sequential.cusum import Cusum
from detectors.sequential.mean_eprocess import MeanEProcess
from detectors.series.whitening import Baseline, innovations

Watcher: TypeAlias = Callable[[Trial], list[int]]
CUSUM_LIMIT = 8.0  # a false alarm in some 10,000 rounds at an allowance of half a deviation
LARGEST_SCORE = 10.0  # deviations: what was constant has none, and one round is enough at 10


def cusum_on_rounds(size: int, reference: int) -> Watcher:
    """CUSUM on standardised error rates of batches of `size`; the first `reference` are known."""
    return lambda trial: _on_rounds(Cusum(k=0.5, h=CUSUM_LIMIT), trial, size, reference)


def eprocess_on_rounds(size: int, reference: int) -> Watcher:
    """The e-process: at most 1% of streams without change ever alarm, however long."""
    return lambda trial: _on_rounds(
        MeanEProcess(alpha=0.01, reference_size=reference), trial, size, reference
    )


def river_on_examples(name: str) -> Watcher:
    """One of river's, on every single value."""
    return lambda trial: alarms_of(river(name), trial.values)


def river(name: str) -> Any:  # noqa: ANN401 - river has no types
    """A fresh detector of river's with its defaults."""
    from river import drift  # noqa: PLC0415 - costs a second

    binary = {"HDDM_A": drift.binary.HDDMA, "HDDM_W": drift.binary.HDDMW, "DDM": drift.binary.DDM}
    if name == "KSWIN":
        return drift.KSWIN(seed=1)
    return {"ADWIN": drift.ADWIN, "Page-Hinkley": drift.PageHinkley, **binary}[name]()


def alarms_of(detector: Any, values: FloatArray) -> list[int]:  # noqa: ANN401 - river has no types
    """Return the positions at which a detector alarms."""
    alarms = []
    for position, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            alarms.append(position)
    return alarms


def _on_rounds(
    detector: Cusum | MeanEProcess, trial: Trial, size: int, reference: int
) -> list[int]:
    """Return the last example of every round with an alarm."""
    values = rounds(trial, size)
    known = values[:reference]
    baseline = Baseline.fit(known)
    rho = float(baseline.mean_rho[0])
    spread = float(baseline.weights[:, 0] @ baseline.spread[:, 0])
    if trial.errors:
        spread = max(spread, _sampling_sd(known, size) * (1 - rho**2) ** 0.5)
    scores = innovations(values - baseline.level[0, 0], rho)[reference - 1 :] / spread
    alarms = alarms_of(detector, np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE))
    return [(reference + at + 1) * size - 1 for at in alarms]


def _sampling_sd(rates: FloatArray, size: int) -> float:
    """Return the sd that counting alone gives a round's rate; one error more keeps it above 0."""
    rate = (float(rates.sum()) * size + 1) / (rates.size * size + 2)
    return float(np.sqrt(rate * (1 - rate) / size))
