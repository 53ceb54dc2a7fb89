"""The Kolmogorov-Smirnov test: the largest gap between two distribution functions.

All tests are two-sided. The minimum detectable effect is the D for which
sqrt(-ln(alpha / 2) / 2 * s) + z_power * sqrt(s / 4) with s = 1 / n + 1 / m: beyond the
asymptotic critical value by as much as the gap at its widest point, whose variance is at most
s / 4, errs with the power asked for. That is an upper bound, since other points may alarm too.
"""

import numpy as np
import scipy
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, fraction, sample, weights
from detectors.errors import NotOrderedError
from detectors.histogram import Histogram, merge
from detectors.result import PROBABILITY, TwoSampleResult
from detectors.series.overdispersion import RoundVariation, Spread, sampling_spread

NAME = "ks"


def ks_samples(
    x: ArrayLike, y: ArrayLike, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Compare two samples, vectors of lengths n and m; scipy.stats.ks_2samp does the work.

    The p-value is exact up to 10,000 values a side, asymptotic beyond. `statistic` and `effect`
    are D, a gap in probability. Raises EmptySampleError, ShapeError, NotFiniteError.

    >>> round(ks_samples([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]).statistic, 6)
    0.333333

    Hodges (1958), Arkiv for Matematik 3, 469-486.
    """
    first, second = sample(x, "x"), sample(y, "y")
    answer = scipy.stats.ks_2samp(first, second)
    spread = sampling_spread(first.size, second.size)
    detectable = minimum_detectable_gap(spread.mean, alpha, power)
    sizes = (float(first.size), float(second.size))
    return _result(float(answer.statistic), float(answer.pvalue), detectable, sizes)


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
    first, second = sample(x, "x"), sample(y, "y")
    u, v = weights(wx, first.size, "wx"), weights(wy, second.size, "wy")
    points = np.union1d(first, second)
    gap = float(np.max(np.abs(_ecdf(first, u, points) - _ecdf(second, v, points))))
    sizes = (_effective(u), _effective(v))
    spread = sampling_spread(*sizes)
    detectable = minimum_detectable_gap(spread.mean, alpha, power)
    return _result(gap, spread.average(lambda s: _tail(gap, s)), detectable, sizes)


def ks_histogram(
    reference: Histogram,
    current: Histogram,
    *,
    variation: RoundVariation | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two histograms on the same ordered bins.

    D is taken at the bin edges, so it is at most the D of the values themselves, and the test is
    conservative. Without `variation` the examples are the unit; with it the rounds are
    (`estimate_variation` of the rounds that `reference` was merged from). Declared noise is
    allowed for by a bound: D is at most the gap from sampling plus the largest noise at any edge,
    so p <= min over t of P(sampling >= D - t) + P(noise >= t), the noise taken as Gaussian and
    bounded over edges by Bonferroni. Raises EdgesDifferError, EmptySampleError, NotOrderedError.
    """
    _require_ordered(reference, current)
    gap = float(np.max(np.abs(reference.cdf() - current.cdf())[:-1]))
    sizes = (reference.total, current.total)
    spread = variation.spread(sizes[1]) if variation else sampling_spread(*sizes)
    noise = _noise_sd(reference, current)
    detectable = minimum_detectable_gap(spread.mean, alpha, power, noise)
    p_value = _noisy_tail(gap, spread, noise) if noise.any() else _plain_tail(gap, spread)
    return _result(gap, p_value, detectable, sizes)


def minimum_detectable_gap(
    spread: float, alpha: float, power: float, noise: FloatArray | None = None
) -> float:
    """Return the smallest D that a test at `alpha` finds with `power`, at most 1.

    `spread` is 1 / n + 1 / m, `noise` the standard deviation of declared noise at each edge.
    """
    critical = np.sqrt(-np.log(fraction(alpha, "alpha") / 2) / 2 * spread)
    worst = 0.0 if noise is None else float(noise.max())
    margin = 0.0 if noise is None else worst * scipy.special.ndtri(1 - alpha / (2 * noise.size))
    beyond = scipy.special.ndtri(fraction(power, "power")) * np.sqrt(spread / 4 + worst**2)
    return float(np.clip(critical + margin + beyond, 0.0, 1.0))


def _require_ordered(reference: Histogram, current: Histogram) -> None:
    reference.require_same_bins(current)
    if reference.categorical:
        raise NotOrderedError(NAME)


def _tail(gap: float | FloatArray, spread: FloatArray) -> FloatArray:
    """P(D >= gap) at effective size 1 / spread: Kolmogorov's limit as Stephens (1970) corrects."""
    root = np.sqrt(1 / spread)
    scaled = (root + 0.12 + 0.11 / root) * np.maximum(gap, 0.0)
    return np.asarray(scipy.special.kolmogorov(scaled), dtype=np.float64)


def _plain_tail(gap: float, spread: Spread) -> float:
    return spread.average(lambda values: _tail(gap, values))


def _noisy_tail(gap: float, spread: Spread, noise: FloatArray) -> float:
    """Bound the tail over 64 ways to divide the gap between sampling and noise."""
    parts = np.linspace(0.0, gap, 64)
    sampled = _tail(gap - parts[:, np.newaxis], spread.values) @ spread.weights
    noised = 2 * scipy.special.ndtr(-parts[:, np.newaxis] / noise).sum(axis=1)
    return float(np.clip(np.min(sampled + noised), 0.0, 1.0))


def _noise_sd(reference: Histogram, current: Histogram) -> FloatArray:
    """Return the sd of declared noise in the gap at each inner edge.

    The share F at edge j of m bins errs by (noise below - F * noise of all) / total.
    """
    share = np.clip(merge((reference, current)).cdf()[:-1], 0.0, 1.0)
    below = np.arange(1, share.size + 1)
    shape = below * (1 - share) ** 2 + (share.size + 1 - below) * share**2
    relative = sum((each.noise_sd / each.total) ** 2 for each in (reference, current))
    return np.asarray(np.sqrt(shape * relative), dtype=np.float64)


def _ecdf(values: FloatArray, weight: FloatArray, points: FloatArray) -> FloatArray:
    order = np.argsort(values)
    cumulative = np.concatenate(([0.0], np.cumsum(weight[order])))
    place = np.searchsorted(values[order], points, side="right")
    return np.asarray(cumulative[place] / cumulative[-1], dtype=np.float64)


def _effective(weight: FloatArray) -> float:
    relative = weight / weight.max()
    return float(relative.sum() ** 2 / np.sum(relative**2))


def _result(
    gap: float, p_value: float, detectable: float, sizes: tuple[float, float]
) -> TwoSampleResult:
    return TwoSampleResult(NAME, gap, p_value, gap, PROBABILITY, detectable, *sizes)
