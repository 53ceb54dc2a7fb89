"""The Cramer-von Mises test on bins: the mean squared gap between two distribution functions.

On bins the pooled distribution has ties, and the null follows from its shares: a weighted sum of
chi-squared variables, whose tail `quadratic_tail` gives.

Choulakian, Lockhart & Stephens (1994), Canadian Journal of Statistics 22, 125-137.
"""

import numpy as np

from detectors.arrays import FloatArray, fraction
from detectors.histogram import Histogram
from detectors.result import PROBABILITY, TwoSampleResult
from detectors.series.overdispersion import RoundVariation
from detectors.two_sample.noise import null_of, pooled_shares
from detectors.two_sample.ordered_histogram import (
    edge_weights,
    envelope,
    gaps,
    require_ordered,
    rms_form,
)

NAME = "cvm"


def cvm_histogram(
    reference: Histogram,
    current: Histogram,
    *,
    variation: RoundVariation | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two histograms on the same ordered bins by the mean squared gap of F and G.

    `statistic` is T = n m / (n + m) sum_j t_j (F_j - G_j)^2 over the inner edges, t_j the mean of
    the pooled shares on both sides of edge j; where every value has a bin to itself it is that of
    scipy.stats.cramervonmises_2samp. `effect` is the root of the sum, the root mean square gap, a
    probability, and so is the minimum detectable effect, that of a shift of the whole distribution.
    `error_bound` holds for values on both sides of which ties are halved, as here, or not.
    `variation` makes rounds the unit; declared noise is part of the null. Raises EdgesDifferError,
    EmptySampleError, NotOrderedError, TooNoisyError, BadParameterError.

    >>> counts = Histogram([0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 5.0])
    >>> cvm_histogram(counts, counts).p_value
    1.0
    """
    fraction(alpha, "alpha"), fraction(power, "power")
    require_ordered(reference, current, NAME)
    null, shares = null_of(reference, current, variation), pooled_shares(reference, current)
    weight = edge_weights(shares)
    form = rms_form(null, weight, weight, reference)
    mean_square = float(weight @ gaps(reference, current) ** 2)
    size = 1 / (1 / reference.total + 1 / current.total)
    bound = _binning_bound(reference, current, shares, mean_square)
    return TwoSampleResult(
        detector=NAME,
        statistic=size * mean_square,
        p_value=form.p_value(mean_square),
        effect=float(np.sqrt(mean_square)),
        effect_unit=PROBABILITY,
        minimum_detectable_effect=min(form.detectable(alpha, power), 1.0),
        n_reference=reference.total,
        n_current=current.total,
        error_bound=size * (bound + form.noise_bound(mean_square)),
    )


def _binning_bound(
    reference: Histogram, current: Histogram, shares: FloatArray, mean_square: float
) -> float:
    inside = envelope(reference, current)
    least, largest = float(shares @ inside.least**2), float(shares @ inside.largest**2)
    return max(largest - mean_square, mean_square - least)
