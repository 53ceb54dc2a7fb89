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

    count: NDArray[np.int32]
    mean: FloatArray
    increase: FloatArray
    decrease: FloatArray
    lowest: FloatArray
    highest: FloatArray


@njit(cache=True, nogil=True, error_model="numpy")
def run(
    values: FloatArray, state: State, signals: Signals, rules: Rules, start: int, stop: int
) -> None:
    """Take rounds of values, (rounds, streams), in the streams from `start` to `stop`."""
    for first in range(start, stop, AT_ONCE):
        last = min(first + AT_ONCE, stop)
        for time in range(values.shape[0]):
            _take(
                values[time, first:last],
                state.count[first:last],
                state.mean[first:last],
                state.increase[first:last],
                state.decrease[first:last],
                state.lowest[first:last],
                state.highest[first:last],
                signals[time, first:last],
                rules,
            )


@njit(cache=True, nogil=True, error_model="numpy")
def run_present(
    values: FloatArray,
    present: NDArray[np.bool_],
    state: State,
    signals: Signals,
    rules: Rules,
    start: int,
    stop: int,
) -> None:
    """Do the same where some streams have no value in some rounds."""
    for time in range(values.shape[0]):
        for i in range(start, stop):
            if present[time, i]:
                _take(
                    values[time, i : i + 1],
                    state.count[i : i + 1],
                    state.mean[i : i + 1],
                    state.increase[i : i + 1],
                    state.decrease[i : i + 1],
                    state.lowest[i : i + 1],
                    state.highest[i : i + 1],
                    signals[time, i : i + 1],
                    rules,
                )


@njit(cache=True, nogil=True, error_model="numpy")
def _take(
    values: FloatArray,
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
        n = count[i] + 1
        average = mean[i] + (1.0 / n) * (values[i] - mean[i])
        departure = values[i] - average
        up = rules.alpha * increase[i] + departure - rules.delta
        down = rules.alpha * decrease[i] + departure + rules.delta
        low, high = min(lowest[i], up), max(highest[i], down)
        enough = n >= rules.min_instances
        went_up = enough & (up - low > rules.threshold)
        went_down = enough & (high - down > rules.threshold)
        afresh = went_up | went_down
        count[i] = 0 if afresh else n
        mean[i] = 0.0 if afresh else average
        increase[i] = 0.0 if afresh else up
        decrease[i] = 0.0 if afresh else down
        lowest[i] = np.inf if afresh else low
        highest[i] = -1.0 if afresh else high
        signals[i] = UP if went_up else (DOWN if went_down else 0)
