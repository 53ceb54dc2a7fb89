"""Back to what: whether what is seen now fits a stored reference, or is something new.

Each stored reference is an account of the current counts: both came from the same shares. A last
one is that the shares are new, all being equally likely beforehand. Their probabilities follow
from marginal likelihoods. A reference is only named where its probability is high and a test finds
nothing against it; "none of them" is an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.special

from detectors.arrays import FloatArray, fraction
from detectors.diagnosis.origin import log_shares, told_by
from detectors.errors import BadParameterError, EmptySampleError
from detectors.histogram import LEAST_TOTAL, Histogram
from detectors.series.overdispersion import effective_sample_size
from detectors.two_sample.energy_histogram import energy_histogram


@dataclass(frozen=True)
class Fit:
    """How well the current counts fit one stored reference.

    `probability` is that of this reference among all of them and something new; `p_value` and
    `effect` are `energy_histogram`'s (in `effect_unit`).
    """

    probability: float
    p_value: float
    effect: float
    effect_unit: str


@dataclass(frozen=True)
class Recurrence:
    """The reference that has come back, or None; the evidence for each; the chance of none."""

    returned_to: str | None
    fits: dict[str, Fit]
    probability_new: float


def recurrence_of(
    current: Histogram,
    references: Mapping[str, Histogram],
    *,
    tau_squared: float = 0.0,
    prior_new: float = 0.5,
    least_probability: float = 0.9,
    alpha: float = 0.01,
) -> Recurrence:
    """Compare current counts with stored references (past versions, say) on the same bins.

    With `tau_squared` (`estimate_variation(rounds).tau_squared`) rounds that differ by more than
    their sampling still fit: n examples count as n / (1 + n tau^2). Without it a big sample fits
    nothing but its own like. `prior_new` is shared against all references together. One is named
    if its probability is `least_probability` at least and its p-value above `alpha`. Without
    references the answer is None, and new for certain. Raises EmptySampleError for counts that
    are none, EdgesDifferError, BadParameterError.

    >>> winter, summer = Histogram([0, 1, 2], [8000, 2000]), Histogram([0, 1, 2], [3000, 7000])
    >>> recurrence_of(Histogram([0, 1, 2], [910, 2090]), {"w": winter, "s": summer}).returned_to
    's'
    """
    fraction(prior_new, "prior_new"), fraction(alpha, "alpha")
    fraction(least_probability, "least_probability")
    if not (np.isfinite(tau_squared) and tau_squared >= 0):
        raise BadParameterError("tau_squared", tau_squared, "a finite number, zero or more")
    now = _told(current, tau_squared, "current")
    then = {}
    for name, reference in references.items():
        current.require_same_bins(reference)
        then[name] = _told(reference, tau_squared, f"reference {name}")
    probabilities = _probabilities(now, list(then.values()), prior_new)
    fits = {
        name: _fit(float(probability), _like(references[name], then[name]), _like(current, now))
        for name, probability in zip(then, probabilities[:-1], strict=True)
    }
    return Recurrence(_named(fits, least_probability, alpha), fits, float(probabilities[-1]))


def _probabilities(now: FloatArray, then: list[FloatArray], prior_new: float) -> FloatArray:
    """Return the probability of each reference, and of something new at the end."""
    if not then:
        return np.ones(1)
    log_known = np.log((1 - prior_new) / len(then))
    logs = [log_known + float(log_shares(now + each) - log_shares(each)) for each in then]
    new = np.log(prior_new) + float(log_shares(now))
    return np.asarray(scipy.special.softmax([*logs, new]), dtype=np.float64)


def _named(fits: Mapping[str, Fit], least_probability: float, alpha: float) -> str | None:
    if not fits:
        return None
    best = max(fits, key=lambda name: fits[name].probability)
    fits_well = fits[best].probability >= least_probability and fits[best].p_value > alpha
    return best if fits_well else None


def _fit(probability: float, reference: Histogram, current: Histogram) -> Fit:
    test = energy_histogram(reference, current)
    return Fit(probability, test.p_value, test.effect, test.effect_unit)


def _told(histogram: Histogram, tau_squared: float, name: str) -> FloatArray:
    """Return the counts that say as much as these, were examples independent and without noise."""
    if histogram.total < LEAST_TOTAL:
        raise EmptySampleError(name)
    counts = told_by(histogram.counts, histogram.noise_sd)
    size = float(counts.sum())
    return counts * (effective_sample_size(size, tau_squared) / size)


def _like(histogram: Histogram, counts: FloatArray) -> Histogram:
    return Histogram(histogram.edges, counts, histogram.categorical)
