"""Kolmogorov-Smirnov on very many pairs of histograms at once: a screen before a closer look."""

from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from detectors import parallel
from detectors.arrays import Counts, FloatArray, finite, fraction
from detectors.errors import EmptySampleError, NegativeCountError, ShapeError
from detectors.histogram import LEAST_TOTAL
from detectors.series.round_variations import RoundVariations
from detectors.two_sample.ks import kolmogorov_critical, kolmogorov_tail

LEAST_BINS = 2
LEAST_PAIRS = 8_192  # fewer are not worth a thread
_COMPARED = (np.float64, np.int64, np.int32)  # as they are; others are converted


@dataclass(frozen=True, eq=False)
class BinnedGaps:
    """What is known of each of K pairs.

    `statistics` (K,) are D at the inner edges, a gap in probability, which is the effect too;
    `n_reference` and `n_current` (K,) the totals. `spread` is None where examples are the unit;
    where rounds are, plausible variances (K, S) of a gap over F (1 - F), with their weights (S,).
    """

    statistics: FloatArray
    n_reference: FloatArray
    n_current: FloatArray
    spread: tuple[FloatArray, FloatArray] | None = None

    @property
    def p_values(self) -> FloatArray:
        """P(D as large where nothing changed) (K,), at most too large.

        Of values without ties, which on bins is conservative: Stephens' correction of Kolmogorov's
        limit, or with rounds as the unit the limit itself, averaged over the spread.
        """
        return self._tail(self.statistics)

    def minimum_detectable_effects(self, alpha: float = 0.05, power: float = 0.8) -> FloatArray:
        """Return the gaps (K,) that are found at `alpha` with `power` or more.

        The critical gap of `p_values`, and as much more as a gap in the middle errs: an upper
        bound, above that of `ks_histogram` by what p-values are too large. Infinite where fewer
        than two rounds told. BadParameterError for levels outside 0 to 1.
        """
        fraction(alpha, "alpha"), fraction(power, "power")
        spread = self._mean_spread
        known = np.isfinite(spread)
        scale = np.sqrt(np.where(known, spread, 1.0))
        found = self._critical(alpha, scale) + scipy.special.ndtri(power) * scale / 2
        return np.where(known, np.clip(found, 0.0, 1.0), np.inf)

    @property
    def _mean_spread(self) -> FloatArray:
        if self.spread is None:
            return 1 / self.n_reference + 1 / self.n_current
        values, weights = self.spread
        return np.asarray((values * weights).sum(axis=1))

    def _tail(self, gaps: FloatArray) -> FloatArray:
        if self.spread is None:
            return kolmogorov_tail(gaps, self._mean_spread)
        from detectors.kernels.kolmogorov import (  # noqa: PLC0415 - numba, as below
            mean_tails,
        )

        tails = np.empty(gaps.size)
        mean_tails(gaps, *self.spread, tails)
        return tails

    def _critical(self, alpha: float, scale: FloatArray) -> FloatArray:
        """Return the gaps whose p-value is alpha."""
        if self.spread is None:
            return kolmogorov_critical(alpha, self._mean_spread)
        from detectors.kernels.kolmogorov import (  # noqa: PLC0415 - numba, as below
            mean_criticals,
        )

        gaps: FloatArray = scale * scipy.special.kolmogi(alpha)
        mean_criticals(alpha, *self.spread, gaps)
        return gaps


def ks_histograms(
    reference: ArrayLike, current: ArrayLike, *, variations: RoundVariations | None = None
) -> BinnedGaps:
    """Compare K pairs of histograms, counts of shape (bins, K) each, on the same ordered bins.

    Bin-major, since that is how counts of one bin spec lie when rounds are stacked as columns, and
    how they are compared fastest; transpose counts of shape (K, bins) with `np.ascontiguousarray`
    first. Memory is what bounds it: 32-bit counts take half the time. `variations` of the K
    subjects (`estimate_variations` of the rounds that `reference` is the sum of) makes rounds the
    unit. For exact counts: `ks_histogram` allows for noise and ties in one pair. Raises ShapeError,
    NotFiniteError, OutOfRangeError, NegativeCountError, EmptySampleError for a pair without counts.

    >>> ks_histograms([[5.0, 1.0], [5.0, 9.0]], [[5.0, 9.0], [5.0, 1.0]]).statistics.tolist()
    [0.0, 0.8]
    """
    from detectors.kernels.bins import (  # noqa: PLC0415 - numba, only where it is used
        largest_gaps,
    )

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
    spread = variations.spread(totals[1]) if variations else None
    return BinnedGaps(gaps, totals[0], totals[1], spread)


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


def binning_bounds(reference: ArrayLike, current: ArrayLike) -> FloatArray:
    """Return how far D of the values can lie above D at the edges, of K pairs of histograms.

    Counts are (bins, K) as in `ks_histograms`, and the bounds, (K,), the `error_bound` of
    `ks_histogram`: between two edges a distribution function is only known to rise from one's share
    to the other's. Raises what `ks_histograms` raises.

    >>> binning_bounds([[5.0], [5.0]], [[5.0], [5.0]]).tolist()
    [0.5]
    """
    found = ks_histograms(reference, current)
    sides = zip(np.asarray(reference), np.asarray(current), strict=True)
    f, g, widest = (np.zeros(found.statistics.size) for _ in range(3))
    for p, q in sides:
        f_here, g_here = f + p / found.n_reference, g + q / found.n_current
        np.maximum(widest, np.maximum(f_here - g, g_here - f), out=widest)
        f, g = f_here, g_here
    return np.maximum(widest - found.statistics, 0.0)
