"""Kolmogorov-Smirnov on very many pairs of histograms at once: a screen before a closer look."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detectors import parallel
from detectors.arrays import FloatArray, finite
from detectors.errors import EmptySampleError, NegativeCountError, ShapeError
from detectors.kernels.bins import largest_gaps
from detectors.two_sample.ks import kolmogorov_tail

LEAST_BINS = 2
LEAST_PAIRS = 8_192  # fewer are not worth a thread


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
    first. For exact counts: `ks_histogram` allows for noise, rounds and ties in one pair. Raises
    ShapeError, NotFiniteError, NegativeCountError, EmptySampleError for a pair without counts.

    >>> ks_histograms([[5.0, 1.0], [5.0, 9.0]], [[5.0, 9.0], [5.0, 1.0]]).statistics.tolist()
    [0.0, 0.8]
    """
    first, second = _matrix(reference, "reference"), _matrix(current, "current")
    if first.shape != second.shape:
        raise ShapeError("current", second.shape, f"{first.shape}, as reference")
    pairs = first.shape[1]
    gaps, totals, least = np.empty(pairs), np.empty((2, pairs)), np.empty(pairs)

    def work(start: int, stop: int) -> None:
        largest_gaps(first, second, gaps, totals, least, start, stop)

    parallel.in_parts(work, pairs, least=LEAST_PAIRS)
    # A NaN or an infinity is in its total; what is wrong is looked for when something is.
    if not (np.isfinite(totals).all() and (totals > 0).all() and (least >= 0).all()):
        _refuse(first, "reference")
        _refuse(second, "current")
    return BinnedGaps(gaps, totals[0], totals[1])


def _matrix(values: ArrayLike, name: str) -> FloatArray:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < LEAST_BINS:  # noqa: PLR2004 - bins by pairs
        raise ShapeError(name, array.shape, f"(bins, pairs), {LEAST_BINS} bins or more")
    return array


def _refuse(counts: FloatArray, name: str) -> None:
    """Raise what is wrong with these counts, if anything is."""
    finite(counts, name)
    if counts.min() < 0:
        raise NegativeCountError(name, int(np.argmin(counts)))
    if not counts.any(axis=0).all():
        raise EmptySampleError(name)
