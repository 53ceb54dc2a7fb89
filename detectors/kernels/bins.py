"""Gaps between many pairs of binned distribution functions, pairs side by side.

Counts are bin-major: one row a bin, one column a pair, so that the loops over pairs are vectorised
and each count is read once from memory. `ks_histograms` has the reference beside it, in numpy.
"""

import numpy as np
from numba import njit

from detectors.arrays import FloatArray

CACHED = 65_536  # counts of either side, half a megabyte, that stay in the cache between two passes


@njit(cache=True, nogil=True, error_model="numpy")
def largest_gaps(
    reference: FloatArray,
    current: FloatArray,
    gaps: FloatArray,
    totals: FloatArray,
    least: FloatArray,
    start: int,
    stop: int,
) -> None:
    """Write D of the pairs from `start` to `stop`, both totals, (2, pairs), and the least count.

    D is the largest |m F - n G| over n m, F and G being counts so far: exact for whole numbers
    whose products are.
    """
    at_once = max(CACHED // 2 // reference.shape[0], 64)
    f, g = np.empty(at_once), np.empty(at_once)
    for first in range(start, stop, at_once):
        last = min(first + at_once, stop)
        n, m, widest = totals[0, first:last], totals[1, first:last], gaps[first:last]
        _clear(n, m, widest, least[first:last], f, g)
        for row in range(reference.shape[0]):
            _add(reference[row, first:last], n, least[first:last])
            _add(current[row, first:last], m, least[first:last])
        for row in range(reference.shape[0] - 1):
            _widen(reference[row, first:last], current[row, first:last], n, m, f, g, widest)
        for pair in range(last - first):
            widest[pair] /= n[pair] * m[pair]


@njit(cache=True, nogil=True, error_model="numpy")
def _clear(
    n: FloatArray,
    m: FloatArray,
    widest: FloatArray,
    least: FloatArray,
    f: FloatArray,
    g: FloatArray,
) -> None:
    for pair in range(n.shape[0]):
        n[pair] = m[pair] = widest[pair] = f[pair] = g[pair] = 0.0
        least[pair] = np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def _add(counts: FloatArray, total: FloatArray, least: FloatArray) -> None:
    for pair in range(total.shape[0]):
        total[pair] += counts[pair]
        least[pair] = min(least[pair], counts[pair])


@njit(cache=True, nogil=True, error_model="numpy")
def _widen(
    reference: FloatArray,
    current: FloatArray,
    n: FloatArray,
    m: FloatArray,
    f: FloatArray,
    g: FloatArray,
    widest: FloatArray,
) -> None:
    for pair in range(n.shape[0]):
        f[pair] += reference[pair]
        g[pair] += current[pair]
        apart = abs(f[pair] * m[pair] - g[pair] * n[pair])
        widest[pair] = max(widest[pair], apart)
