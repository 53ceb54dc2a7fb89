"""What two histograms of one distribution differ by: sampling, rounds, and declared noise.

The difference of the shares is d = (I - h 1') x, with h the pooled shares and x independent over
bins, of variance spread * h + noise: the first part gives exactly the multinomial covariance, the
second that of noise on counts that are divided by their own noisy total. Noise that is heavier than
Gaussian (Laplace; little once many clients are merged) is carried as a random scale of x, whose
variance is the one that gives the statistic its true fourth cumulant.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import scipy.special

from detectors.arrays import FloatArray
from detectors.errors import TooNoisyError
from detectors.histogram import Histogram, merge
from detectors.series.overdispersion import RoundVariation, Spread, sampling_spread

LEAST_SIGNAL = 4.0
_SCORES = np.arange(-4.0, 5.0)
_SCORE_WEIGHTS = np.exp(-(_SCORES**2) / 2) / np.exp(-(_SCORES**2) / 2).sum()
_NEGLIGIBLE_MIXING = 1e-3
_LEAST_SCALE = 1e-12  # where a bin is nearly empty, its law piles up at 0, which divides nothing
_REPLICATES = 1024
_LEAST_PER_NODE = 8


@dataclass(frozen=True)
class Null:
    """The law of a difference of shares where nothing changed.

    `shares` are the pooled ones, h above; `spread` the variance of sampling (and of rounds) over
    F (1 - F); `noise` the variance that declared noise adds to every share; `fourth` the fourth
    cumulant of x in each bin.
    """

    shares: FloatArray
    spread: Spread
    noise: float
    fourth: FloatArray

    def variance(self, spread: float | None = None) -> FloatArray:
        """Return the variance of x in each bin, at the mean spread unless told otherwise."""
        return self.shares * (self.spread.mean if spread is None else spread) + self.noise

    def centred(self, transform: FloatArray) -> FloatArray:
        """Return transform (I - h 1'): what acts on x where `transform` (r, k) acts on shares."""
        return np.asarray(transform - (transform @ self.shares)[:, np.newaxis], dtype=np.float64)

    def gaps(self, x: FloatArray) -> FloatArray:
        """Return the gaps at the inner edges that x (.., k) makes."""
        running = np.cumsum(x, axis=-1)
        below = np.cumsum(self.shares)[:-1]
        return np.asarray(running[..., :-1] - running[..., -1:] * below, dtype=np.float64)

    def nodes(self) -> tuple[FloatArray, FloatArray]:
        """Return plausible spreads and their weights."""
        return self.spread.values, self.spread.weights

    def scales(self, diagonal: FloatArray, second: float) -> tuple[FloatArray, FloatArray]:
        """Return values and weights of the random scale, for the quadratic form x' A x.

        `diagonal` is that of A and `second` the sum of the squared eigenvalues of A Cov(x). The
        scale is gamma distributed with mean 1, so that the variance of the form comes out as
        2 * second + sum of fourth * diagonal^2.
        """
        first = float(diagonal @ self.variance())
        excess = float(self.fourth @ diagonal**2)
        whole = first**2 + 2 * second
        if excess <= whole * _NEGLIGIBLE_MIXING:
            return np.ones(1), np.ones(1)
        shape = whole / excess
        values = scipy.special.gammaincinv(shape, scipy.special.ndtr(_SCORES)) / shape
        values = np.maximum(values, _LEAST_SCALE)
        return values / (values @ _SCORE_WEIGHTS), _SCORE_WEIGHTS


@dataclass(frozen=True)
class Mixture:
    """Normal laws of x that average to its law.

    A node is a plausible spread with a plausible random scale: x has the `variance` (node, bin)
    there, times the square of `scale` (node,); `weights` (node,) add to 1.
    """

    variance: FloatArray
    scale: FloatArray
    weights: FloatArray

    @classmethod
    def of(cls, null: Null, across: FloatArray) -> Self:
        """Give x the scale with which `across` @ x (k,) has its true fourth cumulant."""
        diagonal = across**2
        scales, scale_weights = null.scales(diagonal, float(diagonal @ null.variance()) ** 2)
        spreads, spread_weights = null.nodes()
        return cls(
            np.repeat(spreads, scales.size)[:, np.newaxis] * null.shares + null.noise,
            np.sqrt(np.tile(scales, spreads.size)),
            np.outer(spread_weights, scale_weights).ravel(),
        )

    def draws(self, wanted: int) -> FloatArray:
        """Return seeded draws of x before the scale, (node, draw, bin): about `wanted` in all."""
        nodes, bins = self.variance.shape
        each = max(wanted // nodes, _LEAST_PER_NODE)
        normal = _standard(nodes * each, bins).reshape(nodes, each, bins)
        return np.asarray(normal * np.sqrt(self.variance)[:, np.newaxis], dtype=np.float64)


def null_of(
    reference: Histogram, current: Histogram, variation: RoundVariation | None = None
) -> Null:
    """Return the null of two histograms on the same bins; the rounds are its unit if they vary.

    Raises EdgesDifferError, EmptySampleError, and TooNoisyError where noise leaves the number of
    examples on a side less than four of its standard deviations above zero.
    """
    reference.require_same_bins(current)
    for histogram, name in ((reference, "reference"), (current, "current")):
        _require_signal(histogram, name)
    sizes = (reference.total, current.total)
    spread = variation.spread(sizes[1]) if variation else sampling_spread(*sizes)
    relative = [each.noise_sd / each.total for each in (reference, current)]
    kurtosis = [each.noise_kurtosis for each in (reference, current)]
    shares = _smoothed(pooled_shares(reference, current), sum(sizes))
    noise = sum(kappa * sd**4 for kappa, sd in zip(kurtosis, relative, strict=True))
    return Null(
        shares=shares,
        spread=spread,
        noise=sum(sd**2 for sd in relative),
        fourth=shares * _sampling_fourth(*sizes) + noise,
    )


def pooled_shares(*histograms: Histogram) -> FloatArray:
    """Return the shares of all together; noisy counts are projected on the simplex before."""
    pooled = merge(histograms)
    counts = on_simplex(pooled.counts, pooled.total) if pooled.noise_sd > 0 else pooled.counts
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def _smoothed(shares: FloatArray, total: float) -> FloatArray:
    """Spread one pseudo-count evenly, so that a constant does not have no variance."""
    return (shares * total + 1 / shares.size) / (total + 1)


def on_simplex(counts: FloatArray, total: float) -> FloatArray:
    """Return the nearest counts of zero or more that add to `total`, which is above zero.

    Duchi, Shalev-Shwartz, Singer & Chandra (2008), ICML, 272-279, figure 1.
    """
    falling = np.sort(counts)[::-1]
    surplus = (np.cumsum(falling) - total) / np.arange(1, counts.size + 1)
    last = int(np.flatnonzero(falling > surplus)[-1])
    return np.asarray(np.maximum(counts - surplus[last], 0.0), dtype=np.float64)


@dataclass(frozen=True)
class Replicates:
    """Seeded draws of the gaps between two distribution functions, split along one direction.

    A draw is `slope` z + `rest` with z standard normal and independent of `rest`, so that the
    chance of a convex statistic beyond a point is that of z outside an interval, averaged over
    `rest`: smooth, and accurate far into the tail where counting draws would find none. Axes are
    (node, draw, edge) of `rest`, (node, 1, edge) of `slope`; `weights` belong to the nodes, which
    are plausible spreads times plausible scales, `scale` being the root of the latter.
    """

    rest: FloatArray
    slope: FloatArray
    scale: FloatArray
    weights: FloatArray

    def average(self, beyond: FloatArray) -> float:
        """Average the chances of (node, draw)."""
        return float(np.clip(self.weights @ beyond.mean(axis=1), 0.0, 1.0))


def gap_replicates(null: Null, along: FloatArray) -> Replicates:
    """Draw the gaps F_current - F_reference at the inner edges, split along `along` @ gaps."""
    across = null.centred(cumulative(along))[0]
    mixture = Mixture.of(null, across)
    variance, x = mixture.variance, mixture.draws(_REPLICATES)
    sd = np.sqrt(variance @ across**2)[:, np.newaxis, np.newaxis]
    slope = null.gaps(variance[:, np.newaxis] * across) / sd
    z = (x @ across)[:, :, np.newaxis] / sd
    return Replicates(null.gaps(x) - slope * z, slope, mixture.scale, mixture.weights)


def cumulative(weights: FloatArray) -> FloatArray:
    """Return the row (1, k) that acts on shares as `weights` (k - 1) act on gaps at inner edges."""
    tail = np.cumsum(weights[::-1])[::-1]
    return np.append(tail, 0.0)[np.newaxis]


@lru_cache(maxsize=8)
def _standard(draws: int, bins: int) -> FloatArray:
    """Seeded standard normals (draws, bins), whitened where there are enough of them to be."""
    normal = np.random.default_rng(20_261_121).standard_normal((draws, bins))
    if draws > 2 * bins:
        normal -= normal.mean(axis=0)
        root = np.linalg.cholesky(normal.T @ normal / draws)
        normal = np.linalg.solve(root, normal.T).T.copy()
    normal.flags.writeable = False
    return normal


def _require_signal(histogram: Histogram, name: str) -> None:
    histogram.pmf()  # EmptySampleError without counts
    noise = histogram.noise_sd * np.sqrt(histogram.counts.size)
    if histogram.total < LEAST_SIGNAL * noise:
        raise TooNoisyError(name, histogram.total, float(noise))


def _sampling_fourth(n: float, m: float) -> float:
    """The fourth cumulant of a difference of shares, over the share, given the pooled counts."""
    return float((1 / n + 1 / m) ** 3 * (1 - 6 * n * m / (n + m) ** 2))
