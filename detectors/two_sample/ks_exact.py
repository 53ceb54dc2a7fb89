"""The Kolmogorov-Smirnov distance of two samples as a whole number, and its exact tail.

F - G is a multiple of 1 / lcm(n, m); counted in these steps the distance has no rounding, and so
few values that a tail is computed once for each. With ties the tail is an upper bound: they make
large distances rarer.

Hodges (1958), Arkiv for Matematik 3, 469-486.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.special
from numpy.typing import NDArray

from detectors.arrays import FloatArray

EXACT_UP_TO = 10_000
_UNDERFLOW = 750.0  # exp(-750) is 0 in float64


@dataclass(frozen=True)
class Lattice:
    """The steps that a value of x (up) and of y (down) makes of F - G, for sizes n and m."""

    n: int
    m: int

    @property
    def up(self) -> int:
        """Steps of 1 / lcm in 1 / n."""
        return self.m // math.gcd(self.n, self.m)

    @property
    def down(self) -> int:
        """Steps of 1 / lcm in 1 / m."""
        return self.n // math.gcd(self.n, self.m)

    @property
    def lcm(self) -> int:
        """The steps in a gap of 1."""
        return math.lcm(self.n, self.m)


def largest_gap(x: FloatArray, y: FloatArray) -> int:
    """Return max |F - G| of two sorted vectors in steps of their lattice.

    >>> largest_gap(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    1
    """
    lattice, points = Lattice(x.size, y.size), np.concatenate((x, y))
    below_x, below_y = (np.searchsorted(values, points, side="right") for values in (x, y))
    return int(np.max(np.abs(below_x * lattice.up - below_y * lattice.down)))


def gap_tails(gaps: NDArray[np.int64], n: int, m: int) -> FloatArray:
    """Return P(D >= gap) for gaps in steps of the lattice of n and m, without ties.

    Exact for equal sizes, and up to 10,000 a side for others (scipy's rule); beyond, Hodges'
    asymptotic tail, within 2% of the exact one for p above 1e-3.
    """
    values, place = np.unique(gaps, return_inverse=True)
    if n == m:
        tails = _equal_sizes(values, n)
    elif max(n, m) <= EXACT_UP_TO:
        tails = np.array([_exact(int(gap), n, m) for gap in values])
    else:
        tails = _asymptotic(values, n, m)
    return np.clip(tails[place], 0.0, 1.0)


def outside_share(n: int, m: int, steps: int) -> float:
    """Return the share of lattice paths from (0, 0) to (n, m) that reach a gap of `steps`.

    share(i, j) is 1 where |up i - down j| >= steps; elsewhere the last step came from (i - 1, j)
    with chance i / (i + j), else from (i, j - 1). The fast form is in `detectors.kernels.ks`.
    """
    lattice, share = Lattice(n, m), np.zeros((n + 1, m + 1))
    for i, j in np.ndindex(n + 1, m + 1):
        if abs(lattice.up * i - lattice.down * j) >= steps:
            share[i, j] = 1.0
        elif i + j > 0:
            from_i = share[i - 1, j] * i if i else 0.0
            from_j = share[i, j - 1] * j if j else 0.0
            share[i, j] = (from_i + from_j) / (i + j)
    return float(share[n, m])


def _equal_sizes(gaps: NDArray[np.int64], n: int) -> FloatArray:
    """Gnedenko & Korolyuk (1951): 2 sum_k (-1)^(k - 1) C(2n, n - k h) / C(2n, n)."""
    ratios = _binomial_ratios(n)
    tails = np.ones(gaps.size)
    for place, gap in enumerate(gaps):
        if gap > 0:
            terms = ratios[gap::gap]
            tails[place] = 2 * (terms[::2].sum() - terms[1::2].sum())
    return tails


@lru_cache(maxsize=16)
def _binomial_ratios(n: int) -> FloatArray:
    """Return C(2n, n - i) / C(2n, n) for i = 0, 1, ... as far as it is not 0 in float64."""
    i = np.arange(min(n, math.isqrt(int(_UNDERFLOW * n)) + 1))
    return np.concatenate(([1.0], np.cumprod((n - i) / (n + i + 1.0))))


@lru_cache(maxsize=100_000)
def _exact(gap: int, n: int, m: int) -> float:
    from detectors.kernels import ks  # noqa: PLC0415 - numba takes a second to import

    lattice = Lattice(max(n, m), min(n, m))
    return float(ks.outside_share(lattice.n, lattice.m, lattice.up, lattice.down, gap))


def _asymptotic(gaps: NDArray[np.int64], n: int, m: int) -> FloatArray:
    """Kolmogorov's limit with the correction of Hodges (1958), equation 5.3.

    Half a step is taken off, since a gap on the lattice stands for those just below it too.
    """
    large, small = float(max(n, m)), float(min(n, m))
    root = math.sqrt(small / (1 + small / large))
    correction = (large + 2 * small) / (6 * math.sqrt(large * small * (large + small)))
    scaled = root * (gaps - 0.5) / Lattice(n, m).lcm + correction
    return np.where(gaps > 0, scipy.special.kolmogorov(np.maximum(scaled, 0.0)), 1.0)
