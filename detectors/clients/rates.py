"""Did a rate change? Two shares of two sets of examples, exact for counts, smooth for noised ones.

Many pairs are compared at once: every argument broadcasts, and every answer has their shape. Pairs
in which a side has no examples say nothing; their p-value is 1.
"""

import numpy as np
import scipy
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray

EXACT_TO = 1e6  # of the least margin: the exact tail's time grows with it
LEAST_EXAMPLES = 0.5  # a noised number of examples below it is none
LIBRARY_TO = 1e5  # examples: of more, scipy's hypergeometric tails take up to half a second a pair
_HALVINGS = 50


def mid_p(hits_a: ArrayLike, n_a: ArrayLike, hits_b: ArrayLike, n_b: ArrayLike) -> FloatArray:
    """Return two-sided p-values that the rates hits / n are equal, from whole counts.

    Conditional on all margins the hits of b are hypergeometric (Fisher); half of the chance of
    what was observed is counted (mid-p), and the smaller tail is doubled. Fisher's own p-value
    is the safer one and alarms far less often than its level says; mid-p keeps close to it. Where
    all margins exceed a million it is the normal approximation, which differs by less than their
    rounding and takes no time.

    >>> float(mid_p(3, 10, 3, 10))
    1.0
    >>> round(float(mid_p(0, 5, 5, 5)), 6)
    0.003968

    Hirji, Tan & Elashoff (1991), Statistics in Medicine 10, 1137-1153.
    """
    hits_a, n_a, hits_b, n_b = _whole(hits_a, n_a, hits_b, n_b)
    hits, n = hits_a + hits_b, n_a + n_b
    large = np.minimum.reduce([n_a, n_b, hits, n - hits]) > EXACT_TO
    plain = [np.where(large, 0.0, each) for each in (hits_b, n, hits, n_b)]
    known = (n_a > 0) & (n_b > 0)
    tail = np.where(large, _normal_tail(hits_a, n_a, hits_b, n_b), _exact_tail(*plain))
    return np.where(known, np.clip(2 * tail, 0.0, 1.0), 1.0)


def _exact_tail(hits_b: FloatArray, n: FloatArray, hits: FloatArray, n_b: FloatArray) -> FloatArray:
    many = n > LIBRARY_TO
    null = scipy.stats.hypergeom(*(np.where(many, 0.0, each) for each in (n, hits, n_b)))
    fewer = np.where(many, 0.0, hits_b)
    # The smaller tail is computed as such: one less the larger would lose its digits.
    tail = np.asarray(np.minimum(null.cdf(fewer - 1), null.sf(fewer)) + null.pmf(fewer) / 2)
    for place in np.argwhere(many):
        at = tuple(place)
        tail[at] = _summed_tail(hits_b[at], n[at], hits[at], n_b[at])
    return np.asarray(tail, dtype=np.float64)


def _summed_tail(hits_b: float, n: float, hits: float, n_b: float) -> float:
    """Return the smaller mid-tail from all chances, each by its ratio to the one before.

    Linear in the least margin, where the library's time and error grow with the largest.
    """
    least, apart = max(0.0, hits + n_b - n), max(0.0, n - hits - n_b)
    steps = np.arange(min(hits, n_b) - least)
    up = (hits - least - steps) * (n_b - least - steps)
    ratios = np.log(up / ((least + steps + 1) * (apart + steps + 1)))
    logs = np.concatenate(([0.0], np.cumsum(ratios)))
    chances = np.exp(logs - logs.max())
    seen = int(np.clip(hits_b - least, 0, steps.size))  # beyond 2^53 differences are rounded
    smaller = min(chances[:seen].sum(), chances[seen + 1 :].sum())
    return float((smaller + chances[seen] / 2) / chances.sum())


def _normal_tail(
    hits_a: FloatArray, n_a: FloatArray, hits_b: FloatArray, n_b: FloatArray
) -> FloatArray:
    n_a, n_b = np.maximum(n_a, 1.0), np.maximum(n_b, 1.0)
    rate = (hits_a + hits_b) / (n_a + n_b)
    variance = np.clip(rate * (1 - rate), 1e-300, None) * (1 / n_a + 1 / n_b)
    return np.asarray(scipy.special.ndtr(-np.abs(hits_a / n_a - hits_b / n_b) / variance**0.5))


def noised_p(
    hits_a: ArrayLike,
    n_a: ArrayLike,
    hits_b: ArrayLike,
    n_b: ArrayLike,
    noise_sd_a: ArrayLike,
    noise_sd_b: ArrayLike,
) -> FloatArray:
    """Return two-sided p-values that the rates are equal, from counts with declared noise.

    The noises are the standard deviations of that of one count (hits, and likewise the others),
    independent and Laplace: what differential privacy adds for a pure epsilon, and heavier in its
    tails than a Gaussian of the same spread. The difference of rates is the sum of two binomial
    parts at the pooled rate and four noises; the tails of that sum are its saddle-point
    approximation.

    Lugannani & Rice (1980), Adv. Appl. Prob. 12, 475-490.
    """
    arrays = (hits_a, n_a, hits_b, n_b, noise_sd_a, noise_sd_b)
    hits_a, n_a, hits_b, n_b, sd_a, sd_b = np.broadcast_arrays(
        *(np.asarray(each, dtype=np.float64) for each in arrays)
    )
    known = (n_a >= LEAST_EXAMPLES) & (n_b >= LEAST_EXAMPLES)
    n_a, n_b = np.where(known, n_a, 1.0), np.where(known, n_b, 1.0)
    gap = np.abs(hits_b / n_b - hits_a / n_a)
    # Half a hit and half a miss more, so that a rate of 0 or 1 is not taken for certain.
    rate = (np.clip(hits_a + hits_b, 0.0, n_a + n_b) + 0.5) / (n_a + n_b + 1)
    upper = _Sum(rate, n_a, n_b, sd_a, sd_b).tail(gap)
    lower = _Sum(rate, n_b, n_a, sd_b, sd_a).tail(gap)
    return np.where(known, np.clip(upper + lower, 0.0, 1.0), 1.0)


def rate_variance(rate: ArrayLike, n: ArrayLike, noise_sd: ArrayLike) -> FloatArray:
    """Return the variance of an observed rate: sampling, and noise of the hits and the others."""
    rate, n = np.asarray(rate, dtype=np.float64), np.asarray(n, dtype=np.float64)
    sampling = rate * (1 - rate) / n
    noise = np.asarray(noise_sd, dtype=np.float64) ** 2 * ((1 - rate) ** 2 + rate**2) / n**2
    return np.asarray(sampling + noise, dtype=np.float64)


def effective_counts(
    hits: ArrayLike, n: ArrayLike, noise_sd: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return the hits and examples without noise that would tell as much about the rate.

    Exact counts come back as they are. Noised ones come back with fewer examples, so that a rate
    among them varies as much as the noised one does; a rate near 0 or 1 is taken for one that the
    noise could hide.
    """
    hits, n, sd = np.broadcast_arrays(
        *(np.asarray(each, dtype=np.float64) for each in (hits, n, noise_sd))
    )
    known = n >= LEAST_EXAMPLES
    size = np.where(known, n, 1.0)
    within = np.clip(hits, 0.0, size)
    likely = (within + 0.5 + sd) / (size + 1 + 2 * sd)
    share = likely * (1 - likely) / size / rate_variance(likely, size, sd)
    return np.where(known, within * share, 0.0), np.where(known, size * share, 0.0)


def log_evidence(hits: FloatArray, n: FloatArray) -> FloatArray:
    """Return the log probability of these hits in this order, every rate being equally likely."""
    return np.asarray(scipy.special.betaln(hits + 1, n - hits + 1), dtype=np.float64)


class _Sum:
    """The sum of -A / n_a, B / n_b (binomials less their means) and four scaled Laplace noises."""

    def __init__(
        self, rate: FloatArray, n_a: FloatArray, n_b: FloatArray, sd_a: FloatArray, sd_b: FloatArray
    ) -> None:
        self.rate, self.n_a, self.n_b = rate, n_a, n_b
        self.logit = scipy.special.logit(rate)
        parts = [
            (weight * sd / n) for sd, n in ((sd_a, n_a), (sd_b, n_b)) for weight in (1 - rate, rate)
        ]
        self.scales = np.stack(parts) / np.sqrt(2)

    def cgf(self, s: FloatArray) -> FloatArray:
        """The cumulant generating function."""
        stay, move = np.log1p(-self.rate), np.log(self.rate)
        up, down = s / self.n_b, -s / self.n_a
        binomial = self.n_b * (np.logaddexp(stay, move + up) - self.rate * up)
        binomial += self.n_a * (np.logaddexp(stay, move + down) - self.rate * down)
        return np.asarray(binomial - np.log1p(-((self.scales * s) ** 2)).sum(axis=0))

    def slope(self, s: FloatArray) -> FloatArray:
        """Its first derivative, which rises from 0 without bound."""
        moved = scipy.special.expit(self.logit + s / self.n_b)
        moved = moved - scipy.special.expit(self.logit - s / self.n_a)
        square = self.scales**2
        return np.asarray(moved + (2 * square * s / (1 - square * s**2)).sum(axis=0))

    def curvature(self, s: FloatArray) -> FloatArray:
        """Its second derivative."""
        up = scipy.special.expit(self.logit + s / self.n_b)
        down = scipy.special.expit(self.logit - s / self.n_a)
        square = self.scales**2
        noise = 2 * square * (1 + square * s**2) / (1 - square * s**2) ** 2
        return np.asarray(
            up * (1 - up) / self.n_b + down * (1 - down) / self.n_a + noise.sum(axis=0)
        )

    def tail(self, gap: FloatArray) -> FloatArray:
        """P(sum >= gap) for gaps of zero or more."""
        s = self._saddle(gap)
        signed = np.sqrt(np.maximum(2 * (s * gap - self.cgf(s)), 0.0))
        scaled = s * np.sqrt(self.curvature(s))
        plain = scipy.special.ndtr(-gap / np.sqrt(self.curvature(np.zeros_like(s))))
        far = signed > 1e-2  # noqa: PLR2004 - nearer the mean the two terms cancel, and normal is right
        w, v = np.where(far, signed, 1.0), np.where(far, scaled, 1.0)
        density = np.exp(-(w**2) / 2) / np.sqrt(2 * np.pi)
        return np.where(far, scipy.special.ndtr(-w) + density * (1 / v - 1 / w), plain)

    def _saddle(self, gap: FloatArray) -> FloatArray:
        """Where the slope is the gap, by halving what lies between 0 and the pole."""
        low, high = np.zeros_like(gap), 1 / self.scales.max(axis=0)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = self.slope(middle) < gap
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return low


def _whole(*counts: ArrayLike) -> list[FloatArray]:
    arrays = np.broadcast_arrays(*(np.asarray(each, dtype=np.float64) for each in counts))
    return [np.rint(np.maximum(each, 0.0)) for each in arrays]
