"""KSWIN over rounds and streams; `detectors.sequential.kswin.Kswin` is the reference."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.sequential.blocks.block import Signal, Signals

DRIFT = int(Signal.DRIFT)


@njit(cache=True)
def run_kswin(
    values: FloatArray,
    present: NDArray[np.bool_],
    signals: Signals,
    seen: NDArray[np.int64],
    window: FloatArray,
    draws: NDArray[np.uint16],
    least_gap: int,
) -> None:
    """Take values of shape (rounds, streams) where present; a drift leaves a fresh stream.

    `window` (streams, window_size) is a ring: value number n lies at n modulo its size. Row j of
    `draws` has the positions, from the oldest, that a stream's test number j draws.
    """
    size, drawn = window.shape[1], draws.shape[1]
    older, newer = np.empty(drawn), np.empty(drawn)
    for row in range(values.shape[0]):
        for i in range(values.shape[1]):
            if not present[row, i]:
                continue
            window[i, seen[i] % size] = values[row, i]
            seen[i] += 1
            if seen[i] < size:
                continue
            for place in range(drawn):
                position = draws[seen[i] - size, place]
                older[place] = window[i, (seen[i] + position) % size]
                newer[place] = window[i, (seen[i] + size - drawn + place) % size]
            _sort(older)
            _sort(newer)
            if _largest_gap(older, newer) >= least_gap:
                signals[row, i] = DRIFT
                seen[i] = 0
                window[i] = 0.0


@njit(cache=True)
def _sort(values: FloatArray) -> None:
    """Sort in place by Shell's method with Knuth's gaps; numba's own takes seconds to compile."""
    gap = 1
    while gap < values.size // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for place in range(gap, values.size):
            value, hole = values[place], place
            while hole >= gap and values[hole - gap] > value:
                values[hole] = values[hole - gap]
                hole -= gap
            values[hole] = value
        gap //= 3


@njit(cache=True)
def _largest_gap(first: FloatArray, second: FloatArray) -> int:
    """Return the KS distance of two sorted samples of one size, in observations."""
    i = j = largest = 0
    while i < first.size and j < second.size:
        value = min(first[i], second[j])
        while i < first.size and first[i] == value:
            i += 1
        while j < second.size and second[j] == value:
            j += 1
        largest = max(largest, abs(i - j))
    return largest
