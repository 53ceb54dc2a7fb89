"""The distribution of a weighted sum of squared normals: what energy distances have under no drift.

Q = sum_i lambda_i Z_i^2 with independent standard normal Z_i. The tail is Lugannani and Rice's
saddle-point formula in Kuonen's form, good to a few per cent of itself far into the tail, where a
bootstrap would need millions of draws.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.special

from detectors.arrays import FloatArray
from detectors.two_sample.noise import Null

_NEGLIGIBLE = 1e-7
_NEAR_MEAN = 1e-3
_HALVINGS = 48
_SMALLEST, _LARGEST = 1e-12, 1e5  # in units of the largest eigenvalue; beyond, the tail is 0


@dataclass(frozen=True)
class QuadraticForm:
    """The statistic |rows d|^2 of a difference of shares d, and its law where nothing changed.

    `rows` is (r, k), with the weights' roots in it; `direction` (r,) is rows d for the change whose
    effect is 1.
    """

    null: Null
    rows: FloatArray
    direction: FloatArray

    def p_value(self, statistic: float) -> float:
        """Return the chance of a statistic as large or larger."""
        scales, scale_weights = self._scales
        points = statistic / scales
        if self.null.noise == 0:
            values = self._eigenvalues(1.0)
            return self.null.spread.average(
                lambda s: quadratic_tail(np.divide.outer(points, s), values).T @ scale_weights
            )
        return self.null.spread.average(
            lambda s: np.array(
                [quadratic_tail(points, self._eigenvalues(each)) @ scale_weights for each in s]
            )
        )

    def detectable(self, alpha: float, power: float) -> float:
        """Solve mean(e) - z_power * sd(e) = critical value for the effect e.

        The statistic under an effect e has the mean e^2 a + sum(lambda) and the variance
        2 sum(lambda^2) + 4 e^2 b; the equation is quadratic in e^2.
        """
        values = self._mean_eigenvalues
        a = float(self.direction @ self.direction)
        along = self.direction @ self._centred
        b = float(along**2 @ self.null.variance())
        if a == 0:
            return 0.0
        z = float(scipy.special.ndtri(power))
        beyond = quadratic_quantile(alpha, values) - float(values.sum())
        half = beyond / a + 2 * z**2 * b / a**2
        rest = (2 * z**2 * float(values @ values) - beyond**2) / a**2
        return float(np.sqrt(max(half + np.sqrt(max(half**2 + rest, 0.0)), 0.0)))

    def noise_bound(self, statistic: float) -> float:
        """Return how far declared noise moves the statistic, at 95%.

        The root of the statistic is a norm: its square moves by at most 2 sqrt(statistic q) + q
        where the noise alone makes q.
        """
        if self.null.noise == 0:
            return 0.0
        noised = self._centred * np.sqrt(self.null.noise)
        alone = quadratic_quantile(0.05, _spectrum(noised))
        return float(2 * np.sqrt(statistic * alone) + alone)

    @cached_property
    def _centred(self) -> FloatArray:
        return self.null.centred(self.rows)

    @cached_property
    def _mean_eigenvalues(self) -> FloatArray:
        return self._eigenvalues(self.null.spread.mean)

    @cached_property
    def _scales(self) -> tuple[FloatArray, FloatArray]:
        second = float(self._mean_eigenvalues @ self._mean_eigenvalues)
        return self.null.scales(np.sum(self._centred**2, axis=0), second)

    def _eigenvalues(self, spread: float) -> FloatArray:
        return _spectrum(self._centred * np.sqrt(self.null.variance(spread)))


def _spectrum(root: FloatArray) -> FloatArray:
    """Return the eigenvalues of root root', zero or more."""
    return np.asarray(np.maximum(np.linalg.eigvalsh(root @ root.T), 0.0), dtype=np.float64)


def quadratic_tail(points: FloatArray, eigenvalues: FloatArray) -> FloatArray:
    """Return P(Q >= q) for each q of `points`; eigenvalues are zero or more.

    Where all are zero, Q is 0: the answer is 1 for q <= 0 and 0 above.

    With r = lambda / max(lambda), x = q / max(lambda) and the saddle point s = (1 - u) / 2, the
    equation K'(s) = sum r / (1 - r + r u) = x has its root u between 1 / x and k / x, whatever r.

    Kuonen (1999), Biometrika 86, 929-935, equation 3.
    """
    largest = eigenvalues.max()
    if largest == 0:
        return np.where(points > 0, 0.0, 1.0)
    x = np.maximum(np.minimum(points, _LARGEST * largest) / largest, _SMALLEST)
    ratios = eigenvalues[eigenvalues > largest * _NEGLIGIBLE] / largest
    tail = _lugannani_rice(x, ratios, _saddle_point(x, ratios))
    return np.where(x > _SMALLEST, np.clip(tail, 0.0, 1.0), 1.0)


def quadratic_quantile(alpha: float, eigenvalues: FloatArray) -> float:
    """Return the q with P(Q >= q) close to alpha: the gamma of the same mean and variance.

    0 where all eigenvalues are.

    Satterthwaite (1946), Biometrics Bulletin 2, 110-114.
    """
    largest = float(eigenvalues.max())
    if largest == 0:
        return 0.0
    first, second = float((ratios := eigenvalues / largest).sum()), float(ratios @ ratios)
    standard = scipy.special.gammainccinv(first**2 / (2 * second), alpha)
    return float(standard * 2 * second / first * largest)


def _saddle_point(x: FloatArray, ratios: FloatArray) -> FloatArray:
    low, high = -np.log(x), np.log(ratios.size) - np.log(x)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = _slope(np.exp(middle), ratios) > x
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(np.exp((low + high) / 2), dtype=np.float64)


def _slope(u: FloatArray, ratios: FloatArray) -> FloatArray:
    return np.asarray((ratios / _denominator(u, ratios)).sum(axis=-1), dtype=np.float64)


def _denominator(u: FloatArray, ratios: FloatArray) -> FloatArray:
    return 1 - ratios + ratios * u[..., np.newaxis]


def _lugannani_rice(x: FloatArray, ratios: FloatArray, u: FloatArray) -> FloatArray:
    s, denominator = (1 - u) / 2, _denominator(u, ratios)
    cumulant = -np.log(denominator).sum(axis=-1) / 2
    w = np.sign(s) * np.sqrt(np.maximum(2 * (s * x - cumulant), 0.0))
    v = s * np.sqrt(2 * np.sum((ratios / denominator) ** 2, axis=-1))
    near = np.abs(w) < _NEAR_MEAN
    safe_w, ratio = np.where(near, 1.0, w), np.where(near, 1.0, v / np.where(near, 1.0, w))
    correction = np.where(near, _skewness(ratios) / 6, np.log(ratio) / safe_w)
    return np.asarray(scipy.special.ndtr(-(w + correction)), dtype=np.float64)


def _skewness(ratios: FloatArray) -> float:
    return float(8 * np.sum(ratios**3) / (2 * np.sum(ratios**2)) ** 1.5)
