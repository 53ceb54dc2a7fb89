"""Page-Hinkley both ways; `detectors.sequential.page_hinkley.PageHinkley` is the reference.

The operations are river's, in river's order, so that alarms agree to the last bit. Nothing branches
on a value, so the loop over streams is vectorised and runs at the speed of memory.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.sequential.blocks.block import Signal, Signals

AT_ONCE = 2048  # streams whose state stays in the cache from one round to the next
UP = int(Signal.DRIFT | Signal.UP)
DOWN = int(Signal.DRIFT | Signal.DOWN)


class Rules(NamedTuple):
    """River's parameters."""

    min_instances: int
    delta: float
    threshold: float
    alpha: float


class State(NamedTuple):
    """One entry a stream in each."""

    counts: NDArray[np.int32]
    mean: FloatArray
    increase: FloatArray
    decrease: FloatArray
    lowest: FloatArray
    highest: FloatArray


@njit(cache=True, nogil=True, error_model="numpy")
def run(
    values: FloatArray,
    present: NDArray[np.bool_],
    state: State,
    signals: Signals,
    rules: Rules,
    start: int,
    stop: int,
) -> None:
    """Take rounds of values, (rounds, streams), in the streams from `start` to `stop`.

    A stream without a value in a round, by `present`, stays as it was.
    """
    for first in range(start, stop, AT_ONCE):
        last = min(first + AT_ONCE, stop)
        for time in range(values.shape[0]):
            _take(
                values[time, first:last],
                present[time, first:last],
                state.counts[first:last],
                state.mean[first:last],
                state.increase[first:last],
                state.decrease[first:last],
                state.lowest[first:last],
                state.highest[first:last],
                signals[time, first:last],
                rules,
            )


@njit(cache=True, nogil=True, error_model="numpy")
def _take(
    values: FloatArray,
    present: NDArray[np.bool_],
    count: NDArray[np.int32],
    mean: FloatArray,
    increase: FloatArray,
    decrease: FloatArray,
    lowest: FloatArray,
    highest: FloatArray,
    signals: Signals,
    rules: Rules,
) -> None:
    for i in range(values.shape[0]):
        there = present[i]
        n = count[i] + 1
        average = mean[i] + (1.0 / n) * (values[i] - mean[i])
        departure = values[i] - average
        up = rules.alpha * increase[i] + departure - rules.delta
        down = rules.alpha * decrease[i] + departure + rules.delta
        low, high = min(lowest[i], up), max(highest[i], down)
        enough = there & (n >= rules.min_instances)
        went_up = enough & (up - low > rules.threshold)
        went_down = enough & (high - down > rules.threshold)
        afresh = went_up | went_down
        count[i] = 0 if afresh else (n if there else count[i])
        mean[i] = 0.0 if afresh else (average if there else mean[i])
        increase[i] = 0.0 if afresh else (up if there else increase[i])
        decrease[i] = 0.0 if afresh else (down if there else decrease[i])
        lowest[i] = np.inf if afresh else (low if there else lowest[i])
        highest[i] = -1.0 if afresh else (high if there else highest[i])
        signals[i] = UP if went_up else (DOWN if went_down else 0)
