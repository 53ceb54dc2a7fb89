"""The Anderson-Darling test on bins: squared gaps over their variance, so that tails count fully.

On bins the null is a weighted sum of chi-squared variables, from the pooled shares.

Pettitt (1976), Biometrika 63, 161-168; Choulakian, Lockhart & Stephens (1994), Canadian Journal of
Statistics 22, 125-137.
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

NAME = "anderson-darling"


def anderson_darling_histogram(
    reference: Histogram,
    current: Histogram,
    *,
    variation: RoundVariation | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two histograms on the same ordered bins by squared gaps over their variances.

    `statistic` is A^2 = n m / (n + m) sum_j t_j (F_j - G_j)^2 / (H_j (1 - H_j)) over the inner
    edges, H the pooled distribution and t_j the mean of its shares on both sides of edge j; where
    every value has a bin to itself it is Pettitt's, the two-sample case of
    scipy.stats.anderson_ksamp before that is standardised. Declared noise adds its variance to
    H (1 - H), so that edges with little but noise do not count. `effect` is the root mean square
    gap, a probability, and so is the minimum detectable effect, that of a shift of the whole
    distribution. `variation` makes rounds the unit. Raises EdgesDifferError, EmptySampleError,
    NotOrderedError, TooNoisyError, BadParameterError.

    >>> counts = Histogram([0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 5.0])
    >>> anderson_darling_histogram(counts, counts).p_value
    1.0
    """
    fraction(alpha, "alpha"), fraction(power, "power")
    require_ordered(reference, current, NAME)
    null, shares = null_of(reference, current, variation), pooled_shares(reference, current)
    size = 1 / (1 / reference.total + 1 / current.total)
    mass, difference = edge_weights(shares), gaps(reference, current)
    weight = _over_variance(mass, shares, null.noise * size)
    form = rms_form(null, weight, mass, reference)
    squared = float(weight @ difference**2)
    bound = _binning_bound(reference, current, shares, squared)
    return TwoSampleResult(
        detector=NAME,
        statistic=size * squared,
        p_value=form.p_value(squared),
        effect=float(np.sqrt(mass @ difference**2)),
        effect_unit=PROBABILITY,
        minimum_detectable_effect=min(form.detectable(alpha, power), 1.0),
        n_reference=reference.total,
        n_current=current.total,
        error_bound=size * (bound + form.noise_bound(squared)),
    )


def _over_variance(mass: FloatArray, shares: FloatArray, noise: float) -> FloatArray:
    """Return mass / (variance of the gap); 0 where the pooled distribution is 0 or 1."""
    below = np.clip(np.cumsum(shares)[:-1], 0.0, 1.0)
    bins = np.arange(1, shares.size)
    noised = bins * (1 - below) ** 2 + (shares.size - bins) * below**2
    variance = below * (1 - below) + noise * noised
    positive = variance > 0
    return np.where(positive, mass / np.where(positive, variance, 1.0), 0.0)


def _binning_bound(
    reference: Histogram, current: Histogram, shares: FloatArray, squared: float
) -> float:
    """Bound the sum bin by bin, with H anywhere between its values at the bin's edges.

    With u the smaller side's share of all examples, |F - G| is at most H / u and (1 - H) / u.
    Between the points where these meet the envelope, and the edges, the summand is monotone.
    """
    inside = envelope(reference, current)
    after = np.clip(np.cumsum(shares), 0.0, 1.0)
    before = np.append(0.0, after[:-1])
    smaller = min(reference.total, current.total) / (reference.total + current.total)
    meets = np.minimum(inside.largest * smaller, 1.0)
    points = np.clip([before, after, meets, 1 - meets], before, after)
    bounded = np.minimum(inside.largest, np.minimum(points, 1 - points) / smaller)
    largest = np.max(_ratio(bounded**2, points * (1 - points)), axis=0)
    middle = np.clip(0.5, before, after)
    least = _ratio(inside.least**2, middle * (1 - middle))
    return max(float(shares @ largest) - squared, squared - float(shares @ least))


def _ratio(squares: FloatArray, variance: FloatArray) -> FloatArray:
    positive = variance > 0
    return np.where(positive, squares / np.where(positive, variance, 1.0), 0.0)
