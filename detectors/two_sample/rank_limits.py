"""The limits of Cramer-von Mises' T and Anderson and Darling's A^2, far into their tails.

Both are sums of lambda_j Z_j^2 over independent standard normals: lambda_j = 1 / (pi j)^2 and
1 / (j (j + 1)). Where D(y) = prod_j (1 - lambda_j y) has simple zeros a_1 < a_2 < ..., Smirnov's
inversion is

    P(Q > x) = 1 / pi  sum_j (-1)^(j + 1)  integral from a_(2j - 1) to a_2j of
               exp(-x y / 2) / (y sqrt(|D(y)|)) dy

D is sin(sqrt y) / sqrt y for T and -cos(pi / 2 sqrt(1 + 4 y)) / (pi y) for A^2. Gauss-Chebyshev
quadrature takes in the roots at both ends, so that a tail is one weighted sum of exponentials with
all its digits, where 1 - cdf has lost them.

Smirnov (1937), Matematicheskii Sbornik 2, 973-993; Anderson & Darling (1952), Annals of
Mathematical Statistics 23, 193-212.
"""

from dataclasses import dataclass

import numpy as np
import scipy

from detectors.arrays import FloatArray

_INTERVALS, _NODES = 40, 48
_NEGLIGIBLE = 40.0  # exp(-40) is below the last digit of 1


@dataclass(frozen=True, eq=False)
class RankLimit:
    """A limit whose tail is sum_i weights_i exp(-x rates_i); `mean` and `variance` are its own."""

    rates: FloatArray
    weights: FloatArray
    mean: float
    variance: float

    def tail(self, x: float) -> float:
        """Return P(Q > x); it is 1 in float64 where the sum would need more terms."""
        if x * self.rates[-1] < _NEGLIGIBLE:
            return 1.0
        return float(np.clip(np.exp(-x * self.rates) @ self.weights, 0.0, 1.0))

    def quantile(self, alpha: float) -> float:
        """Return the x with P(Q > x) = alpha."""
        high = 5.0 - np.log(alpha)  # both tails fall as exp(-x) or faster
        return float(scipy.optimize.brentq(lambda x: self.tail(x) - alpha, 0.0, high, xtol=1e-12))


def _angles() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return places in (0, 2) along an interval, their weights, and the sign of each interval."""
    theta = (np.arange(_NODES) + 0.5) * np.pi / _NODES
    place = 2 * np.sin(theta / 2) ** 2
    weight = np.sin(theta) / np.sqrt(np.sin(np.pi * place / 2)) / _NODES
    sign = np.asarray((-1.0) ** np.arange(_INTERVALS), dtype=np.float64)
    return place, weight, sign[:, np.newaxis]


def _cramer_von_mises() -> RankLimit:
    place, weight, sign = _angles()
    odd = 2 * np.arange(1, _INTERVALS + 1)[:, np.newaxis] - 1
    root = np.pi * (odd + place / 2)
    weights = sign * np.pi * weight / np.sqrt(root)
    return RankLimit((root**2 / 2).ravel(), weights.ravel(), 1 / 6, 1 / 45)


def _anderson_darling() -> RankLimit:
    place, weight, sign = _angles()
    root = 4 * np.arange(1, _INTERVALS + 1)[:, np.newaxis] - 1 + place
    y = (root**2 - 1) / 4
    weights = sign * weight * root / 2 * np.sqrt(np.pi / y)
    return RankLimit((y / 2).ravel(), weights.ravel(), 1.0, 2 * np.pi**2 / 3 - 6)


CRAMER_VON_MISES = _cramer_von_mises()
ANDERSON_DARLING = _anderson_darling()
