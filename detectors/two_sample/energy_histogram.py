"""Energy distance of histograms: from counts alone, with a p-value that needs no random numbers.

The examples of a bin are taken to lie at its mid-point. Then dcor's (squared) distance is
2 * sum_j gap_j (F_j - G_j)^2 over the inner edges, gap_j being the step between mid-points. For
categories, any two of which lie one apart, it is sum_j (p_j - q_j)^2. Under no drift both are a
quadratic form in nearly normal variables, whose tail `quadratic_tail` gives.
"""

import numpy as np

from detectors.arrays import FloatArray, fraction
from detectors.histogram import Histogram
from detectors.result import PROBABILITY, SUBJECT, TwoSampleResult
from detectors.series.overdispersion import RoundVariation
from detectors.two_sample.noise import Null, null_of
from detectors.two_sample.ordered_histogram import (
    envelope,
    gaps,
    scaled_steps,
    shift_direction,
)
from detectors.two_sample.quadratic import QuadraticForm

NAME = "energy"


def energy_histogram(
    reference: Histogram,
    current: Histogram,
    *,
    variation: RoundVariation | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two histograms on the same bins, ordered or categorical.

    `statistic` is dcor's convention: squared, so scipy's is its root. `effect` is the mean
    distance that examples had to move (Wasserstein-1), in the subject's unit; for categories the
    share that changed category (total variation), a probability. Without `variation` the examples
    are the unit; with it the rounds are (`estimate_variation` of the rounds that `reference` was
    merged from). Declared noise is part of the null. The minimum detectable effect is that of a
    shift of the whole distribution, or of a move between the two most frequent categories.
    `error_bound` takes values outside the edges for values at them. Raises EdgesDifferError,
    EmptySampleError, TooNoisyError, BadParameterError.

    >>> counts = Histogram([0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 5.0])
    >>> energy_histogram(counts, counts).p_value
    1.0
    """
    fraction(alpha, "alpha"), fraction(power, "power")
    null = null_of(reference, current, variation)
    if reference.categorical:
        difference, weight, unit = current.pmf() - reference.pmf(), np.ones(null.shares.size), 1.0
        form = QuadraticForm(null, np.eye(weight.size), _move(null.shares))
    else:
        steps, unit = scaled_steps(reference)
        difference, weight = gaps(reference, current), 2 * steps
        form = _shift_form(null, weight)
    statistic = float(weight @ difference**2)
    bound = 0.0 if reference.categorical else _binning_bound(reference, current, statistic)
    return TwoSampleResult(
        detector=NAME,
        statistic=statistic * unit,
        p_value=form.p_value(statistic),
        effect=float(weight @ np.abs(difference)) / 2 * unit,
        effect_unit=PROBABILITY if reference.categorical else SUBJECT,
        minimum_detectable_effect=form.detectable(alpha, power) * unit,
        n_reference=reference.total,
        n_current=current.total,
        error_bound=(bound + form.noise_bound(statistic)) * unit,
    )


def _shift_form(null: Null, weight: FloatArray) -> QuadraticForm:
    """Return the form for ordered bins; an effect of 1 is a shift by 1."""
    root = np.sqrt(weight)
    shift = shift_direction(null.shares, weight)
    length = float(weight @ shift) / 2
    direction = root * shift / length if length > 0 else 0 * shift
    return QuadraticForm(null, root[:, np.newaxis] * np.tri(null.shares.size)[:-1], direction)


def _move(shares: FloatArray) -> FloatArray:
    """Return the change of the shares when all examples move from one category to another."""
    change = np.zeros(shares.size)
    change[np.argsort(shares)[-2:]] = (-1.0, 1.0)
    return change


def _binning_bound(reference: Histogram, current: Histogram, statistic: float) -> float:
    """Bound how far 2 * integral (F - G)^2 lies from the statistic, in units of the range."""
    inside = envelope(reference, current)
    width = np.diff(reference.edges) / (reference.edges[-1] - reference.edges[0])
    least, largest = 2 * width @ inside.least**2, 2 * width @ inside.largest**2
    return max(float(largest) - statistic, statistic - float(least))
