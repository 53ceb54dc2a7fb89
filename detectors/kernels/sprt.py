"""SPRT over rounds and streams; `detectors.sequential.sprt.Sprt` is the reference."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.sequential.blocks.block import Signals
from detectors.sequential.sprt import Decision

NONE, ACCEPT, REJECT = int(Decision.NONE), int(Decision.ACCEPT), int(Decision.REJECT)


@njit(cache=True)
def run_sprt(
    values: FloatArray,
    present: NDArray[np.bool_],
    signals: Signals,
    log_ratio: FloatArray,
    decision: NDArray[np.uint8],
    slope: float,
    intercept: float,
    rejects_at: float,
    accepts_at: float,
    rejection: int,
) -> None:
    """Take values of shape (rounds, streams) where present; a decision leaves the ratio at 0."""
    for row in range(values.shape[0]):
        for i in range(values.shape[1]):
            if not present[row, i]:
                continue
            log_ratio[i] += slope * values[row, i] + intercept
            decision[i] = NONE
            if log_ratio[i] >= rejects_at:
                decision[i], signals[row, i] = REJECT, rejection
            elif log_ratio[i] <= accepts_at:
                decision[i] = ACCEPT
            if decision[i] != NONE:
                log_ratio[i] = 0.0
