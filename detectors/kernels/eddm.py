"""EDDM over rounds and streams; `detectors.sequential.eddm.Eddm` is the reference."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.sequential.blocks.block import Signal, Signals

WARNING, DRIFT = int(Signal.WARNING), int(Signal.DRIFT)


@njit(cache=True)
def run_eddm(
    values: FloatArray,
    present: NDArray[np.bool_],
    signals: Signals,
    count: NDArray[np.int64],
    errors: NDArray[np.int64],
    last_error: NDArray[np.int64],
    mean: FloatArray,
    squares: FloatArray,
    largest: FloatArray,
    warning: NDArray[np.uint8],
    warm_start: int,
    alpha: float,
    beta: float,
) -> None:
    """Take outcomes of shape (rounds, streams) where present; a drift leaves a fresh stream."""
    for row in range(values.shape[0]):
        for i in range(values.shape[1]):
            if not present[row, i]:
                continue
            count[i] += 1
            if values[row, i] != 0:
                distance = count[i] - last_error[i]
                last_error[i] = count[i]
                errors[i] += 1
                before = mean[i]
                mean[i] += (1.0 / errors[i]) * (distance - before)
                squares[i] += (distance - before) * (distance - mean[i])
                if count[i] > warm_start:
                    variance = squares[i] / (errors[i] - 1) if errors[i] > 1 else 0.0
                    level = mean[i] + 2 * variance**0.5
                    if level > largest[i]:
                        largest[i] = level
                    elif errors[i] > warm_start:
                        similarity = level / largest[i]
                        if similarity < beta:
                            signals[row, i] = DRIFT
                        else:
                            warning[i] = similarity < alpha
            signals[row, i] |= WARNING * warning[i]
            if signals[row, i] & DRIFT:
                count[i] = errors[i] = last_error[i] = 0
                mean[i] = squares[i] = 0.0
                largest[i] = -1.0
                warning[i] = 0
