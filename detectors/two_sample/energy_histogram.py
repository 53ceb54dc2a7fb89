"""Energy distance of histograms: from counts alone, with a p-value that needs no random numbers.

The examples of a bin are taken to lie at its mid-point. Then dcor's (squared) distance is
2 * sum_j gap_j (F_j - G_j)^2 over the inner edges, gap_j being the step between mid-points. For
categories, any two of which lie one apart, it is sum_j (p_j - q_j)^2. Under no drift both are a
quadratic form in nearly normal variables, whose tail `quadratic_tail` gives.
"""

from dataclasses import dataclass

import numpy as np
import scipy.special

from detectors.arrays import FloatArray, fraction
from detectors.histogram import Histogram, merge
from detectors.result import PROBABILITY, SUBJECT, TwoSampleResult
from detectors.series.overdispersion import RoundVariation, Spread, sampling_spread, shares_of
from detectors.two_sample.quadratic import quadratic_quantile, quadratic_tail

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
    Raises EdgesDifferError, EmptySampleError, BadParameterError.

    >>> counts = Histogram([0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 5.0])
    >>> energy_histogram(counts, counts).p_value
    1.0
    """
    fraction(alpha, "alpha"), fraction(power, "power")
    reference.require_same_bins(current)
    difference = shares_of(current) - shares_of(reference)
    weight = _weights(reference)
    spread = _spread(reference, current, variation)
    null = _null(reference, current, weight)
    statistic = float(weight @ difference**2)
    return TwoSampleResult(
        detector=NAME,
        statistic=statistic,
        p_value=null.p_value(statistic, spread),
        effect=float(weight @ np.abs(difference)) / 2,
        effect_unit=PROBABILITY if reference.categorical else SUBJECT,
        minimum_detectable_effect=null.detectable(spread.mean, alpha, power),
        n_reference=reference.total,
        n_current=current.total,
    )


@dataclass(frozen=True)
class _Null:
    """Weighted covariances under no drift: of sampling (for a spread of 1) and of declared noise.

    `direction` is the weighted change that an effect of 1 makes.
    """

    sampling: FloatArray
    noise: FloatArray
    direction: FloatArray

    def p_value(self, statistic: float, spread: Spread) -> float:
        if not self.noise.any():
            eigenvalues = _eigenvalues(self.sampling)
            return spread.average(lambda s: quadratic_tail(statistic / s, eigenvalues))
        points = np.array([statistic])
        return spread.average(
            lambda values: np.array(
                [quadratic_tail(points, _eigenvalues(self.covariance(s)))[0] for s in values]
            )
        )

    def covariance(self, spread: float) -> FloatArray:
        return self.sampling * spread + self.noise

    def detectable(self, spread: float, alpha: float, power: float) -> float:
        """Solve mean(e) - z_power * sd(e) = critical value for the effect e.

        The statistic under an effect e has the mean e^2 a + sum(lambda) and the variance
        2 sum(lambda^2) + 4 e^2 b; the equation is quadratic in e^2.
        """
        covariance = self.covariance(spread)
        eigenvalues = _eigenvalues(covariance)
        a = float(self.direction @ self.direction)
        b = float(self.direction @ covariance @ self.direction)
        z = float(scipy.special.ndtri(power))
        beyond = quadratic_quantile(alpha, eigenvalues) - float(eigenvalues.sum())
        half = beyond / a + 2 * z**2 * b / a**2
        rest = (2 * z**2 * float(np.sum(eigenvalues**2)) - beyond**2) / a**2
        return float(np.sqrt(max(half + np.sqrt(max(half**2 + rest, 0.0)), 0.0)))


def _null(reference: Histogram, current: Histogram, weight: FloatArray) -> _Null:
    root = np.sqrt(weight)
    shares = _pooled(reference, current)
    transform = np.eye(shares.size)
    if not reference.categorical:
        transform = np.tri(shares.size)[:-1]
    sampling = transform @ (np.diag(shares) - np.outer(shares, shares)) @ transform.T
    # A share errs by (its noise - share * noise of all) / total.
    noised = transform @ (np.eye(shares.size) - np.outer(shares, np.ones(shares.size)))
    relative = sum((each.noise_sd / each.total) ** 2 for each in (reference, current))
    scale = np.outer(root, root)
    direction = root * _direction(reference, shares, weight)
    return _Null(sampling * scale, noised @ noised.T * relative * scale, direction)


def _pooled(reference: Histogram, current: Histogram) -> FloatArray:
    """Pooled shares; one pseudo-count, spread evenly, keeps a constant from having no variance."""
    counts = np.maximum(merge((reference, current)).counts, 0.0) + 1 / reference.counts.size
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def _weights(histogram: Histogram) -> FloatArray:
    if histogram.categorical:
        return np.ones(histogram.counts.size)
    return 2 * np.diff(histogram.mid_points)


def _direction(histogram: Histogram, shares: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the change of the shares for an effect of 1."""
    if histogram.categorical:
        change = np.zeros(shares.size)
        change[np.argsort(shares)[-2:]] = (-1.0, 1.0)
        return change
    density: FloatArray = (shares[1:] + shares[:-1]) / weight
    return density / float(weight @ density) * 2


def _spread(reference: Histogram, current: Histogram, variation: RoundVariation | None) -> Spread:
    if variation is None:
        return sampling_spread(reference.total, current.total)
    return variation.spread(current.total)


def _eigenvalues(covariance: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(np.linalg.eigvalsh(covariance), 0.0), dtype=np.float64)
