"""What comes round again: weekdays, hours, payroll, by a known period.

A season can be taken out in two ways. *Differencing* against the same phase one period ago needs no
model, follows a season that changes, and doubles the variance; but a shift that lasts is seen for
one period only, since after it both sides have moved. *Phase means* of a frozen reference keep the
shift in view and cost 1 / c of a variance for c cycles of reference; `Baseline` uses these and
carries their uncertainty.
"""

import numpy as np
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite
from detectors.errors import BadParameterError, ShapeError, TooFewError

LARGEST_PERIOD = 1_000


def seasonal_difference(values: ArrayLike, period: int) -> FloatArray:
    """Return x_t - x_{t - period} along the first axis, (rounds,) or (rounds, streams).

    The result is `period` rounds shorter. For x_t = season + a, where a has variance v and
    autocorrelations r(k), it has variance 2 v (1 - r(s)) and autocorrelation

        (2 r(k) - r(k - s) - r(k + s)) / (2 (1 - r(s))),   s the period,

    which is -1/2 at lag s where the rounds were independent: see `difference_correlation`. Raises
    TooFewError for no more than `period` rounds, BadParameterError, NotFiniteError, ShapeError.

    >>> seasonal_difference([1.0, 5.0, 2.0, 6.5], period=2).tolist()
    [1.0, 1.5]

    Box & Jenkins (1970), Time Series Analysis, section 9.1.
    """
    array = finite(values, "values")
    if array.ndim not in {1, 2}:
        raise ShapeError("values", array.shape, "(rounds,) or (rounds, streams)")
    checked_period(period)
    if array.shape[0] <= period:
        raise TooFewError("values", array.shape[0], period + 1)
    return array[period:] - array[:-period]


def difference_correlation(rho: float, period: int, lags: ArrayLike) -> FloatArray:
    """Return the autocorrelations of seasonal differences of season + AR(1) with parameter rho.

    >>> difference_correlation(0.0, 7, [0, 1, 7]).tolist()
    [1.0, 0.0, -0.5]
    """
    if not -1 < rho < 1:
        raise BadParameterError("rho", rho, "a number above -1 and below 1")
    at = np.abs(finite(lags, "lags"))
    season = checked_period(period)
    covariance = 2 * rho**at - rho ** np.abs(at - season) - rho ** (at + season)
    return np.asarray(covariance / (2 * (1 - rho**season)))


def phase_design(period: int, start: int, rounds: int) -> FloatArray:
    """Return a (rounds, period) matrix with a 1 at the phase of each round from `start` on."""
    return np.eye(checked_period(period))[(start + np.arange(rounds)) % period]


def checked_period(period: int) -> int:
    """Return a period of 1 (no season) to 1,000 rounds; BadParameterError if it is none."""
    if not 1 <= period <= LARGEST_PERIOD:
        raise BadParameterError("period", period, f"1 to {LARGEST_PERIOD} rounds")
    return period
