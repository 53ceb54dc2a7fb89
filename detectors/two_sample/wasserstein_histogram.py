"""The Wasserstein-1 test on bins: how far examples had to move, and whether chance moves them so.

The distance is the area between two distribution functions, in the subject's unit. Its null has no
closed form; seeded Gaussian replicates of the pooled shares give it, smooth into the tail.

Ramdas, Garcia Trillos & Cuturi (2017), Entropy 19, 47.
"""

import numpy as np
import scipy.special

from detectors.arrays import FloatArray, fraction
from detectors.histogram import Histogram
from detectors.result import SUBJECT, TwoSampleResult
from detectors.series.overdispersion import RoundVariation
from detectors.two_sample.noise import Null, Replicates, cumulative, gap_replicates, null_of
from detectors.two_sample.ordered_histogram import envelope, gaps, require_ordered, scaled_steps
from detectors.two_sample.quadratic import moments, satterthwaite

NAME = "wasserstein"
_STEPS, _ARRIVED = 12, 1e-12


def wasserstein_histogram(
    reference: Histogram,
    current: Histogram,
    *,
    variation: RoundVariation | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two histograms on the same ordered bins by the mean distance examples moved.

    `statistic` and `effect` are the Wasserstein-1 distance of examples at mid-points, in the
    subject's unit. The minimum detectable effect is that of a shift, and an upper bound: the
    distance is at least the difference of means, whose chance of passing a value is known, and the
    critical value at most that of the L2 distance, by Cauchy and Schwarz. `error_bound` takes
    values outside the edges for values at them. `variation` makes rounds the unit; declared noise
    is part of the null. Raises EdgesDifferError, EmptySampleError, NotOrderedError, TooNoisyError,
    BadParameterError.

    >>> low, high = Histogram([0, 1, 2, 3], [9, 0, 0]), Histogram([0, 1, 2, 3], [0, 0, 9])
    >>> round(wasserstein_histogram(low, high).effect, 9)
    2.0
    """
    fraction(alpha, "alpha"), fraction(power, "power")
    require_ordered(reference, current, NAME)
    null = null_of(reference, current, variation)
    steps, unit = scaled_steps(reference)
    distance = float(steps @ np.abs(gaps(reference, current)))
    replicates = gap_replicates(null, steps)
    noise = np.full(null.shares.size, null.noise)
    bound = _binning_bound(reference, current, distance) + _norm_quantile(null, noise, steps, 0.05)
    return TwoSampleResult(
        detector=NAME,
        statistic=distance * unit,
        p_value=_p_value(distance, steps, replicates),
        effect=distance * unit,
        effect_unit=SUBJECT,
        minimum_detectable_effect=_detectable(null, steps, alpha, power) * unit,
        n_reference=reference.total,
        n_current=current.total,
        error_bound=bound * unit,
    )


def _p_value(distance: float, steps: FloatArray, replicates: Replicates) -> float:
    """P(sum steps |slope z + rest| >= distance), the sum being convex in z."""
    goal = distance / replicates.scale[:, np.newaxis]
    above = _crossing(goal, steps, replicates.slope, replicates.rest)
    below = _crossing(goal, steps, -replicates.slope, replicates.rest)
    chance = scipy.special.ndtr(-above) + scipy.special.ndtr(-below)
    return replicates.average(np.where(above + below < 0, 1.0, chance))


def _crossing(
    goal: FloatArray, steps: FloatArray, slope: FloatArray, rest: FloatArray
) -> FloatArray:
    """Return the largest z where the sum is at the goal; -inf where it lies above everywhere.

    Newton's method from the right of it: on a convex function it never steps across, and on one
    of straight pieces it arrives.
    """
    z = (goal + np.abs(rest) @ steps) / (np.abs(slope) @ steps)
    for _ in range(_STEPS):
        signs = np.sign(slope * z[..., np.newaxis] + rest)
        rise, start = np.vecdot(signs, slope * steps), np.vecdot(signs, rest * steps)
        with np.errstate(divide="ignore", invalid="ignore"):
            nearer = np.where(rise > 0, (goal - start) / rise, -np.inf)
        z, last = nearer, z
        if not (z < last - _ARRIVED).any():
            break
    return np.asarray(z, dtype=np.float64)


def _binning_bound(reference: Histogram, current: Histogram, distance: float) -> float:
    """Return how far the distance of the values may lie from that of mid-points, in ranges."""
    inside = envelope(reference, current)
    widths = np.diff(reference.edges) / (reference.edges[-1] - reference.edges[0])
    return max(float(widths @ inside.largest) - distance, distance - float(widths @ inside.least))


def _detectable(null: Null, steps: FloatArray, alpha: float, power: float) -> float:
    across = null.centred(cumulative(steps))[0]
    sd = float(np.sqrt(across**2 @ null.variance()))
    critical = _norm_quantile(null, null.variance(), steps, alpha)
    return max(critical + float(scipy.special.ndtri(power)) * sd, 0.0)


def _norm_quantile(null: Null, variance: FloatArray, steps: FloatArray, alpha: float) -> float:
    """Bound the distance that a change of this variance in each bin passes with chance alpha.

    sum steps |gap| is at most the root of (sum steps) (sum steps gap^2), a quadratic form.
    """
    if not variance.any():
        return 0.0
    rows = np.sqrt(steps)[:, np.newaxis] * np.tri(null.shares.size)[:-1]
    root = null.centred(rows) * np.sqrt(variance)
    return float(np.sqrt(steps.sum() * satterthwaite(alpha, *moments(root))))
