"""How much more rounds vary than their examples explain: weather, weekday, who was awake.

A test that takes examples for independent calls every Tuesday a drift. Here the round is the unit:
a share F of round k with n_k examples is taken to vary by F (1 - F) (1 / n_k + tau^2), sampling
plus what differs between rounds. tau^2 is estimated from the reference rounds by moments, and its
uncertainty is carried into the p-values, as Student's t carries that of a variance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import LARGEST, FloatArray
from detectors.errors import BadParameterError, TooFewError
from detectors.histogram import Histogram, merge

LEAST_ROUNDS = 2
_NODES = np.arange(-6.0, 6.25, 0.5)
NODE_WEIGHTS = np.exp(-(_NODES**2) / 2) / np.exp(-(_NODES**2) / 2).sum()


@dataclass(frozen=True)
class Spread:
    """The variance of F_current - F_reference over F (1 - F): plausible values, and their weights.

    One value where examples are the unit, since it is known then; a grid where it was estimated.
    """

    values: FloatArray
    weights: FloatArray

    @property
    def mean(self) -> float:
        """The weighted mean of the plausible values."""
        return float(self.values @ self.weights)

    def average(self, tail: Callable[[FloatArray], FloatArray]) -> float:
        """Average a p-value, given as a function of the variance, over the plausible values."""
        return float(np.clip(tail(self.values) @ self.weights, 0.0, 1.0))


def sampling_spread(n_reference: float, n_current: float) -> Spread:
    """Return the spread of independent examples: 1 / n_reference + 1 / n_current."""
    return Spread(np.array([1 / n_reference + 1 / n_current]), np.ones(1))


@dataclass(frozen=True)
class RoundVariation:
    """What K reference rounds say about the variance of a round's shares.

    `variance` is the observed variance over F (1 - F), `sampling` the part that examples explain
    (the mean of 1 / n_k), `n` the examples of all rounds together and `concentration` the sum of
    their squared shares of them.
    """

    rounds: int
    variance: float
    sampling: float
    n: float
    concentration: float

    @property
    def tau_squared(self) -> float:
        """The variance between rounds over F (1 - F), zero or more."""
        return max(self.variance - self.sampling, 0.0)

    @property
    def phi(self) -> float:
        """How many times more a round varies than multinomial sampling, at least 1."""
        return max(self.variance / self.sampling, 1.0)

    def spread(self, n_current: float) -> Spread:
        """Plausible variances of a current round of n_current examples against these rounds.

        The observed variance has (K - 1) degrees of freedom at least (exactly that many where one
        factor moves all bins, more otherwise), so the true one is taken as variance * (K - 1) /
        chi^2, at normal-score quantiles of chi^2; sampling is known and bounds it from below.
        """
        tau_squared = np.maximum(
            self.variance * plausible_factors(self.rounds) - self.sampling, 0.0
        )
        reference = 1 / self.n + tau_squared * self.concentration
        return Spread(reference + 1 / n_current + tau_squared, NODE_WEIGHTS)


def plausible_factors(rounds: ArrayLike) -> FloatArray:
    """Return how many times the observed variance of rounds (..) the true one may be, (.., nodes).

    They are nu / chi^2_nu at normal scores, nu = rounds - 1, in the order of `NODE_WEIGHTS`; one
    for a single round, which says nothing.
    """
    nu = np.maximum(np.asarray(rounds, dtype=np.float64)[..., np.newaxis] - 1, 0.0)
    chi_squared = scipy.special.chdtri(np.maximum(nu, 1.0), scipy.special.ndtr(_NODES))
    return np.asarray(np.where(nu > 0, nu / chi_squared, 1.0), dtype=np.float64)


def estimate_variation(rounds: Sequence[Histogram]) -> RoundVariation:
    """Estimate by moments how much the shares of rounds vary.

    `rounds` are the reference rounds' histograms on the same bins (the CDF is used for ordered
    bins, the shares for categories). With the plain mean Fbar over K rounds, the expectation of
    sum_k (F_k - Fbar)^2 is (K - 1) F (1 - F) (mean(1 / n_k) + tau^2); both sides are summed over
    bins. Declared noise counts as variation between rounds here, which widens rather than
    narrows. Raises TooFewError under two rounds, EmptySampleError for a round without counts,
    EdgesDifferError for different bins.

    After the analysis of overdispersed counts in McCullagh & Nelder (1989), section 4.5.
    """
    if len(rounds) < LEAST_ROUNDS:
        raise TooFewError("rounds", len(rounds), LEAST_ROUNDS)
    pooled = merge(rounds)
    shares = np.array([shares_of(each) for each in rounds])
    sizes = np.array([each.total for each in rounds])
    return RoundVariation(
        rounds=len(rounds),
        variance=_relative_variance(shares),
        sampling=float(np.mean(1 / sizes)),
        n=pooled.total,
        concentration=float(np.sum((sizes / pooled.total) ** 2)),
    )


def effective_sample_size(n: float, tau_squared: float) -> float:
    """Return the independent examples that a round of n is worth: n / (1 + n tau^2).

    It saturates at 1 / tau^2: more examples of the same round add nothing beyond.

    >>> effective_sample_size(1000.0, 0.001)
    500.0
    """
    if not (0 < n <= LARGEST and 0 <= tau_squared <= LARGEST):
        raise BadParameterError("n, tau_squared", (n, tau_squared), "finite n > 0, tau^2 >= 0")
    return n / (1 + n * tau_squared)


def shares_of(histogram: Histogram) -> FloatArray:
    """Return what moves when a distribution does: the CDF at the inner edges, or the shares."""
    return histogram.pmf() if histogram.categorical else histogram.cdf()[:-1]


def _relative_variance(shares: FloatArray) -> float:
    """Sum the variance over rounds (rows) over bins (columns), over the sum of F (1 - F)."""
    rounds, mean = len(shares), shares.mean(axis=0)
    binomial = float(np.sum(np.clip(mean * (1 - mean), 0.0, None)))
    if binomial == 0:
        return 0.0
    ratio = float(np.sum((shares - mean) ** 2)) / (rounds - 1) / binomial
    # Fbar (1 - Fbar) falls short of F (1 - F) by the variance of Fbar.
    return ratio / (1 + ratio / rounds)
