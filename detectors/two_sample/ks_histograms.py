"""Kolmogorov-Smirnov on very many pairs of histograms at once: a screen before a closer look."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detectors import parallel
from detectors.arrays import FloatArray, finite
from detectors.errors import EmptySampleError, NegativeCountError, ShapeError
from detectors.histogram import LEAST_TOTAL
from detectors.kernels.bins import Counts, largest_gaps
from detectors.two_sample.ks import kolmogorov_tail

LEAST_BINS = 2
LEAST_PAIRS = 8_192  # fewer are not worth a thread
_COMPARED = (np.float64, np.int64, np.int32)  # as they are; others are converted


@dataclass(frozen=True, eq=False)
class BinnedGaps:
    """What is known of each of K pairs.

    `statistics` (K,) are D at the inner edges, a gap in probability; `p_values` (K,) the asymptotic
    ones of untied values, which on bins are conservative; `n_reference` and `n_current` (K,).
    """

    statistics: FloatArray
    n_reference: FloatArray
    n_current: FloatArray

    @property
    def p_values(self) -> FloatArray:
        """P(D as large where nothing changed), at most too large."""
        return kolmogorov_tail(self.statistics, 1 / self.n_reference + 1 / self.n_current)


def ks_histograms(reference: ArrayLike, current: ArrayLike) -> BinnedGaps:
    """Compare K pairs of histograms, counts of shape (bins, K) each, on the same ordered bins.

    Bin-major, since that is how counts of one bin spec lie when rounds are stacked as columns, and
    how they are compared fastest; transpose counts of shape (K, bins) with `np.ascontiguousarray`
    first. Memory is what bounds it: 32-bit counts take half the time. For exact counts:
    `ks_histogram` allows for noise, rounds and ties in one pair. Raises ShapeError, NotFiniteError,
    OutOfRangeError, NegativeCountError, EmptySampleError for a pair without counts.

    >>> ks_histograms([[5.0, 1.0], [5.0, 9.0]], [[5.0, 9.0], [5.0, 1.0]]).statistics.tolist()
    [0.0, 0.8]
    """
    first, second = _alike(_matrix(reference, "reference"), _matrix(current, "current"))
    pairs = first.shape[1]
    gaps, totals = np.empty(pairs), np.empty((2, pairs))
    bad: list[int] = []

    def work(start: int, stop: int) -> None:
        bad.append(largest_gaps(first, second, gaps, totals, LEAST_TOTAL, start, stop))

    parallel.in_parts(work, pairs, least=LEAST_PAIRS)
    if any(bad):
        _refuse(first, "reference")
        _refuse(second, "current")
    return BinnedGaps(gaps, totals[0], totals[1])


def _matrix(values: ArrayLike, name: str) -> Counts:
    array = np.ascontiguousarray(values)
    if array.ndim != 2 or array.shape[0] < LEAST_BINS:  # noqa: PLR2004 - bins by pairs
        raise ShapeError(name, array.shape, f"(bins, pairs), {LEAST_BINS} bins or more")
    return array


def _alike(first: Counts, second: Counts) -> tuple[Counts, Counts]:
    """Return both with one shape and of one type that there is a kernel for."""
    if first.shape != second.shape:
        raise ShapeError("current", second.shape, f"{first.shape}, as reference")
    if first.dtype == second.dtype and first.dtype in _COMPARED:
        return first, second
    return first.astype(np.float64), second.astype(np.float64)


def _refuse(counts: Counts, name: str) -> None:
    """Raise what is wrong with these counts, if anything is."""
    finite(counts, name)
    if counts.min() < 0:
        raise NegativeCountError(name, int(np.argmin(counts)))
    if counts.sum(axis=0, dtype=np.float64).min() < LEAST_TOTAL:
        raise EmptySampleError(name)
