"""Gaps between many pairs of binned distribution functions, pairs side by side.

Counts are bin-major: one row a bin, one column a pair, so that the loops over pairs are vectorised
and each count is read once from memory. `ks_histograms` has the reference beside it, in numpy.

Three things make LLVM see vectors. Pairs are numbered without a sign, since below zero would mean
from the end. What a loop keeps of a pair is read before anything is written, or a maximum becomes
a store on a condition. And bins come four at a time, so that what is kept is touched less often.
"""

import numpy as np
from numba import njit

from detectors.arrays import LARGEST, Counts, FloatArray

CACHED = 262_144  # counts of either side that stay in the cache between two passes
MOST_PAIRS, LEAST_PAIRS = 2_048, 256  # at once: short rows of pairs starve the prefetcher
TOGETHER = 4  # bins


@njit(cache=True, nogil=True, error_model="numpy")
def largest_gaps(
    reference: Counts,
    current: Counts,
    gaps: FloatArray,
    totals: FloatArray,
    least_total: float,
    start: int,
    stop: int,
) -> int:
    """Write D of the pairs from `start` to `stop`, and both totals, (2, pairs).

    D is the largest |m F - n G| over n m, F and G being counts so far: exact for whole numbers
    whose products are. Returns how many pairs have a count below zero or a total that is not
    between `least_total` and 1e100.
    """
    at_once = min(max(CACHED // reference.shape[0], LEAST_PAIRS), MOST_PAIRS)
    apart, least = np.empty(at_once), np.empty(at_once)
    n, m, bad = totals[0], totals[1], 0
    for block in range(start, stop, at_once):
        first, last = np.uint64(block), np.uint64(min(block + at_once, stop))
        _clear(first, last, n, m, apart, least, gaps)
        _add(reference, current, first, last, n, m, least)
        _widen(reference, current, first, last, n, m, apart, gaps)
        bad += _divide(first, last, n, m, least, least_total, gaps)
    return bad


@njit(cache=True, nogil=True, error_model="numpy")
def _clear(
    first: int,
    last: int,
    n: FloatArray,
    m: FloatArray,
    apart: FloatArray,
    least: FloatArray,
    gaps: FloatArray,
) -> None:
    for pair in range(first, last):
        n[pair] = m[pair] = gaps[pair] = apart[pair - first] = 0.0
        least[pair - first] = np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def _add(
    reference: Counts,
    current: Counts,
    first: int,
    last: int,
    n: FloatArray,
    m: FloatArray,
    least: FloatArray,
) -> None:
    """Add all bins to the totals, and keep the least count of a pair."""
    bins = reference.shape[0]
    for row in range(0, bins - TOGETHER + 1, TOGETHER):
        for pair in range(first, last):
            x, y, low = n[pair], m[pair], least[pair - first]
            x, y, low = _added(reference[row, pair], current[row, pair], x, y, low)
            x, y, low = _added(reference[row + 1, pair], current[row + 1, pair], x, y, low)
            x, y, low = _added(reference[row + 2, pair], current[row + 2, pair], x, y, low)
            x, y, low = _added(reference[row + 3, pair], current[row + 3, pair], x, y, low)
            n[pair], m[pair], least[pair - first] = x, y, low
    for row in range(bins - bins % TOGETHER, bins):
        for pair in range(first, last):
            x, y, low = n[pair], m[pair], least[pair - first]
            x, y, low = _added(reference[row, pair], current[row, pair], x, y, low)
            n[pair], m[pair], least[pair - first] = x, y, low


@njit(cache=True, nogil=True, error_model="numpy")
def _added(p: float, q: float, n: float, m: float, least: float) -> tuple[float, float, float]:
    return n + p, m + q, min(least, p, q)


@njit(cache=True, nogil=True, error_model="numpy")
def _widen(
    reference: Counts,
    current: Counts,
    first: int,
    last: int,
    n: FloatArray,
    m: FloatArray,
    apart: FloatArray,
    gaps: FloatArray,
) -> None:
    """Go along all bins but the last, behind which nothing is apart."""
    inner = reference.shape[0] - 1
    for row in range(0, inner - TOGETHER + 1, TOGETHER):
        for pair in range(first, last):
            x, y, gap, widest = n[pair], m[pair], apart[pair - first], gaps[pair]
            gap, widest = _past(reference[row, pair] * y, current[row, pair] * x, gap, widest)
            p, q = reference[row + 1, pair], current[row + 1, pair]
            gap, widest = _past(p * y, q * x, gap, widest)
            p, q = reference[row + 2, pair], current[row + 2, pair]
            gap, widest = _past(p * y, q * x, gap, widest)
            p, q = reference[row + 3, pair], current[row + 3, pair]
            gap, widest = _past(p * y, q * x, gap, widest)
            apart[pair - first], gaps[pair] = gap, widest
    for row in range(inner - inner % TOGETHER, inner):
        for pair in range(first, last):
            x, y, gap, widest = n[pair], m[pair], apart[pair - first], gaps[pair]
            gap, widest = _past(reference[row, pair] * y, current[row, pair] * x, gap, widest)
            apart[pair - first], gaps[pair] = gap, widest


@njit(cache=True, nogil=True, error_model="numpy")
def _past(up: float, down: float, gap: float, widest: float) -> tuple[float, float]:
    gap += up - down
    return gap, max(widest, abs(gap))


@njit(cache=True, nogil=True, error_model="numpy")
def _divide(
    first: int,
    last: int,
    n: FloatArray,
    m: FloatArray,
    least: FloatArray,
    least_total: float,
    gaps: FloatArray,
) -> int:
    """Turn gaps into probabilities, and count the pairs that nothing can be said of."""
    bad = 0
    for pair in range(first, last):
        x, y = n[pair], m[pair]
        gaps[pair] /= x * y
        within = (x >= least_total) & (y >= least_total) & (x <= LARGEST) & (y <= LARGEST)
        bad += not (within & (least[pair - first] >= 0.0))
    return bad
