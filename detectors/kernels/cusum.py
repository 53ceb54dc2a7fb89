"""CUSUM over rounds and streams; `detectors.sequential.cusum.Cusum` is the reference."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.sequential.blocks.block import Signal, Signals

WENT_UP = int(Signal.DRIFT | Signal.UP)
WENT_DOWN = int(Signal.DRIFT | Signal.DOWN)


@njit(cache=True)
def run_cusum(
    values: FloatArray,
    present: NDArray[np.bool_],
    signals: Signals,
    up: FloatArray,
    down: FloatArray,
    k: float,
    h: float,
) -> None:
    """Take values of shape (rounds, streams) where present; a drift leaves both sums at 0."""
    for row in range(values.shape[0]):
        for i in range(values.shape[1]):
            if not present[row, i]:
                continue
            up[i] = max(0.0, up[i] + values[row, i] - k)
            down[i] = max(0.0, down[i] - values[row, i] - k)
            if up[i] > h or down[i] > h:
                signals[row, i] = WENT_UP if up[i] > h else WENT_DOWN
                up[i] = down[i] = 0.0
