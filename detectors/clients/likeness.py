"""Reports more alike than sampling lets independent clients be.

Two clients that counted different examples differ at least by sampling. Where their distributions
differ too, they differ by more, so a chi-square of homogeneity that is too *small* accuses nobody
for being different, or for being typical: its lower tail is only ever conservative there. Counts
are whole numbers, and small ones coincide often; the tail is taken at a radius widened by the
lattice's covering radius, and that of an exact copy is bounded by the multinomial probability of
the counts under the distribution that makes them most likely.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.histogram import LEAST_TOTAL, Histogram

LEAST_POOLED = 10.0
CROWD = "the others together"


@dataclass(frozen=True)
class Likeness:
    """Whom a client's counts resemble most, and a bound on the chance of that or more.

    `peer` is a client or the pool of all others; the p-value is corrected for their number.
    `copied` says that all counts are the same.
    """

    peer: str
    p_value: float
    copied: bool


def likenesses(histograms: Mapping[str, Histogram]) -> dict[str, Likeness]:
    """Return for every client the peer whose counts on the same bins are most alike, too much so.

    Valid for clients that counted their own examples, whatever their distributions and sizes; not
    for clients that share examples, such as a common test set. Clients without counts are left
    out, and so is everybody where fewer than two are left. Raises EdgesDifferError.

    Rao & Scott (1981), J. Am. Stat. Assoc. 76, 221-230 (homogeneity under unequal variances).
    """
    counted = {name: each for name, each in histograms.items() if each.total > LEAST_TOTAL}
    if len(counted) < 2:  # noqa: PLR2004 - a likeness takes two
        return {}
    first, *others = counted.values()
    for other in others:
        first.require_same_bins(other)
    names, parts = list(counted), _Parts.of(list(counted.values()))
    return {name: _closest(names, parts, row) for row, name in enumerate(names)}


@dataclass(frozen=True, eq=False)
class _Parts:
    counts: FloatArray
    totals: FloatArray
    noise: FloatArray  # the variance of noise in each count

    @classmethod
    def of(cls, histograms: list[Histogram]) -> "_Parts":
        counts = np.array([each.counts for each in histograms])
        noise = np.array([each.noise_sd**2 for each in histograms])
        return cls(counts, counts.sum(axis=1), noise)

    def peers_of(self, row: int) -> "_Parts":
        """Return the others one by one, then their pool."""
        others = np.arange(self.totals.size) != row
        parts = (self.counts[others], self.totals[others], self.noise[others])
        return _Parts(*(np.concatenate((each, each.sum(axis=0)[np.newaxis])) for each in parts))


def _closest(names: list[str], parts: _Parts, row: int) -> Likeness:
    peers = parts.peers_of(row)
    own = _Parts(parts.counts[row], parts.totals[row], parts.noise[row])
    p_values = _lower_tails(own, peers)
    copied = (peers.counts == own.counts).all(axis=1)
    if copied.any():
        p_values[copied] = np.minimum(p_values[copied], _chance_of_a_copy(own))
    best = int(np.argmin(p_values))
    peer = [*names[:row], *names[row + 1 :], CROWD][best]
    return Likeness(peer, min(1.0, float(p_values[best]) * p_values.size), bool(copied[best]))


def _lower_tails(own: _Parts, peers: _Parts) -> FloatArray:
    """P(chi-square at most the widened one), a peer each; bins with few counts are put together."""
    few = own.counts + peers.counts < LEAST_POOLED
    one = _rest_together(np.broadcast_to(own.counts, few.shape), few)
    other = _rest_together(peers.counts, few)
    bins = np.column_stack((~few, few.any(axis=1)))
    size = np.column_stack((np.ones_like(few, dtype=np.float64), few.sum(axis=1)))
    relative = 1 / own.totals + 1 / peers.totals[:, np.newaxis]
    pooled = (one + other) / (own.totals + peers.totals[:, np.newaxis])
    noise = size * (own.noise / own.totals**2 + (peers.noise / peers.totals**2)[:, np.newaxis])
    variance = np.where(bins, np.maximum(pooled, 0.0) * relative + noise, 1.0)
    variance = np.maximum(variance, relative**2)
    gap = np.where(bins, one / own.totals - other / peers.totals[:, np.newaxis], 0.0)
    half_cell = bins / (2 * np.minimum(own.totals, peers.totals)[:, np.newaxis])
    radius = sum(np.sqrt((each**2 / variance).sum(axis=1)) for each in (gap, half_cell))
    degrees = bins.sum(axis=1) - 1.0
    tail = scipy.special.gammainc(np.maximum(degrees, 1.0) / 2, np.square(radius) / 2)
    return np.where(degrees > 0, tail, 1.0)


def _rest_together(counts: FloatArray, few: NDArray[np.bool_]) -> FloatArray:
    kept, rest = np.where(few, 0.0, counts), np.where(few, counts, 0.0).sum(axis=1)
    return np.column_stack((kept, rest))


def _chance_of_a_copy(own: _Parts) -> float:
    """Bound the chance that another client's counts are these, whatever its distribution.

    Without noise: the multinomial probability under the shares counted. With noise: that of the
    noise in every bin at its mode, 1 / (sqrt(2) sd) for whole-numbered Laplace noise (a normal
    one's is lower); noise that is not whole-numbered never coincides.
    """
    if own.noise == 0:
        present = own.counts[own.counts > 0]
        arrangements = (
            scipy.special.gammaln(own.totals + 1) - scipy.special.gammaln(present + 1).sum()
        )
        return float(np.exp(arrangements + present @ np.log(present / own.totals)))
    if (own.counts != np.round(own.counts)).any():
        return 0.0
    at_mode = min(1.0, float(1 / np.sqrt(2 * own.noise)))
    return float(at_mode**own.counts.size)
