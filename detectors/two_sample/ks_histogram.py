"""The Kolmogorov-Smirnov test on bins: the largest gap between two distribution functions.

On bins the pooled distribution has ties, which make large gaps rarer than Kolmogorov's law says: by
a factor of 3 at 8 bins and p = 0.01. So the null is that of the gaps at these edges.
"""

import numpy as np
import scipy.special

from detectors.arrays import fraction
from detectors.histogram import Histogram
from detectors.result import PROBABILITY, TwoSampleResult
from detectors.series.overdispersion import RoundVariation
from detectors.two_sample.ks import NAME
from detectors.two_sample.ks_tied import exact_tail, half_step, has_exact_tail
from detectors.two_sample.largest_gap import LargestGap, noise_alone
from detectors.two_sample.noise import Null, null_of
from detectors.two_sample.ordered_histogram import envelope, gaps, require_ordered


def ks_histogram(
    reference: Histogram,
    current: Histogram,
    *,
    variation: RoundVariation | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two histograms on the same ordered bins by D, the largest gap at an edge.

    Without noise or `variation`, and up to 2,000 whole counts on both sides together, the p-value
    is exact given the pooled counts: where every value has a bin to itself it is that of
    scipy.stats.ks_2samp. Else the gaps are taken as normal, from the pooled shares, with declared
    noise as part of the null. `statistic` and `effect` are D, a gap in probability. The minimum
    detectable effect is the critical D and, beyond it, as much as the gap that varies most errs
    with the power asked for: an upper bound. `variation` makes rounds the unit
    (`estimate_variation` of those that `reference` was merged from). Raises EdgesDifferError,
    EmptySampleError, NotOrderedError, TooNoisyError, BadParameterError.

    >>> low, high = Histogram([0, 1, 2, 3], [4, 2, 0]), Histogram([0, 1, 2, 3], [0, 2, 4])
    >>> result = ks_histogram(low, high)
    >>> round(result.effect, 6), round(result.p_value, 6)
    (0.666667, 0.108225)
    """
    fraction(alpha, "alpha"), fraction(power, "power")
    require_ordered(reference, current, NAME)
    null = null_of(reference, current, variation)
    law, gap = LargestGap.of(null), float(np.max(np.abs(gaps(reference, current))))
    if variation is None and has_exact_tail(reference, current):
        p_value = exact_tail(reference.counts, current.counts)
    else:
        p_value = law.tail(gap - half_step(reference, current))
    return TwoSampleResult(
        detector=NAME,
        statistic=gap,
        p_value=p_value,
        effect=gap,
        effect_unit=PROBABILITY,
        minimum_detectable_effect=_detectable(law, alpha, power),
        n_reference=reference.total,
        n_current=current.total,
        error_bound=_binning_bound(reference, current, gap) + _noise_bound(null),
    )


def _detectable(law: LargestGap, alpha: float, power: float) -> float:
    beyond = float(scipy.special.ndtri(power)) * law.widest
    return float(np.clip(law.critical(alpha) + beyond, 0.0, 1.0))


def _binning_bound(reference: Histogram, current: Histogram, gap: float) -> float:
    """Return how far D of the values may lie above that at the edges, which is never above it."""
    return max(float(np.max(envelope(reference, current).largest)) - gap, 0.0)


def _noise_bound(null: Null) -> float:
    alone = noise_alone(null)
    return LargestGap.of(alone).critical(0.05) if alone else 0.0
