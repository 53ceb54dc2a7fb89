"""Anderson-Darling on samples: squared gaps of two distribution functions over their variance.

A^2 = n m / (n + m) sum_j t_j (F_j - G_j)^2 / (H_j (1 - H_j)) over the gaps between distinct values,
H the pooled distribution function and t_j the mean of the pooled shares at both ends of gap j.
Without ties that is Pettitt's, which scipy.stats.anderson_ksamp standardises for two samples:
(A^2 - 1) / sd. Tails weigh as much as the middle, so a change there is found sooner than by KS.

scipy caps the p-value at 0.25 and floors it at 0.001, as its table ends there; a p-value that
feeds a false-discovery rate over thousands of tests needs the tail, and one that is to be uniform
needs the rest.

The effect is sqrt(sum_j t_j (F_j - G_j)^2), the root mean square gap as for Cramer-von Mises: a
probability; the root of A^2 itself is in units of its own variance, which mean nothing to a
reader. Since H (1 - H) <= 1 / 4, A^2 >= 4 n m / (n + m) effect^2: half of the detectable norm of
`detectors.two_sample.squared_gaps` bounds the minimum detectable effect.

Pettitt (1976), Biometrika 63, 161-168; Scholz & Stephens (1987), J. American Statistical
Association 82, 918-924.
"""

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, fraction
from detectors.result import PROBABILITY, TwoSampleResult
from detectors.two_sample.rank_limits import ANDERSON_DARLING
from detectors.two_sample.squared_gaps import (
    DealtNull,
    LimitNull,
    below,
    detectable_norm,
    is_small,
    mass,
    size_of,
    ties_weigh,
)
from detectors.two_sample.weighted_ecdf import WeightedPair

NAME = "anderson-darling"
_SUMMED_UP_TO = 100_000


def anderson_darling_samples(
    x: ArrayLike, y: ArrayLike, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Compare two samples, vectors of lengths n and m.

    The p-value is the limit's, A^2 being moved to the variance that it has at its sizes; where ties
    weigh, up to 20 values a side, and where a side has under 10, it is found by relabelling. Raises
    EmptySampleError, ShapeError, NotFiniteError, OutOfRangeError, BadParameterError.

    >>> round(anderson_darling_samples([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]).statistic, 6)
    2.4
    """
    return anderson_darling_weighted(x, y, alpha=alpha, power=power)


def anderson_darling_weighted(
    x: ArrayLike,
    y: ArrayLike,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two weighted samples; sizes are Kish's effective ones, in A^2 as in its null.

    Raises BadWeightError beside what `anderson_darling_samples` raises.
    """
    fraction(alpha, "alpha"), fraction(power, "power")
    pair = WeightedPair.of(x, y, wx, wy)
    size, squares, shares = size_of(pair), pair.gaps**2, below(pair)
    weights = mass(pair) / (shares * (1 - shares))
    statistic = float(size * (weights @ squares))
    null = _null(pair, weights)
    detectable = detectable_norm(null, alpha, power) / (2 * float(np.sqrt(size)))
    return TwoSampleResult(
        detector=NAME,
        statistic=statistic,
        p_value=null.p_value(statistic),
        effect=float(np.sqrt(mass(pair) @ squares)),
        effect_unit=PROBABILITY,
        minimum_detectable_effect=min(detectable, 1.0),
        n_reference=pair.n,
        n_current=pair.m,
    )


def _null(pair: WeightedPair, weights: FloatArray) -> LimitNull | DealtNull:
    if is_small(pair) or ties_weigh(pair):
        return DealtNull.of(pair, weights)
    return LimitNull(ANDERSON_DARLING, 1.0, _variance(*pair.sizes))


def _variance(n: float, m: float) -> float:
    """Return the variance of A^2 under no drift (Scholz & Stephens 1987, equation 4, k = 2)."""
    total, inverse = n + m, 1 / n + 1 / m
    h, g = float(scipy.special.digamma(total) + np.euler_gamma), _double_sum(total)
    a = 4 * g - 6 + (10 - 6 * g) * inverse
    b = 12 * g - 22 + 8 * h + (2 * g - 14 * h - 4) * inverse
    c = 4 + 36 * h + (2 * h - 6) * inverse
    d = 24.0
    powers = ((a * total + b) * total + c) * total + d
    return powers / ((total - 1) * (total - 2) * (total - 3))


def _double_sum(total: float) -> float:
    """Return sum over 1 <= i < j <= N - 1 of 1 / ((N - i) j), close to its limit pi^2 / 6."""
    if total > _SUMMED_UP_TO:
        return np.pi**2 / 6
    size = round(total)
    return float((np.cumsum(1 / np.arange(size - 1, 1, -1)) / np.arange(2, size)).sum())
