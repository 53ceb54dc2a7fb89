"""What tests on weighted sums of squared gaps share: the null, ties, and what can be detected.

The statistic is size * sum_j w_j (F_j - G_j)^2 over the gaps between distinct values, with
1 / size = 1 / n + 1 / m. Without ties its limit is the same for all distributions. Where ties
weigh, or samples are small, the null is found by relabelling (`detectors.two_sample.relabelling`),
and beyond all deals by the tail of the weighted sum of chi-squares that it tends to.

The root of the statistic is a norm of F - G. By the triangle inequality a change is found with the
power asked for where its norm is at least sqrt(q_alpha) + sqrt(q_(1 - power)), q the null's upper
quantiles: an upper bound of the minimum detectable effect.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from detectors.arrays import FloatArray
from detectors.two_sample.quadratic import quadratic_quantile, quadratic_tail
from detectors.two_sample.rank_limits import RankLimit
from detectors.two_sample.relabelling import DEALS, Deals, deals_of, dealt_p_values
from detectors.two_sample.weighted_ecdf import WeightedPair

SMALL = 20  # values a side, up to which scipy's Cramer-von Mises test is exact
_LEAST_FOR_LIMIT = 10
_LIGHT_TIES = 1e-4
_UNDERFLOW = 1e-300


def size_of(pair: WeightedPair) -> float:
    """Return n m / (n + m)."""
    return 1 / (1 / pair.n + 1 / pair.m)


def is_small(pair: WeightedPair) -> bool:
    """Tell whether a limit would be too coarse."""
    return max(pair.sizes) <= SMALL or min(pair.sizes) < _LEAST_FOR_LIMIT


def ties_weigh(pair: WeightedPair) -> bool:
    """Tell whether ties change the null: sum h^3 over the shares h is 1 / N^2 without any."""
    return float(np.sum(pair.pooled**3)) - (pair.n + pair.m) ** -2 > _LIGHT_TIES


def below(pair: WeightedPair) -> FloatArray:
    """Return the pooled share H (d - 1,) below each gap between distinct values."""
    return np.cumsum(pair.pooled)[:-1]


def mass(pair: WeightedPair) -> FloatArray:
    """Return for each gap the mean of the pooled shares at both its ends."""
    pooled = pair.pooled
    return np.asarray((pooled[1:] + pooled[:-1]) / 2, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class LimitNull:
    """The limit's law, moved to the mean and variance that the statistic has at its sizes."""

    limit: RankLimit
    mean: float
    variance: float

    def p_value(self, statistic: float) -> float:
        """Return the chance of a statistic as large or larger."""
        scale = np.sqrt(self.limit.variance / self.variance)
        return self.limit.tail(self.limit.mean + (statistic - self.mean) * scale)

    def quantile(self, alpha: float) -> float:
        """Return the statistic reached with chance alpha."""
        scale = np.sqrt(self.limit.variance / self.variance)
        point = self.mean + (self.limit.quantile(alpha) - self.limit.mean) / scale
        return max(float(point), 0.0)


@dataclass(frozen=True, eq=False)
class DealtNull:
    """The law by relabelling of size * sum_k weights_k gap_k^2 over the deals' ranks."""

    deals: Deals
    size: float
    weights: FloatArray

    @classmethod
    def of(cls, pair: WeightedPair, weights: FloatArray) -> "DealtNull":
        """Put each gap's weight (d - 1,) at the nearest rank, keeping the mean it contributes."""
        deals = deals_of(round(pair.n), round(pair.m))
        share = below(pair)
        middles = (deals.below[1:] + deals.below[:-1]) / 2
        place = np.searchsorted(middles, share)
        there = deals.below[place]
        moved = weights * share * (1 - share) / (there * (1 - there))
        summed = np.bincount(place, moved, deals.ranks.size)
        return cls(deals, size_of(pair), np.asarray(summed, dtype=np.float64))

    def p_value(self, statistic: float) -> float:
        """Return the chance of a statistic as large or larger."""
        observed = np.array([statistic])
        return float(dealt_p_values(observed, self._dealt[np.newaxis], self._log_tail)[0])

    def quantile(self, alpha: float) -> float:
        """Return the statistic reached with chance alpha, or close to it beyond all deals."""
        if alpha * (1 + DEALS) < 1:
            return quadratic_quantile(alpha, self._eigenvalues)
        return float(np.quantile(self._dealt, 1 - alpha))

    def _log_tail(self, points: FloatArray) -> FloatArray:
        tail = quadratic_tail(points, self._eigenvalues)
        return np.asarray(np.log(np.maximum(tail, _UNDERFLOW)), dtype=np.float64)

    @cached_property
    def _dealt(self) -> FloatArray:
        return np.asarray(self.size * (self.deals.sizes**2 @ self.weights), dtype=np.float64)

    @cached_property
    def _eigenvalues(self) -> FloatArray:
        """Return those of the limit, as large as the covariance of deals makes them."""
        h, total = self.deals.below, self.deals.total
        covariance = np.minimum.outer(h, h) - np.outer(h, h)
        root = np.sqrt(self.weights * total / (total - 1))
        values = np.linalg.eigvalsh(root[:, np.newaxis] * covariance * root)
        return np.asarray(np.maximum(values, 0.0), dtype=np.float64)


def detectable_norm(null: LimitNull | DealtNull, alpha: float, power: float) -> float:
    """Return the root of the statistic at which a change is found with the power asked for."""
    return float(np.sqrt(null.quantile(alpha)) + np.sqrt(null.quantile(1 - power)))
