"""Shifts that last, in very many streams at once: `median_shift` for each column of two tables.

The p-value of a median depends on the stream only through |statistic| and the numbers of rounds. So
its logarithm is tabulated once for each pair of numbers, as a Chebyshev interpolant.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, finite, fraction
from detectors.errors import ShapeError
from detectors.series.median_shift import LEAST_REFERENCE, detectable_median, median_shift_p

_DEGREE, _DEGREE_A_ROUND = 200, 14
_LEAST_P = 1e-290
_FARTHEST = float(np.arcsinh(1e3))  # by where the p-value of four rounds is no float64 any more
_LOOKS = 64
_LEAST_COEFFICIENT = 1e-10  # of log p: what all smaller ones add is below 1e-8


class Unjudged(IntEnum):
    """Why a stream was not judged; FINE is where it was."""

    FINE = 0
    TOO_FEW_REFERENCE = 1
    NO_SPREAD = 2
    NOTHING_LATEST = 3


@dataclass(frozen=True, eq=False)
class MedianShifts:
    """What `median_shift` says of each of K streams, as arrays (K,).

    `statistics`, `p_values`, `effects` and `minimum_detectable_effects` are those of a
    `TwoSampleResult`; `n_reference` and `n_current` the rounds that were compared. `why` (int8) is
    an `Unjudged`: where it is not 0 nothing was tested, and the answer is statistic 0, p-value 1,
    effect 0 and an infinite minimum detectable effect. P-values are worked out when first asked.
    """

    statistics: FloatArray
    effects: FloatArray
    minimum_detectable_effects: FloatArray
    why: NDArray[np.int8]
    n_reference: NDArray[np.intp]
    n_current: NDArray[np.intp]

    @cached_property
    def p_values(self) -> FloatArray:
        """P(a median as far off where nothing changed) (K,)."""
        p_values = np.ones(self.why.size)
        fine = self.why == Unjudged.FINE
        for at, rounds, count in _alike(fine, self.n_reference, self.n_current):
            p_values[at] = _p_values(rounds, count)(np.abs(self.statistics[at]))
        return p_values


def median_shifts(
    reference: ArrayLike, latest: ArrayLike, *, alpha: float = 0.05, power: float = 0.8
) -> MedianShifts:
    """Test in K streams whether the median of the latest rounds left what the reference predicts.

    `reference` is (R, K) and `latest` (L, K), oldest round first, NaN where a round did not tell.
    Where a stream has an even number of latest values the oldest one is dropped. Answers agree with
    `median_shift` to 1e-8 of themselves; p-values stop falling somewhere below 1e-200. The first
    call for a number of rounds makes a table, some 30 ms. Raises ShapeError, NotFiniteError for an
    infinity, OutOfRangeError, BadParameterError.

    >>> steady, moved = [0.20, 0.22, 0.18, 0.21], [5.0, 5.2, 4.8, 5.1]
    >>> found = median_shifts(np.transpose([steady, moved]), [[0.22, 9.0], [np.nan, 9.1]])
    >>> found.effects.round(2).tolist(), (found.p_values < 0.01).tolist()
    ([0.02, 4.07], [False, True])
    """
    fraction(alpha, "alpha"), fraction(power, "power")
    known, new = _told(reference, "reference"), _told(latest, "latest")
    if known.shape[1] != new.shape[1]:
        raise ShapeError("latest", new.shape, f"(rounds, {known.shape[1]}), as reference")
    medians, n_latest = _odd_medians(new)
    means, sds, n_reference = _mean_and_sd(known)
    why = _unjudged(means, sds, n_reference, n_latest)
    fine = why == Unjudged.FINE
    effects = np.where(fine, medians - means, 0.0)
    statistics = effects / np.where(fine, sds, 1.0)
    detectable = np.full(fine.size, np.inf)
    for at, rounds, count in _alike(fine, n_reference, n_latest):
        detectable[at] = sds[at] * detectable_median(rounds, count, alpha, power)
    n_current = np.where(fine, n_latest, 0)
    return MedianShifts(statistics, effects, detectable, why, n_reference, n_current)


def _told(values: ArrayLike, name: str) -> FloatArray:
    """Return a matrix (rounds, streams) that is finite where it is not NaN."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:  # noqa: PLR2004 - rounds by streams
        raise ShapeError(name, array.shape, "(rounds, streams)")
    finite(np.where(np.isnan(array), 0.0, array), name)
    return array


def _odd_medians(values: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the median of an odd number of told values, and that number; 0 where there are none.

    The oldest of an even number is dropped.
    """
    told = ~np.isnan(values)
    counts = np.count_nonzero(told, axis=0)
    if not values.shape[0]:
        return np.zeros(counts.size), counts
    even = np.flatnonzero((counts > 0) & (counts % 2 == 0))
    kept = values.copy()
    kept[np.argmax(told[:, even], axis=0), even] = np.nan
    counts[even] -= 1
    kept.sort(axis=0)  # NaN last
    medians = np.take_along_axis(kept, counts[np.newaxis] // 2, axis=0)[0]
    return np.where(counts > 0, medians, 0.0), counts


def _mean_and_sd(values: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """Return means, standard deviations (divisor n - 1) and numbers of the told values."""
    told = ~np.isnan(values)
    counts = np.count_nonzero(told, axis=0)
    means = np.where(told, values, 0.0).sum(axis=0) / np.maximum(counts, 1)
    squares = np.where(told, values - means, 0.0) ** 2
    return means, np.sqrt(squares.sum(axis=0) / np.maximum(counts - 1, 1)), counts


def _unjudged(
    means: FloatArray, sds: FloatArray, n_reference: NDArray[np.intp], n_latest: NDArray[np.intp]
) -> NDArray[np.int8]:
    """Return an `Unjudged` for each stream: the first that holds, in the order of the cases."""
    flat = sds <= np.finfo(np.float64).eps * np.maximum(np.abs(means), 1.0)
    cases = {
        Unjudged.NOTHING_LATEST: n_latest == 0,
        Unjudged.TOO_FEW_REFERENCE: n_reference < LEAST_REFERENCE,
        Unjudged.NO_SPREAD: flat,
    }
    return np.select(list(cases.values()), list(cases), Unjudged.FINE).astype(np.int8)


def _alike(
    fine: NDArray[np.bool_], n_reference: NDArray[np.intp], n_latest: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], int, int]]:
    """Yield the judged streams that share their numbers of rounds, with these numbers."""
    places, beyond = np.flatnonzero(fine), int(n_latest.max(initial=0)) + 1
    numbers = n_reference[fine] * beyond + n_latest[fine]  # one for two, which is sorted faster
    for number in np.unique(numbers).tolist():
        yield places[numbers == number], *divmod(number, beyond)


@lru_cache(maxsize=256)
def _p_values(rounds: int, latest: int) -> Callable[[FloatArray], FloatArray]:
    """Return `median_shift_p` of |statistic| >= 0 as a function of arrays, to 1e-8 of itself.

    log p is interpolated over asinh |statistic|: nearly straight where it is small, and its tail is
    short. Trefethen (2013), Approximation Theory and Approximation Practice, chapter 8.
    """

    def log_p(places: FloatArray) -> FloatArray:
        return np.log([median_shift_p(float(c), rounds, latest) for c in np.sinh(places)])

    looks = np.linspace(0.0, _FARTHEST, _LOOKS)
    within = [median_shift_p(float(c), rounds, latest) > _LEAST_P for c in np.sinh(looks)]
    reach = float(looks[np.flatnonzero(within)[-1]])
    degree = _DEGREE + _DEGREE_A_ROUND * latest
    table = Chebyshev.interpolate(log_p, degree, domain=[0.0, reach]).trim(_LEAST_COEFFICIENT)
    return lambda c: np.minimum(np.exp(_at(table, np.minimum(np.arcsinh(c), reach))), 1.0)


def _at(table: Chebyshev, places: FloatArray) -> FloatArray:
    """Return what the table says at very many places."""
    from detectors.kernels.chebyshev import (  # noqa: PLC0415 - numba, only where it is used
        series,
    )

    offset, scale = table.mapparms()
    values = np.empty_like(places)
    series(offset + scale * places, table.coef, values)
    return values
