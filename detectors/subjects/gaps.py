"""Changes of the gaps between outcomes and scores, in groups of bins large enough to compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.special
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.errors import TooFewError
from detectors.histogram import LEAST_TOTAL
from detectors.subjects.outcomes import ScoredOutcomes

LEAST_OUTCOMES = 5.0
_NOISE_ROOM = 10.0
_PARTS = 3
_SMALLEST = 1e-12


@dataclass(frozen=True)
class CalibrationError:
    """How far outcome rates lie from scores, in probability, each bin's sampling bias taken out.

    `expected` is the ECE, weighted by examples, `largest` the MCE over the bins compared.
    """

    expected: float
    largest: float


@dataclass(frozen=True, eq=False)
class Groups:
    """Sums over neighbouring bins; `noise` is the variance of noise in a sum."""

    counts: FloatArray
    positives: FloatArray
    scores: FloatArray
    noise: FloatArray

    @classmethod
    def of(cls, outcomes: ScoredOutcomes, starts: NDArray[np.int64]) -> Self:
        """Add the bins from each start up to the next."""
        sums = (outcomes.counts, outcomes.positives, outcomes.summed_scores)
        counts, positives, scores = (np.add.reduceat(each, starts) for each in sums)
        bins = np.add.reduceat(np.ones(outcomes.counts.size), starts)
        return cls(counts, positives, scores, bins * outcomes.noise_sd**2)

    @property
    def gaps(self) -> FloatArray:
        """Outcome rate less mean score of each group."""
        return np.asarray((self.positives - self.scores) / self.counts, dtype=np.float64)

    def rate_noise(self, rate: FloatArray) -> FloatArray:
        """Return the variance that declared noise gives an outcome rate (delta method)."""
        return np.asarray(self.noise * (1 + rate**2) / self.counts**2, dtype=np.float64)

    def error(self) -> CalibrationError:
        """Return how far these gaps are from none."""
        rate = np.clip(self.positives / self.counts, 0.0, 1.0)
        variance = rate * (1 - rate) / self.counts + self.rate_noise(rate)
        sizes = _unbiased(np.abs(self.gaps), np.sqrt(variance))
        expected = float(self.counts @ sizes) / float(self.counts.sum())
        return CalibrationError(max(expected, 0.0), max(float(sizes.max()), 0.0))


@dataclass(frozen=True, eq=False)
class Change:
    """The changes of gaps, their variances, the mean scores and the weights of the current side."""

    gaps: FloatArray
    variances: FloatArray
    scores: FloatArray
    shares: FloatArray

    @classmethod
    def between(cls, before: Groups, after: Groups) -> Self:
        """Two independent sides, with declared noise on each."""
        rate = _pooled_rate(before, after)
        variance = rate * (1 - rate) * (1 / before.counts + 1 / after.counts)
        noise = before.rate_noise(rate) + after.rate_noise(rate)
        return cls._of(before, after, variance + noise)

    @classmethod
    def within(cls, centre: Groups, one: Groups) -> Self:
        """One round against the centre that all of them make up: its noise counts as variation."""
        rate = _pooled_rate(centre, centre)
        return cls._of(centre, one, rate * (1 - rate) / one.counts)

    @classmethod
    def _of(cls, before: Groups, after: Groups, variances: FloatArray) -> Self:
        counts = before.counts + after.counts
        scores = (before.scores + after.scores) / counts
        shares = after.counts / after.counts.sum()
        return cls(after.gaps - before.gaps, variances, scores, shares)

    @property
    def degrees(self) -> FloatArray:
        """The degrees of freedom of each part: 0 where there are too few groups for it."""
        size = self.gaps.size
        return np.array([1.0, min(size - 1.0, 1.0), max(size - 2.0, 0.0)])

    @property
    def shift_error(self) -> float:
        """The standard error of the shift where nothing changed."""
        return float(1 / np.sqrt(np.sum(1 / self.variances)))

    def line(self) -> tuple[float, float]:
        """Return shift and tilt by weighted least squares on centred scores."""
        weights, centred = 1 / self.variances, self._centred()
        shift = float(weights @ self.gaps) / float(weights.sum())
        along = float(weights @ centred**2)
        return shift, float((weights * centred) @ self.gaps) / along if along > _SMALLEST else 0.0

    def chi_squares(self) -> FloatArray:
        """Return the three parts of sum(gap^2 / variance)."""
        (shift, tilt), weights = self.line(), 1 / self.variances
        explained = (shift**2 * weights.sum(), tilt**2 * (weights @ self._centred() ** 2))
        rest = float(weights @ self.gaps**2) - sum(explained)
        return np.array([*explained, rest if self.gaps.size > _PARTS - 1 else 0.0]).clip(min=0.0)

    def sizes(self) -> tuple[float, float, float]:
        """Return the size of each part, in probability."""
        shift, tilt = self.line()
        rest = self.gaps - shift - tilt * self._centred()
        return shift, tilt, _root_mean_square(rest, self.variances, self.shares)

    @property
    def effect(self) -> float:
        """The root mean square change of gaps, its sampling bias taken out."""
        return _root_mean_square(self.gaps, self.variances, self.shares)

    def _centred(self) -> FloatArray:
        weights = 1 / self.variances
        return np.asarray(self.scores - float(weights @ self.scores) / float(weights.sum()))


def starts_of(parts: Sequence[ScoredOutcomes]) -> NDArray[np.int64]:
    """Return where groups of neighbouring bins start, each enough for a normal approximation.

    Every part must expect 5 outcomes of each kind in each group, at the rate of all parts, and ten
    times as many examples as noise in their number. What is left at the end joins the last group.
    TooFewError where all bins together are not enough.
    """
    counts = np.array([part.counts for part in parts])
    positives = np.sum([part.positives for part in parts], axis=0)
    noise = np.array([part.noise_sd for part in parts])
    starts, low = [0], 0
    for high in range(1, counts.shape[1] + 1):
        sizes = counts[:, low:high].sum(axis=1)
        if _enough(sizes, float(positives[low:high].sum()), noise * (high - low) ** 0.5):
            starts.append(high)
            low = high
    if len(starts) == 1:
        expected = counts.sum(axis=1) * _rarer(float(counts.sum()), float(positives.sum()))
        name = "outcomes of the rarer kind expected on a side, beyond noise"
        raise TooFewError(name, int(max(expected.min(), 0)), int(LEAST_OUTCOMES))
    return np.array(starts[:-1])


def _enough(sizes: FloatArray, positives: float, noise: FloatArray) -> bool:
    if (sizes < np.maximum(_NOISE_ROOM * noise, LEAST_TOTAL)).any():
        return False
    return bool((sizes * _rarer(float(sizes.sum()), positives) >= LEAST_OUTCOMES).all())


def _rarer(total: float, positives: float) -> float:
    """Return the share of the rarer outcome."""
    return min(positives, total - positives) / max(total, LEAST_TOTAL)


def _pooled_rate(before: Groups, after: Groups) -> FloatArray:
    rate = (before.positives + after.positives) / (before.counts + after.counts)
    return np.asarray(np.clip(rate, 0.0, 1.0), dtype=np.float64)


def _root_mean_square(gaps: FloatArray, variances: FloatArray, shares: FloatArray) -> float:
    """Return the root of the weighted mean of gap^2 - variance, which sampling does not bias."""
    return float(np.sqrt(max(float(shares @ (gaps**2 - variances)), 0.0)))


def _unbiased(sizes: FloatArray, errors: FloatArray) -> FloatArray:
    """Take from |gap| what the mean of a folded normal has above the size itself.

    The size for that is estimated as sqrt(gap^2 - error^2), zero at least.
    """
    error = np.maximum(errors, _SMALLEST)
    true = np.sqrt(np.maximum(sizes**2 - error**2, 0.0))
    folded = error * np.sqrt(2 / np.pi) * np.exp(-(true**2) / (2 * error**2))
    excess = folded + true * (1 - 2 * scipy.special.ndtr(-true / error)) - true
    return np.asarray(sizes - excess, dtype=np.float64)
