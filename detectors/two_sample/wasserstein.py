"""Wasserstein-1 on samples: the mean distance that values had to move, and whether by chance.

The distance is the area between two distribution functions, in the subject's unit. Its null
depends on the distribution, so it is found by relabelling: 1,999 seeded deals of the pooled values
(`detectors.two_sample.relabelling`). In the far tail the p-value falls as its Gaussian limit
does: that is a supremum over all functions of slope 1, and its variance is largest, S^2, for the
difference of means alone, so that P(W > t) goes as P(|N(0, S^2)| > t) (Talagrand 1988, Annals
of Probability 16, 1-17).

The minimum detectable effect is that of a shift. The distance is at least the difference of means,
which a shift of d makes normal with mean d and sd S: so it passes the critical value c with the
power asked for at d = c + z_power S, or sooner.

Ramdas, Garcia Trillos & Cuturi (2017), Entropy 19, 47.
"""

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, fraction
from detectors.result import SUBJECT, TwoSampleResult
from detectors.two_sample.relabelling import DEALS, Deals, deals_of, deals_of_slots, dealt_p_values
from detectors.two_sample.weighted_ecdf import WeightedPair

NAME = "wasserstein"


def wasserstein_samples(
    x: ArrayLike, y: ArrayLike, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Compare two samples, vectors of lengths n and m, by the mean distance that values moved.

    `statistic` and `effect` are scipy.stats.wasserstein_distance, in the subject's unit. The
    p-value is exact by relabelling down to 1 / 100 and follows its limit beyond; above 256 values
    the gaps between some 150 ranks are taken to be those at the nearest. The deals are the same for
    all subjects of the same sizes, so that a nominal 5% is 5% give or take 0.5%, and a nominal 1%
    is 1% give or take 0.2%. Raises EmptySampleError, ShapeError, NotFiniteError, OutOfRangeError,
    BadParameterError.

    >>> wasserstein_samples([0.0, 1.0, 3.0], [5.0, 6.0, 8.0]).effect
    5.0
    """
    pair = WeightedPair.of(x, y)
    return _compare(pair, deals_of(round(pair.n), round(pair.m)), alpha, power)


def wasserstein_weighted(
    x: ArrayLike,
    y: ArrayLike,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two weighted samples.

    The deals give values to weights, not to samples, so that the p-value is exact as far as that of
    `wasserstein_samples` is, provided that weights do not depend on values. `n_reference` and
    `n_current` are Kish's effective sizes. Raises BadWeightError beside what `wasserstein_samples`
    raises.
    """
    pair = WeightedPair.of(x, y, wx, wy)
    return _compare(pair, deals_of_slots(pair.slots), alpha, power)


def _compare(pair: WeightedPair, deals: Deals, alpha: float, power: float) -> TwoSampleResult:
    fraction(alpha, "alpha"), fraction(power, "power")
    distance = float(np.abs(pair.gaps) @ np.diff(pair.values))
    place = np.searchsorted(np.cumsum(pair.counts), deals.bounds, side="right")
    quantiles = pair.values[place][np.newaxis]
    p_values, detectable = judge(deals, quantiles, np.array([distance]), alpha, power)
    return TwoSampleResult(
        NAME, distance, float(p_values[0]), distance, SUBJECT, float(detectable[0]), *pair.sizes
    )


def judge(
    deals: Deals, quantiles: FloatArray, distances: FloatArray, alpha: float, power: float
) -> tuple[FloatArray, FloatArray]:
    """Return the p-values and minimum detectable effects (C,) of C distances.

    `quantiles` (C, K + 1) are each subject's pooled values at the deals' `bounds`. Values are
    measured in their range here, so that no square overflows.
    """
    ranges = quantiles[:, -1] - quantiles[:, 0]
    unit = np.where(ranges > 0, ranges, 1.0)
    steps = np.diff(quantiles, axis=1) / unit[:, np.newaxis]
    sd = _mean_difference_sd(deals, steps)
    dealt = steps @ deals.sizes.T
    p_values = dealt_p_values(distances / unit, dealt, lambda t: _log_tail(t, sd))
    critical = _critical(dealt, sd, alpha)
    margin = scipy.special.ndtri(power) * sd
    return p_values, unit * np.maximum(critical + margin, 0.0)


def _mean_difference_sd(deals: Deals, steps: FloatArray) -> FloatArray:
    """Return the sd (C,) of the difference of means over all deals, of the values cut at `bounds`.

    The gaps after shares h <= k covary by variance * total / (total - 1) * h (1 - k).
    """
    factor = deals.variance * deals.total / (deals.total - 1)
    below = steps * deals.below
    earlier = np.cumsum(below, axis=1) - below / 2
    twice = 2 * np.sum(earlier * steps * (1 - deals.below), axis=1)
    return np.asarray(np.sqrt(factor * twice), dtype=np.float64)


def _critical(dealt: FloatArray, sd: FloatArray, alpha: float) -> FloatArray:
    """Return what distances must pass to have a p-value of at most alpha."""
    expected = alpha * (1 + DEALS)
    place = DEALS - max(1, int(expected))
    reached = np.partition(dealt, place, axis=1)[:, place]
    if expected >= 1:
        return np.asarray(reached, dtype=np.float64)
    further = np.log(expected) + _log_tail(reached, sd)
    return np.asarray(-sd * scipy.special.ndtri_exp(further), dtype=np.float64)


def _log_tail(distance: FloatArray, sd: FloatArray) -> FloatArray:
    safe = np.where(sd > 0, sd, 1.0)
    return np.asarray(scipy.special.log_ndtr(-distance / safe), dtype=np.float64)
