"""The Mann-Whitney test on bins: the chance that a current value lies above a reference value.

Values in one bin are ties and count half. Given the pooled shares the statistic is linear in the
difference of the shares, so its null is normal, with the variance that ties leave.

Mann & Whitney (1947), Annals of Mathematical Statistics 18, 50-60; ties as Lehmann (1975),
Nonparametrics, section 1.4.
"""

import numpy as np
import scipy.special

from detectors.arrays import FloatArray, fraction
from detectors.histogram import Histogram
from detectors.result import PROBABILITY, TwoSampleResult
from detectors.series.overdispersion import RoundVariation
from detectors.two_sample.noise import Null, null_of, pooled_shares
from detectors.two_sample.ordered_histogram import require_ordered

NAME = "mann-whitney"


def mann_whitney_histogram(
    reference: Histogram,
    current: Histogram,
    *,
    variation: RoundVariation | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two histograms on the same ordered bins by P(current > reference).

    `effect` is P(current > reference) + P(equal) / 2 - 1/2, a probability between -1/2 and 1/2,
    positive where current values lie higher; `statistic` is its absolute value, so that the U of
    scipy.stats.mannwhitneyu(current, reference) is n m (effect + 1/2). The test is two-sided.
    `variation` makes rounds the unit; declared noise is part of the null. Raises EdgesDifferError,
    EmptySampleError, NotOrderedError, TooNoisyError, BadParameterError.

    >>> low, high = Histogram([0, 1, 2, 3], [4, 2, 0]), Histogram([0, 1, 2, 3], [0, 2, 4])
    >>> round(mann_whitney_histogram(low, high).effect, 6)
    0.444444
    """
    fraction(alpha, "alpha"), fraction(power, "power")
    require_ordered(reference, current, NAME)
    null = null_of(reference, current, variation)
    ranks = _mid_ranks(pooled_shares(reference, current))
    effect = float(ranks @ (current.pmf() - reference.pmf()))
    critical, beyond = scipy.special.ndtri([1 - alpha / 2, power])
    across = null.centred(ranks[np.newaxis])[0]
    variance = float(across**2 @ null.variance())
    noise_sd = float(np.sqrt(across @ across * null.noise))
    return TwoSampleResult(
        detector=NAME,
        statistic=abs(effect),
        p_value=_p_value(null, across, effect),
        effect=effect,
        effect_unit=PROBABILITY,
        minimum_detectable_effect=min(float((critical + beyond) * np.sqrt(variance)), 0.5),
        n_reference=reference.total,
        n_current=current.total,
        error_bound=_binning_bound(reference, current) + 1.96 * noise_sd,
    )


def _mid_ranks(shares: FloatArray) -> FloatArray:
    """Return the share of all values below each bin, plus half of those in it."""
    return np.asarray(np.cumsum(shares) - shares / 2, dtype=np.float64)


def _p_value(null: Null, across: FloatArray, effect: float) -> float:
    diagonal = across**2
    scales, weights = null.scales(diagonal, float(diagonal @ null.variance()) ** 2)

    def tail(spreads: FloatArray) -> FloatArray:
        variance = spreads * float(diagonal @ null.shares) + float(diagonal.sum()) * null.noise
        z = abs(effect) / np.sqrt(np.multiply.outer(variance, scales))
        return np.asarray(2 * scipy.special.ndtr(-z) @ weights, dtype=np.float64)

    return null.spread.average(tail)


def _binning_bound(reference: Histogram, current: Histogram) -> float:
    """Half of the pairs that fall in one bin: any order of theirs is possible."""
    p, q = (np.clip(h.pmf(), 0.0, 1.0) for h in (reference, current))
    return float(p @ q) / 2
