"""The Kolmogorov-Smirnov test: the largest gap between two distribution functions.

All tests are two-sided. The minimum detectable effect is the D for which
sqrt(-ln(alpha / 2) / 2 * s) + z_power * sqrt(s / 4) with s = 1 / n + 1 / m: beyond the
asymptotic critical value by as much as the gap at its widest point, whose variance is at most
s / 4, errs with the power asked for. That is an upper bound, since other points may alarm too.
"""

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, fraction, sample
from detectors.result import PROBABILITY, TwoSampleResult
from detectors.series.overdispersion import sampling_spread
from detectors.two_sample.ks_exact import Lattice, gap_tails, largest_gap
from detectors.two_sample.weighted_ecdf import WeightedPair

NAME = "ks"


def ks_samples(
    x: ArrayLike, y: ArrayLike, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Compare two samples, vectors of lengths n and m; `ks_many` does it for many pairs.

    The p-value is exact, as scipy.stats.ks_2samp's is, for equal sizes and up to 10,000 values a
    side. Beyond, it is Hodges' asymptotic one, which lies within 2% of the exact one down to
    p = 0.001. With ties it is an upper bound. `statistic` and `effect` are D, a gap in probability.
    Raises EmptySampleError, ShapeError, NotFiniteError, OutOfRangeError, BadParameterError.

    >>> round(ks_samples([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]).statistic, 6)
    0.333333

    Hodges (1958), Arkiv for Matematik 3, 469-486.
    """
    first, second = np.sort(sample(x, "x")), np.sort(sample(y, "y"))
    lattice, steps = Lattice(first.size, second.size), largest_gap(first, second)
    p_value = float(gap_tails(np.array([steps]), first.size, second.size)[0])
    spread = sampling_spread(first.size, second.size)
    detectable = minimum_detectable_gap(spread.mean, alpha, power)
    sizes = (float(first.size), float(second.size))
    return _result(steps / lattice.lcm, p_value, detectable, sizes)


def ks_weighted(
    x: ArrayLike,
    y: ArrayLike,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two weighted samples by their weighted distribution functions.

    Weights are relative (doubling all changes nothing); the p-value is asymptotic at the effective
    sizes (sum w)^2 / sum w^2 (Kish 1965), with Stephens' correction. Raises BadWeightError beside
    what `ks_samples` raises.

    Monahan (2011), Numerical Methods of Statistics, 2nd ed., section 12.6.
    """
    pair = WeightedPair.of(x, y, wx, wy)
    gap = float(np.max(np.abs(pair.gaps), initial=0.0))
    spread = sampling_spread(*pair.sizes)
    detectable = minimum_detectable_gap(spread.mean, alpha, power)
    return _result(gap, spread.average(lambda s: kolmogorov_tail(gap, s)), detectable, pair.sizes)


def minimum_detectable_gap(spread: float, alpha: float, power: float) -> float:
    """Return the smallest D that a test at `alpha` finds with `power`, at most 1.

    `spread` is 1 / n + 1 / m.
    """
    critical = np.sqrt(-np.log(fraction(alpha, "alpha") / 2) / 2 * spread)
    beyond = scipy.special.ndtri(fraction(power, "power")) * np.sqrt(spread / 4)
    return float(np.clip(critical + beyond, 0.0, 1.0))


def kolmogorov_tail(gap: float | FloatArray, spread: FloatArray) -> FloatArray:
    """P(D >= gap) at effective size 1 / spread: Kolmogorov's limit as Stephens (1970) corrects."""
    scaled = _stephens(spread) * np.maximum(gap, 0.0)
    return np.asarray(scipy.special.kolmogorov(scaled), dtype=np.float64)


def kolmogorov_critical(alpha: float, spread: FloatArray) -> FloatArray:
    """The gap that `kolmogorov_tail` is alpha of."""
    return np.asarray(scipy.special.kolmogi(alpha) / _stephens(spread), dtype=np.float64)


def _stephens(spread: FloatArray) -> FloatArray:
    root = np.sqrt(1 / spread)
    return np.asarray(root + 0.12 + 0.11 / root, dtype=np.float64)


def _result(
    gap: float, p_value: float, detectable: float, sizes: tuple[float, float]
) -> TwoSampleResult:
    return TwoSampleResult(NAME, gap, p_value, gap, PROBABILITY, detectable, *sizes)
