"""The Kolmogorov-Smirnov test on bins: the largest gap between two distribution functions."""

import numpy as np
import scipy.special

from detectors.arrays import FloatArray
from detectors.errors import NotOrderedError
from detectors.histogram import Histogram, merge
from detectors.result import PROBABILITY, TwoSampleResult
from detectors.series.overdispersion import RoundVariation, Spread, sampling_spread
from detectors.two_sample.ks import NAME, kolmogorov_tail, minimum_detectable_gap


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


def _require_ordered(reference: Histogram, current: Histogram) -> None:
    reference.require_same_bins(current)
    if reference.categorical:
        raise NotOrderedError(NAME)


def _plain_tail(gap: float, spread: Spread) -> float:
    return spread.average(lambda values: kolmogorov_tail(gap, values))


def _noisy_tail(gap: float, spread: Spread, noise: FloatArray) -> float:
    """Bound the tail over 64 ways to divide the gap between sampling and noise."""
    parts = np.linspace(0.0, gap, 64)
    sampled = kolmogorov_tail(gap - parts[:, np.newaxis], spread.values) @ spread.weights
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


def _result(
    gap: float, p_value: float, detectable: float, sizes: tuple[float, float]
) -> TwoSampleResult:
    return TwoSampleResult(NAME, gap, p_value, gap, PROBABILITY, detectable, *sizes)
