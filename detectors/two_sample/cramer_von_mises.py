"""Cramer-von Mises on samples: the mean squared gap between two distribution functions.

T = n m / (n + m) sum_j t_j (F_j - G_j)^2 over the gaps between distinct values, t_j the mean of the
pooled shares at both ends of gap j. Without ties that is the T of
scipy.stats.cramervonmises_2samp. With ties scipy's is not a distance: it ranks ties in the middle
and subtracts what samples without ties would have, so that two constant samples of 9 and 12 have
T = 0.15. Here they have 0.

The effect is sqrt(sum_j t_j (F_j - G_j)^2), the root mean square gap: a probability, of the same
kind as KS's, which does not grow with the samples as T does. The minimum detectable effect
follows from it (`detectors.two_sample.squared_gaps`).

Anderson (1962), Annals of Mathematical Statistics 33, 1148-1159.
"""

from dataclasses import replace

import numpy as np
import scipy
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, fraction
from detectors.result import PROBABILITY, TwoSampleResult
from detectors.two_sample.rank_limits import CRAMER_VON_MISES
from detectors.two_sample.squared_gaps import (
    SMALL,
    DealtNull,
    LimitNull,
    detectable_norm,
    is_small,
    mass,
    size_of,
    ties_weigh,
)
from detectors.two_sample.weighted_ecdf import WeightedPair

NAME = "cvm"


def cvm_samples(
    x: ArrayLike, y: ArrayLike, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Compare two samples, vectors of lengths n and m.

    Without ties the p-value is exact up to 20 values a side (scipy.stats.cramervonmises_2samp does
    that), and Anderson's asymptotic one beyond, as scipy's where that holds: from T = 4 on scipy's
    series is wrong and even rises. Where ties weigh, and beyond 20 where a side has under 10, it is
    found by relabelling. Raises EmptySampleError, ShapeError,
    NotFiniteError, OutOfRangeError, BadParameterError.

    >>> round(cvm_samples([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]).p_value, 6)
    0.1
    """
    pair = WeightedPair.of(x, y)
    result = _compare(pair, alpha, power)
    if pair.tied or max(pair.sizes) > SMALL or min(pair.sizes) < 2:  # noqa: PLR2004 - scipy's least
        return result
    exact = scipy.stats.cramervonmises_2samp(np.asarray(x), np.asarray(y), method="exact")
    return replace(result, p_value=float(exact.pvalue))


def cvm_weighted(
    x: ArrayLike,
    y: ArrayLike,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two weighted samples; sizes are Kish's effective ones, in T as in its null.

    Raises BadWeightError beside what `cvm_samples` raises.
    """
    return _compare(WeightedPair.of(x, y, wx, wy), alpha, power)


def _compare(pair: WeightedPair, alpha: float, power: float) -> TwoSampleResult:
    fraction(alpha, "alpha"), fraction(power, "power")
    size, weights = size_of(pair), mass(pair)
    statistic = float(size * (weights @ pair.gaps**2))
    null = _null(pair, weights)
    return TwoSampleResult(
        detector=NAME,
        statistic=statistic,
        p_value=null.p_value(statistic),
        effect=float(np.sqrt(statistic / size)),
        effect_unit=PROBABILITY,
        minimum_detectable_effect=min(
            detectable_norm(null, alpha, power) / float(np.sqrt(size)), 1.0
        ),
        n_reference=pair.n,
        n_current=pair.m,
    )


def _null(pair: WeightedPair, weights: FloatArray) -> LimitNull | DealtNull:
    """Return the limit with the mean and variance of T at its sizes (Anderson 1962, section 2)."""
    if is_small(pair) or ties_weigh(pair):
        return DealtNull.of(pair, weights)
    n, m = pair.sizes
    total = n + m
    inner = 4 * n * m * total - 3 * (n**2 + m**2) - 2 * n * m
    variance = (total + 1) / total * inner / (180 * total * n * m)
    return LimitNull(CRAMER_VON_MISES, (1 + 1 / total) / 6, variance)
