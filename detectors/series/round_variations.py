"""How much rounds vary, of very many subjects at once: `estimate_variation` for each of K."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors import parallel
from detectors.arrays import LARGEST, FloatArray, finite
from detectors.errors import BadParameterError, NegativeCountError, ShapeError
from detectors.histogram import LEAST_TOTAL
from detectors.series.overdispersion import LEAST_ROUNDS, NODE_WEIGHTS, plausible_factors

LEAST_BINS = 2
_CACHED = 65_536  # counts of a block of subjects: their shares stay in the cache
_LEAST_SUBJECTS = 1_024  # fewer are not worth a thread


@dataclass(frozen=True, eq=False)
class RoundVariations:
    """What is known of each of K subjects, as arrays (K,), each as in a `RoundVariation`.

    `rounds` are those that told. Where they are fewer than two, nothing is known of how rounds
    vary: `variance` is infinite, and a test that uses it says p-value 1.
    """

    rounds: NDArray[np.intp]
    variance: FloatArray
    sampling: FloatArray
    n: FloatArray
    concentration: FloatArray

    @property
    def tau_squared(self) -> FloatArray:
        """The variance between rounds over F (1 - F), zero or more, (K,)."""
        return np.asarray(np.maximum(self.variance - self.sampling, 0.0), dtype=np.float64)

    def of(self, subjects: NDArray[np.intp]) -> "RoundVariations":
        """Return those of these subjects, by their positions."""
        return RoundVariations(
            self.rounds[subjects],
            self.variance[subjects],
            self.sampling[subjects],
            self.n[subjects],
            self.concentration[subjects],
        )

    def spread(self, n_current: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return plausible variances (K, S) of current rounds of n_current (K,), and weights (S,).

        Each row is what `RoundVariation.spread` gives; infinite where fewer than two rounds told.
        BadParameterError unless every n_current is above zero and finite, ShapeError unless there
        are K.
        """
        sizes = np.asarray(n_current, dtype=np.float64)
        if sizes.shape != self.n.shape:
            raise ShapeError("n_current", sizes.shape, f"{self.n.shape}, one number a subject")
        if not np.all((sizes > 0) & (sizes <= LARGEST)):  # which NaN is not either
            raise BadParameterError("n_current", float(sizes.min()), "numbers above zero, finite")
        kinds, kind = np.unique(self.rounds, return_inverse=True)
        plausible = self.variance[:, np.newaxis] * plausible_factors(kinds)[kind]
        tau_squared = np.maximum(plausible - self.sampling[:, np.newaxis], 0.0)
        known = 1 / np.where(self.n > 0, self.n, 1.0) + 1 / sizes
        return (1 + self.concentration[:, np.newaxis]) * tau_squared + known[:, np.newaxis], (
            NODE_WEIGHTS
        )


def estimate_variations(counts: ArrayLike, categorical: bool = False) -> RoundVariations:
    """Estimate by moments how much the shares of rounds vary, for each of K subjects.

    `counts` is (R, K, B): rounds, subjects, bins; ordered bins unless `categorical`. A round in
    which a subject has no counts did not tell. Each subject's answer is that of
    `estimate_variation` of the rounds that told, and infinite where fewer than two did. For exact
    counts: noised ones may be negative, and `estimate_variation` takes them. Raises ShapeError,
    NotFiniteError, OutOfRangeError, NegativeCountError.

    >>> rounds = [[[5, 5]], [[20, 20]], [[0, 0]], [[9, 1]]]
    >>> found = estimate_variations(rounds)
    >>> found.rounds.tolist(), found.tau_squared.round(3).tolist()
    ([3], [0.138])
    """
    array = _checked(counts)
    rounds, subjects, bins = array.shape
    totals = array.sum(axis=2)
    told = totals >= LEAST_TOTAL
    sizes = np.where(told, totals, 0.0)
    ratio = np.zeros(subjects)
    at_once = max(1, _CACHED // max(1, rounds * bins))

    def work(start: int, stop: int) -> None:
        for first in range(start, stop, at_once):
            part = slice(first, min(first + at_once, stop))
            ratio[part] = _relative_variances(
                array[:, part], totals[:, part], told[:, part], categorical=categorical
            )

    parallel.in_parts(work, subjects, least=_LEAST_SUBJECTS)
    return _variations(ratio, sizes, told)


def _checked(counts: ArrayLike) -> FloatArray:
    array = finite(counts, "counts")
    if array.ndim != 3 or array.shape[2] < LEAST_BINS:  # noqa: PLR2004 - rounds, subjects, bins
        raise ShapeError("counts", array.shape, "(rounds, subjects, bins), 2 bins or more")
    if array.size and array.min() < 0:
        raise NegativeCountError("counts", int(np.argmin(array)))
    return array


def _relative_variances(
    counts: FloatArray, totals: FloatArray, told: NDArray[np.bool_], *, categorical: bool
) -> FloatArray:
    """Sum the variance of a subject's shares over its told rounds over bins, over F (1 - F)."""
    shares = counts / np.where(told, totals, 1.0)[..., np.newaxis]
    if not categorical:
        shares = np.cumsum(shares[..., :-1], axis=2)
    shares *= told[..., np.newaxis]
    number = np.maximum(np.count_nonzero(told, axis=0), 1)
    mean = shares.sum(axis=0) / number[:, np.newaxis]
    binomial = np.clip(mean * (1 - mean), 0.0, None).sum(axis=1)
    apart = (shares - mean) * told[..., np.newaxis]
    squares = np.einsum("rkb,rkb->k", apart, apart)
    ratio = squares / np.maximum(number - 1, 1) / np.where(binomial > 0, binomial, 1.0)
    return np.asarray(ratio / (1 + ratio / number), dtype=np.float64)


def _variations(
    variance: FloatArray, sizes: FloatArray, told: NDArray[np.bool_]
) -> RoundVariations:
    """Put what was found together; `sizes` (R, K) are 0 where a round did not tell."""
    rounds = np.count_nonzero(told, axis=0)
    n = sizes.sum(axis=0)
    inverse = np.where(told, 1 / np.where(told, sizes, 1.0), 0.0)
    return RoundVariations(
        rounds=rounds,
        variance=np.where(rounds >= LEAST_ROUNDS, variance, np.inf),
        sampling=inverse.sum(axis=0) / np.maximum(rounds, 1),
        n=n,
        concentration=np.sum((sizes / np.where(n > 0, n, 1.0)) ** 2, axis=0),
    )
