"""DDM over rounds and streams; `detectors.sequential.ddm.Ddm` is the reference."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.sequential.blocks.block import Signal, Signals

WARNING, DRIFT = int(Signal.WARNING), int(Signal.DRIFT)


@njit(cache=True)
def run_ddm(
    values: FloatArray,
    present: NDArray[np.bool_],
    signals: Signals,
    count: NDArray[np.int64],
    rate: FloatArray,
    least_rate: FloatArray,
    least_error: FloatArray,
    warm_start: int,
    warning_threshold: float,
    drift_threshold: float,
) -> None:
    """Take outcomes of shape (rounds, streams) where present; a drift leaves a fresh stream."""
    for row in range(values.shape[0]):
        for i in range(values.shape[1]):
            if not present[row, i]:
                continue
            count[i] += 1
            rate[i] += (1.0 / count[i]) * (values[row, i] - rate[i])
            if count[i] <= warm_start:
                continue
            error = math.sqrt(rate[i] * (1 - rate[i]) / count[i])
            level = rate[i] + error
            if level <= least_rate[i] + least_error[i]:
                least_rate[i], least_error[i] = rate[i], error
            if level > least_rate[i] + drift_threshold * least_error[i]:
                signals[row, i] = DRIFT
                count[i], rate[i], least_rate[i], least_error[i] = 0, 0.0, np.inf, 0.0
            elif level > least_rate[i] + warning_threshold * least_error[i]:
                signals[row, i] = WARNING
