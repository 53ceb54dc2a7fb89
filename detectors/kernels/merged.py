"""Two sorted rows walked as one; `detectors.two_sample.ks_exact` has the readable references.

Every row ends with an infinity beyond its values, so that no step asks whether a row is used up.
A gap F - G is counted in steps of 1 / lcm(n, m): a value of x makes `up` of them and one of y
`down`, so that it has no rounding.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.arrays import FloatArray


@njit(cache=True, nogil=True)
def compare_rows(
    x: FloatArray, y: FloatArray, up: int, down: int, gaps: NDArray[np.int64], areas: FloatArray
) -> None:
    """Write each pair's largest gap, and its area (gaps times distances), in steps.

    `x` is (1, n + 1), shared by all pairs, or (pairs, n + 1); `y` is (pairs, m + 1).
    """
    for pair in range(y.shape[0]):
        row = x[pair] if x.shape[0] > 1 else x[0]
        gaps[pair], areas[pair] = _walk(row, y[pair], up, down)


@njit(cache=True, nogil=True)
def order_statistics(
    x: FloatArray, y: FloatArray, ranks: NDArray[np.int64], out: FloatArray
) -> None:
    """Write the values of the given ranks (from 0) of two sorted rows taken together."""
    for place in range(ranks.size):
        i = _from_x(x, y, ranks[place])
        out[place] = min(x[i], y[ranks[place] - i])


@njit(cache=True, nogil=True)
def _walk(x: FloatArray, y: FloatArray, up: int, down: int) -> tuple[int, float]:
    """Walk both halves at once: each step waits for the one before, and two waits overlap.

    The last value leaves a gap of 0, so it is not walked.
    """
    walked = x.size + y.size - 3
    half = walked // 2
    i = j = largest = far_largest = 0
    area = far_area = 0.0
    far_i = _from_x(x, y, half)
    far_j = half - far_i
    for _ in range(half):
        i, j, largest, area = _step(x, y, i, j, up, down, largest, area)
        far_i, far_j, far_largest, far_area = _step(
            x, y, far_i, far_j, up, down, far_largest, far_area
        )
    for _ in range(walked - 2 * half):
        far_i, far_j, far_largest, far_area = _step(
            x, y, far_i, far_j, up, down, far_largest, far_area
        )
    return max(largest, far_largest), area + far_area


@njit(cache=True, nogil=True, inline="always")
def _step(
    x: FloatArray, y: FloatArray, i: int, j: int, up: int, down: int, largest: int, area: float
) -> tuple[int, int, int, float]:
    """Pass one value without a branch that chance decides; between ties no gap counts."""
    from_x = x[i] <= y[j]
    value = min(x[i], y[j])
    i += from_x
    j += 1 - from_x
    gap = abs(up * i - down * j)
    rise = min(x[i], y[j]) - value
    return i, j, max(largest, gap if rise > 0 else 0), area + gap * rise


@njit(cache=True, nogil=True)
def _from_x(x: FloatArray, y: FloatArray, rank: int) -> int:
    """Return how many of the `rank` smallest values are from x, which comes first in ties."""
    low, high = max(0, rank - (y.size - 1)), min(rank, x.size - 1)
    while low < high:
        middle = (low + high) // 2
        if x[middle] <= y[rank - middle - 1]:
            low = middle + 1
        else:
            high = middle
    return low
