"""HDDM over rounds and streams; `detectors.sequential.hddm` holds the readable references.

State of the search has one column a side: a rise, and a fall with every value negated, which makes
it a rise. Negation is exact, so the results are those of the references bit for bit.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.sequential.blocks.block import Signal, Signals

WARNING, DRIFT = int(Signal.WARNING), int(Signal.DRIFT)
WENT = (int(Signal.DRIFT | Signal.UP), int(Signal.DRIFT | Signal.DOWN))


@njit(cache=True)
def run_hddm_a(
    values: FloatArray,
    present: NDArray[np.bool_],
    signals: Signals,
    count: NDArray[np.int64],
    mean: FloatArray,
    cut_count: NDArray[np.int64],
    cut_mean: FloatArray,
    log_cut: float,
    log_drift: float,
    log_warning: float,
) -> None:
    """Take values of shape (rounds, streams) where present; a drift leaves a fresh stream.

    The levels come as log(1 / drift), log(2 / drift) and log(2 / warning confidence); `cut_count`
    and `cut_mean` have the shape (streams, sides).
    """
    for row in range(values.shape[0]):
        for i in range(values.shape[1]):
            if not present[row, i]:
                continue
            count[i] += 1
            mean[i] += (1.0 / count[i]) * (values[row, i] - mean[i])
            for side in range(cut_count.shape[1]):
                total = mean[i] if side == 0 else -mean[i]
                now = total + math.sqrt(1.0 / (2 * count[i]) * log_cut)
                cut = cut_count[i, side]
                if cut == 0 or cut_mean[i, side] + math.sqrt(1.0 / (2 * cut) * log_cut) >= now:
                    cut_count[i, side], cut_mean[i, side] = count[i], total
                    continue
                share = (count[i] - cut) / cut * (1.0 / count[i])
                apart = total - cut_mean[i, side]
                signals[row, i] = _signal(
                    signals[row, i],
                    side,
                    apart >= math.sqrt(share / 2 * log_drift),
                    apart >= math.sqrt(share / 2 * log_warning),
                )
            if signals[row, i] & DRIFT:
                count[i], mean[i] = 0, 0.0
                cut_count[i], cut_mean[i] = 0, 0.0


@njit(cache=True)
def run_hddm_w(
    values: FloatArray,
    present: NDArray[np.bool_],
    signals: Signals,
    mean: FloatArray,
    squares: FloatArray,
    limit: FloatArray,
    before: FloatArray,
    before_squares: FloatArray,
    after: FloatArray,
    after_squares: FloatArray,
    weight: float,
    log_drift: float,
    log_warning: float,
) -> None:
    """Take values of shape (rounds, streams) where present; a drift leaves a fresh stream.

    The levels come as log(1 / confidence); from `limit` on, state has the shape (streams, sides).
    Squares of 1 mean that there is no value yet.
    """
    for row in range(values.shape[0]):
        for i in range(values.shape[1]):
            if not present[row, i]:
                continue
            mean[i] = _weighted(mean[i], squares[i], values[row, i], weight)
            squares[i] = weight * weight + (1 - weight) ** 2 * squares[i]
            bound = math.sqrt(squares[i] * log_drift / 2)
            for side in range(limit.shape[1]):
                sign = 1.0 if side == 0 else -1.0
                if sign * mean[i] + bound < limit[i, side]:
                    limit[i, side] = sign * mean[i] + bound
                    before[i, side], before_squares[i, side] = sign * mean[i], squares[i]
                    after[i, side], after_squares[i, side] = 0.0, 1.0
                    continue
                value, known = sign * values[row, i], after_squares[i, side]
                after[i, side] = _weighted(after[i, side], known, value, weight)
                after_squares[i, side] = weight * weight + (1 - weight) ** 2 * known
                both = before_squares[i, side] + after_squares[i, side]
                apart = after[i, side] - before[i, side]
                signals[row, i] = _signal(
                    signals[row, i],
                    side,
                    apart > math.sqrt(both * log_drift / 2),
                    apart > math.sqrt(both * log_warning / 2),
                )
            if signals[row, i] & DRIFT:
                mean[i], squares[i] = 0.0, 1.0
                limit[i], before[i], before_squares[i] = np.inf, 0.0, 1.0
                after[i], after_squares[i] = 0.0, 1.0


@njit(cache=True)
def _weighted(mean: float, squares: float, value: float, weight: float) -> float:
    """Return the weighted mean with one more value; the first one is the mean as it is."""
    return weight * value + (1 - weight) * (value if squares == 1 else mean)


@njit(cache=True)
def _signal(signal: int, side: int, drifted: bool, warned: bool) -> int:
    """Add what one side found; a rise that was found keeps the direction."""
    if drifted:
        return signal | (DRIFT if signal & DRIFT else WENT[side])
    return signal | WARNING if warned else signal
