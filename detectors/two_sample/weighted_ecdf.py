"""Weighted samples: their distribution functions, pooled values, and what they are worth.

Weights are relative: doubling all of one sample's changes nothing. A weighted sample is worth
(sum w)^2 / sum w^2 equally weighted values (Kish 1965, Survey Sampling, section 8.2), provided that
weights do not depend on what is compared.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, sample, weights


@dataclass(frozen=True, eq=False)
class WeightedPair:
    """Two samples on their d distinct pooled values.

    `values` (d,) increase; `x_shares` and `y_shares` (d,) are each sample's weight there over its
    sum. `counts` (d,) are the numbers of values there. `slots` (N,) are the relative weights alone,
    those of y negative, in no order that means anything: they sum to 0. `n` and `m` are the
    effective sizes (the numbers of values where weights are equal).
    """

    values: FloatArray
    x_shares: FloatArray
    y_shares: FloatArray
    counts: NDArray[np.int64]
    slots: FloatArray
    n: float
    m: float

    @classmethod
    def of(
        cls, x: ArrayLike, y: ArrayLike, wx: ArrayLike | None = None, wy: ArrayLike | None = None
    ) -> Self:
        """Check and pool; EmptySampleError, ShapeError, NotFiniteError, BadWeightError.

        Values of weight 0 are left out.
        """
        first, second = sample(x, "x"), sample(y, "y")
        u, v = weights(wx, first.size, "wx"), weights(wy, second.size, "wy")
        first, second, u, v = first[u > 0], second[v > 0], u[u > 0], v[v > 0]
        values, place = np.unique(np.concatenate((first, second)), return_inverse=True)
        return cls(
            values=values,
            x_shares=_shares(place[: first.size], u, values.size),
            y_shares=_shares(place[first.size :], v, values.size),
            counts=np.bincount(place, minlength=values.size),
            slots=np.concatenate((_relative(u), -_relative(v))),
            n=effective_size(u),
            m=effective_size(v),
        )

    @property
    def sizes(self) -> tuple[float, float]:
        """The effective sizes."""
        return (self.n, self.m)

    @property
    def tied(self) -> bool:
        """Whether any two values are equal."""
        return self.values.size < self.slots.size

    @property
    def gaps(self) -> FloatArray:
        """F - G (d - 1,) between each distinct value and the next."""
        return np.cumsum(self.x_shares - self.y_shares)[:-1]

    @property
    def pooled(self) -> FloatArray:
        """The share (d,) of all at each value, samples counting as their effective sizes."""
        both = self.n * self.x_shares + self.m * self.y_shares
        return np.asarray(both / (self.n + self.m), dtype=np.float64)


def effective_size(weight: FloatArray) -> float:
    """Return Kish's effective number of values.

    >>> effective_size(np.array([2.0, 2.0, 2.0]))
    3.0
    """
    relative = weight / weight.max()
    return float(relative.sum() ** 2 / np.sum(relative**2))


def _shares(place: NDArray[np.int64], weight: FloatArray, size: int) -> FloatArray:
    return np.asarray(np.bincount(place, _relative(weight), size), dtype=np.float64)


def _relative(weight: FloatArray) -> FloatArray:
    """Return weights that sum to 1; the largest is taken out first, so that no sum overflows."""
    relative = weight / weight.max()
    return np.asarray(relative / relative.sum(), dtype=np.float64)
