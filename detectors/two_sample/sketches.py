"""Two-sample tests on KLL sketches, whose values are no sample.

A sketch's distribution function is off by some rank error e, which does not fall as n grows: a
test that takes its values for a sample, or its n for an effective size, alarms without end. Here
two things move a statistic where nothing changed, sampling and sketching, and for every t

    p <= P(sampling moves it by more than observed - t) + P(sketching moves it by t or more).

The p-values are the least of these sums, so they are never liberal. They are not uniform, either:
a reported 5% is less. For the second part, a sketch's error is a sum of independent, bounded,
centred terms, one a compaction, so it is sub-Gaussian; e being its 99th percentile over all ranks,
it passes t >= e with chance at most 0.01^((t / e)^2), and errors of two sketches add as
e = sqrt(e1^2 + e2^2). The largest difference of errors among 1,000 pairs each of random and sorted
streams, merged or not, was 0.91 e for k = 200 and 0.59 e for k = 8. `error_bound` is this e, or
what it does to the statistic.

datasketches' own ks_test takes the number of values kept for n, adds e1 + e2, and only decides: it
misses shifts that are found here, and steps through ties in pairs, so that samples of a few
distinct values and of different sizes are always called different (5.2).

Where both sketches kept all their values, the tests are those on samples.

Karnin, Lang & Liberty (2016), FOCS, 71-78; Lang et al., Apache DataSketches, KLL rank error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.special

from detectors.arrays import FloatArray, fraction
from detectors.result import PROBABILITY, SUBJECT, TwoSampleResult
from detectors.two_sample.energy import NAME as ENERGY
from detectors.two_sample.energy import energy_samples
from detectors.two_sample.kll_summary import KllSummary
from detectors.two_sample.ks import NAME as KS
from detectors.two_sample.ks import kolmogorov_tail, ks_samples
from detectors.two_sample.mann_whitney import NAME as MANN_WHITNEY
from detectors.two_sample.mann_whitney import mann_whitney_samples
from detectors.two_sample.wasserstein import NAME as WASSERSTEIN
from detectors.two_sample.wasserstein import wasserstein_samples
from detectors.two_sample.weighted_ecdf import WeightedPair

_MISS = 0.01  # the chance that a sketch's error passes its rank error
_PARTS = np.linspace(1.0, 16.0, 241)  # t / e; beyond, 0.01^((t / e)^2) is 0 in float64
_SD = 1 / np.sqrt(-2 * np.log(_MISS))  # of a sketch's error at one rank, over e


def ks_sketch(
    reference: KllSummary, current: KllSummary, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Compare two sketches by the largest gap D between their distribution functions.

    The minimum detectable effect is that of `ks_samples` with the sketches' error added, an upper
    bound. Raises BadParameterError.

    >>> low, high = KllSummary.of_values(range(1000)), KllSummary.of_values(range(500, 1500))
    >>> ks_sketch(low, high).p_value < 1e-9
    True
    """
    pair = _SketchPair.of(reference, current, alpha, power)
    if pair.exact:
        return ks_samples(reference.values, current.values, alpha=alpha, power=power)
    gap = float(np.max(np.abs(pair.shares.gaps), initial=0.0))
    beyond = scipy.special.ndtri(power) * np.hypot(np.sqrt(pair.spread) / 2, _SD * pair.error)
    detectable = float(np.clip(pair.critical_gap(alpha) + beyond, 0.0, 1.0))
    return pair.result(KS, gap, pair.gap_tail(gap), gap, PROBABILITY, detectable, pair.error)


def wasserstein_sketch(
    reference: KllSummary, current: KllSummary, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Compare two sketches by the Wasserstein-1 distance, in the subject's unit.

    The distance is the area between two step functions, off by at most e times the range R from
    the least to the greatest value of either. It is at most R D, so the p-value is the
    Kolmogorov-Smirnov one of a gap of distance / R: honest, and weak where tails are long, since a
    few far values could make up the distance; `ks_sketch` finds more. Raises BadParameterError.
    """
    pair = _SketchPair.of(reference, current, alpha, power)
    if pair.exact:
        return wasserstein_samples(reference.values, current.values, alpha=alpha, power=power)
    distance, span = pair.area, pair.span
    p_value = pair.gap_tail(distance / span) if span > 0 else 1.0
    detectable = span * pair.norm_detectable(alpha, power)
    bound = span * pair.error
    return pair.result(WASSERSTEIN, distance, p_value, distance, SUBJECT, detectable, bound)


def energy_sketch(
    reference: KllSummary, current: KllSummary, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Compare two sketches by dcor's (squared) energy distance, in the subject's unit.

    The distance is 2 * integral (F - G)^2; with gaps off by at most e it is off by at most
    4 e W + 2 e^2 R for the Wasserstein distance W and the range R. It is at most 2 R D^2, so the
    p-value is the Kolmogorov-Smirnov one of a gap of sqrt(distance / 2 R), weak as that of
    `wasserstein_sketch` is. Raises BadParameterError.
    """
    pair = _SketchPair.of(reference, current, alpha, power)
    if pair.exact:
        return energy_samples(reference.values, current.values, alpha=alpha, power=power)
    span, shares = pair.span, pair.shares
    distance = 2 * float(shares.gaps**2 @ np.diff(shares.values))
    p_value = pair.gap_tail(float(np.sqrt(distance / span / 2))) if span > 0 else 1.0
    detectable = 2 * span * pair.norm_detectable(alpha, power) ** 2
    bound = 4 * pair.error * pair.area + 2 * pair.error**2 * span
    return pair.result(ENERGY, distance, p_value, distance, SUBJECT, detectable, bound)


def mann_whitney_sketch(
    reference: KllSummary, current: KllSummary, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Compare two sketches by P(Y > X) + P(Y = X) / 2 - 1/2, positive where current lies higher.

    Sampling is taken as normal with the variance of values without ties, which is the largest.
    Raises BadParameterError.
    """
    pair = _SketchPair.of(reference, current, alpha, power)
    if pair.exact:
        return mann_whitney_samples(reference.values, current.values, alpha=alpha, power=power)
    shares, total = pair.shares, reference.n + current.n
    middle = np.cumsum(shares.x_shares) - shares.x_shares / 2
    effect = float(middle @ shares.y_shares) - 0.5 if pair.span > 0 else 0.0
    sd = np.sqrt(pair.spread * (total + 1) / total / 12)
    p_value = pair.tail(abs(effect), lambda moved: 2 * scipy.special.ndtr(-moved / sd))
    margin, level = pair.divided(alpha)
    beyond = scipy.special.ndtri(power) * np.hypot(sd, _SD * pair.error)
    needed = margin + sd * scipy.special.ndtri(1 - level / 2) + beyond
    detectable = float(np.clip(needed, 0.0, 0.5))
    return pair.result(
        MANN_WHITNEY, abs(effect), p_value, effect, PROBABILITY, detectable, pair.error
    )


@dataclass(frozen=True, eq=False)
class _SketchPair:
    """Two sketches together: `error` is e above, `spread` 1 / n + 1 / m, `span` the range R."""

    shares: WeightedPair
    n: int
    m: int
    error: float
    span: float

    @classmethod
    def of(cls, reference: KllSummary, current: KllSummary, alpha: float, power: float) -> Self:
        fraction(alpha, "alpha"), fraction(power, "power")
        lowest = min(reference.minimum, current.minimum)
        return cls(
            WeightedPair.of(reference.values, current.values, reference.weights, current.weights),
            reference.n,
            current.n,
            float(np.hypot(reference.rank_error, current.rank_error)),
            max(reference.maximum, current.maximum) - lowest,
        )

    @property
    def exact(self) -> bool:
        """Whether all values were kept."""
        return self.error == 0

    @property
    def spread(self) -> float:
        return 1 / self.n + 1 / self.m

    @property
    def area(self) -> float:
        """The area between the two distribution functions."""
        return float(np.abs(self.shares.gaps) @ np.diff(self.shares.values))

    def tail(self, observed: float, sampled: Callable[[FloatArray], FloatArray]) -> float:
        """Return the least bound on the chance of `observed`, given the tail of sampling alone."""
        by_sampling = sampled(np.maximum(observed - _PARTS * self.error, 0.0))
        return float(np.clip(np.min(by_sampling + _MISS ** (_PARTS**2)), 0.0, 1.0))

    def gap_tail(self, gap: float) -> float:
        """Return the p-value of a largest gap."""
        return self.tail(gap, lambda moved: kolmogorov_tail(moved, np.array(self.spread)))

    def divided(self, level: float) -> tuple[float, float]:
        """Return what sketching moves a statistic by, and what is left of `level` for sampling."""
        part = np.sqrt(max(1.0, np.log(level / 2) / np.log(_MISS)))
        return float(part * self.error), float(level - _MISS ** (part**2))

    def critical_gap(self, level: float) -> float:
        """Return a largest gap whose p-value is `level` or less."""
        margin, left = self.divided(level)
        root = np.sqrt(1 / self.spread)
        return margin + float(scipy.special.kolmogi(left) / (root + 0.12 + 0.11 / root))

    def norm_detectable(self, alpha: float, power: float) -> float:
        """Return how far apart two distributions are found in a norm that the gap bounds.

        By the triangle inequality: farther than the critical value by as much as sampling and
        sketching take away with a chance of 1 - power.
        """
        return min(self.critical_gap(alpha) + self.critical_gap(1 - power), 1.0)

    def result(
        self,
        detector: str,
        statistic: float,
        p_value: float,
        effect: float,
        effect_unit: str,
        detectable: float,
        bound: float,
    ) -> TwoSampleResult:
        sizes = float(self.n), float(self.m)
        return TwoSampleResult(
            detector, statistic, p_value, effect, effect_unit, detectable, *sizes, bound
        )
