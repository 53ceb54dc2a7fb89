"""The exact Kolmogorov-Smirnov tail on bins: which counts come from the reference is chance alone.

Given the pooled counts c_j and n of N examples in the reference, every choice of n is as likely as
any other. Bin by bin the number chosen so far is a walk with independent Binomial(c_j, n / N)
steps, on condition that it ends at n; the tail sums the walks that first pass the gap at each edge.

Schroer & Trenkler (1995), Computational Statistics & Data Analysis 20, 185-202.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.special
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.histogram import Histogram

EXACT_UP_TO = 2_000  # examples of both sides together
_ROUNDING = 1e-9


def has_exact_tail(reference: Histogram, current: Histogram) -> bool:
    """Tell whether both are whole counts without noise, and few enough."""
    few = reference.total + current.total <= EXACT_UP_TO
    return few and whole_counts(reference, current)


def half_step(reference: Histogram, current: Histogram) -> float:
    """Return half the distance of two possible gaps, as Hodges (1958) takes it off; 0 if noised."""
    if not whole_counts(reference, current):
        return 0.0
    return 0.5 / math.lcm(int(reference.total), int(current.total))


def whole_counts(*histograms: Histogram) -> bool:
    """Tell whether counts are those of examples: whole, and without noise."""
    return all(
        each.noise_sd == 0 and np.array_equal(each.counts, np.rint(each.counts))
        for each in histograms
    )


def exact_tail(reference: FloatArray, current: FloatArray) -> float:
    """Return P(D as large as that of these whole counts (k,), given those of both together).

    >>> round(exact_tail(np.array([2.0, 0.0]), np.array([0.0, 2.0])), 12)
    0.333333333333
    """
    pooled, below = reference + current, np.cumsum(reference + current)
    steps = _Steps.of(int(below[-1]), int(reference.sum()))
    expected = steps.share * below[:-1]
    gap = float(np.max(np.abs(np.cumsum(reference)[:-1] - expected))) * (1 - _ROUNDING)
    if gap == 0:
        return 1.0
    inside, least, passed = np.ones(1), 0, 0.0
    for size, until, middle in zip(pooled.astype(int), below.astype(int), expected, strict=False):
        reached = np.convolve(inside, steps.chances(size))
        chosen = least + np.arange(reached.size)
        beyond = np.abs(chosen - middle) >= gap
        passed += float(reached[beyond] @ steps.ending(until, chosen[beyond]))
        kept = np.flatnonzero(~beyond)
        if kept.size == 0:
            break
        inside, least = reached[kept[0] : kept[-1] + 1], int(chosen[kept[0]])
    return min(passed, 1.0)


@dataclass(frozen=True, eq=False)
class _Steps:
    """Binomial chances with the `share` n / N, from a table of logarithms of factorials."""

    total: int
    n: int
    log_factorial: FloatArray

    @classmethod
    def of(cls, total: int, n: int) -> Self:
        return cls(total, n, scipy.special.gammaln(np.arange(1.0, total + 2)))

    @property
    def share(self) -> float:
        return self.n / self.total

    def chances(self, size: int) -> FloatArray:
        """Return the chances of 0 to `size` out of `size`."""
        return np.exp(self._log_chance(size, np.arange(size + 1)))

    def ending(self, until: int, chosen: NDArray[np.int64]) -> FloatArray:
        """Return the chances to end at n from `chosen` of `until`, over that from the start."""
        left, missing = self.total - until, self.n - chosen
        possible = (missing >= 0) & (missing <= left)
        log_chance = self._log_chance(left, np.where(possible, missing, 0))
        whole = self._log_chance(self.total, np.array(self.n))
        return np.where(possible, np.exp(log_chance - whole), 0.0)

    def _log_chance(self, size: int, taken: NDArray[np.int64]) -> FloatArray:
        table, others = self.log_factorial, size - taken
        ways = table[size] - table[taken] - table[others]
        return np.asarray(ways + taken * np.log(self.share) + others * np.log1p(-self.share))
