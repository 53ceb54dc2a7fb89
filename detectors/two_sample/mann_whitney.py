"""Mann-Whitney on samples: whether current values tend to lie above reference values.

The effect is P(Y > X) + P(Y = X) / 2 - 1/2, a probability between -1/2 and 1/2 and positive where
current values lie higher; the statistic is its absolute value, so that the U of
scipy.stats.mannwhitneyu(y, x) is n m (effect + 1/2). All tests are two-sided.

Under no drift the effect has mean 0 and variance s^2 = (1 / n + 1 / m) / 12 times
(N + 1) / N (1 - sum (t^3 - t) / (N^3 - N)) for N = n + m and ties of t values. The minimum
detectable effect is (z_(1 - alpha / 2) + z_power) s, at most 1/2: the variance under small changes
is close to s^2.

Mann & Whitney (1947), Annals of Mathematical Statistics 18, 50-60; ties as Lehmann (1975),
Nonparametrics, section 1.4.
"""

import numpy as np
import scipy
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import fraction, sample
from detectors.result import PROBABILITY, TwoSampleResult
from detectors.two_sample.weighted_ecdf import WeightedPair

NAME = "mann-whitney"


def mann_whitney_samples(
    x: ArrayLike, y: ArrayLike, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Compare two samples, vectors of lengths n and m; scipy.stats.mannwhitneyu does the work.

    The p-value is exact where a side has at most 8 values and there are no ties; else normal, with
    the correction for continuity. Raises EmptySampleError, ShapeError, NotFiniteError,
    OutOfRangeError, BadParameterError.

    >>> mann_whitney_samples([1.0, 2.0], [3.0, 4.0]).effect
    0.5
    """
    first, second = sample(x, "x"), sample(y, "y")
    pair = WeightedPair.of(first, second)
    answer = scipy.stats.mannwhitneyu(second, first)
    effect = float(answer.statistic) / (first.size * second.size) - 0.5
    return _result(pair, effect, float(answer.pvalue), alpha, power)


def mann_whitney_weighted(
    x: ArrayLike,
    y: ArrayLike,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two weighted samples: the chance is that of values drawn by weight.

    The p-value is normal at Kish's effective sizes, without a correction for continuity. Raises
    BadWeightError beside what `mann_whitney_samples` raises.
    """
    pair = WeightedPair.of(x, y, wx, wy)
    middle = np.cumsum(pair.x_shares) - pair.x_shares / 2
    effect = float(middle @ pair.y_shares) - 0.5 if pair.values.size > 1 else 0.0
    sd = _sd(pair)
    p_value = float(2 * scipy.special.ndtr(-abs(effect) / sd)) if sd > 0 else 1.0
    return _result(pair, effect, p_value, alpha, power)


def _sd(pair: WeightedPair) -> float:
    total = pair.n + pair.m
    untied = 1 - (np.sum(pair.pooled**3) - total**-2) / (1 - total**-2)
    variance = (1 / pair.n + 1 / pair.m) / 12 * (total + 1) / total * untied
    return float(np.sqrt(max(variance, 0.0))) if pair.values.size > 1 else 0.0


def _result(
    pair: WeightedPair, effect: float, p_value: float, alpha: float, power: float
) -> TwoSampleResult:
    needed = scipy.special.ndtri([1 - fraction(alpha, "alpha") / 2, fraction(power, "power")])
    return TwoSampleResult(
        detector=NAME,
        statistic=abs(effect),
        p_value=p_value,
        effect=effect,
        effect_unit=PROBABILITY,
        minimum_detectable_effect=min(max(float(needed.sum()) * _sd(pair), 0.0), 0.5),
        n_reference=pair.n,
        n_current=pair.m,
    )
