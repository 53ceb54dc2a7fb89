"""The distribution of a weighted sum of squared normals: what energy distances have under no drift.

Q = sum_i lambda_i Z_i^2 with independent standard normal Z_i. The tail is Lugannani and Rice's
saddle-point formula in Kuonen's form, good to a few per cent of itself far into the tail, where a
bootstrap would need millions of draws.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray
from detectors.two_sample.noise import Null

_NEGLIGIBLE = 1e-7
_NEAR_MEAN = 1e-3
_MOST_STEPS, _CONVERGED = 64, 1e-8  # the square of it is what is left after such a step
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
        """Return the effect that is found at `alpha` with `power`; 0 where none has a direction."""
        a = float(self.direction @ self.direction)
        along = self.direction @ self._centred
        b = float(along**2 @ self.null.variance())
        return float(detectable_effect(*self._moments, a, b, alpha, power)) if a else 0.0

    def noise_bound(self, statistic: float) -> float:
        """Return how far declared noise moves the statistic, at 95%.

        The root of the statistic is a norm: its square moves by at most 2 sqrt(statistic q) + q
        where the noise alone makes q.
        """
        if self.null.noise == 0:
            return 0.0
        alone = float(satterthwaite(0.05, *moments(self._centred * np.sqrt(self.null.noise))))
        return float(2 * np.sqrt(statistic * alone) + alone)

    @cached_property
    def _centred(self) -> FloatArray:
        return self.null.centred(self.rows)

    @cached_property
    def _moments(self) -> tuple[float, float]:
        return moments(self._centred * np.sqrt(self.null.variance()))

    @cached_property
    def _scales(self) -> tuple[FloatArray, FloatArray]:
        return self.null.scales(np.sum(self._centred**2, axis=0), self._moments[1])

    def _eigenvalues(self, spread: float) -> FloatArray:
        return _spectrum(self._centred * np.sqrt(self.null.variance(spread)))


def _spectrum(root: FloatArray) -> FloatArray:
    """Return the eigenvalues of root root', zero or more."""
    return np.asarray(np.maximum(np.linalg.eigvalsh(root @ root.T), 0.0), dtype=np.float64)


def quadratic_tail(points: FloatArray, eigenvalues: FloatArray) -> FloatArray:
    """Return P(Q >= q) for each q of `points` (..); eigenvalues (.., k) are zero or more.

    Where all of a form are zero, Q is 0: the answer is 1 for q <= 0 and 0 above.

    With r = lambda / max(lambda), x = q / max(lambda) and the saddle point s = (1 - u) / 2, the
    equation K'(s) = sum r / (1 - r + r u) = x has its root u between 1 / x and k / x, whatever r.
    As a function of u, 1 / K' grows and is concave, like the resistance of resistors in parallel
    to each of which u is added: Newton's steps on it, from 1 / x on, approach the root from below.

    Kuonen (1999), Biometrika 86, 929-935, equation 3.
    """
    largest = eigenvalues.max(axis=-1)
    some = largest > 0
    unit = np.where(some, largest, 1.0)
    ratios = np.where(some[..., np.newaxis], eigenvalues / unit[..., np.newaxis], 1.0)
    ratios = ratios[..., (ratios > _NEGLIGIBLE).reshape(-1, ratios.shape[-1]).any(axis=0)]
    x = np.maximum(np.minimum(points, _LARGEST * unit) / unit, _SMALLEST)
    tail = _lugannani_rice(x, ratios, _saddle_point(x, ratios))
    tail = np.where(x > _SMALLEST, np.clip(tail, 0.0, 1.0), 1.0)
    return np.where(some, tail, np.where(points > 0, 0.0, 1.0))


def quadratic_quantile(alpha: float, eigenvalues: FloatArray) -> float:
    """Return the q with P(Q >= q) close to alpha; 0 where all eigenvalues are."""
    return float(satterthwaite(alpha, float(eigenvalues.sum()), float(eigenvalues @ eigenvalues)))


def moments(root: FloatArray) -> tuple[float, float]:
    """Return the sums of the eigenvalues of root root' and of their squares, found without them."""
    product = root @ root.T
    return float(np.trace(product)), float(np.vdot(product, product))


def detectable_effect(
    first: ArrayLike, second: ArrayLike, a: ArrayLike, b: ArrayLike, alpha: float, power: float
) -> FloatArray:
    """Solve mean(e) - z_power * sd(e) = critical value for the effect e, any number at once.

    The statistic under an effect e has the mean e^2 a + sum(lambda) and the variance
    2 sum(lambda^2) + 4 e^2 b, with `first` and `second` the sums; the equation is quadratic in e^2.
    """
    first, second, a, b = (np.asarray(each, dtype=np.float64) for each in (first, second, a, b))
    z = float(scipy.special.ndtri(power))
    beyond = satterthwaite(alpha, first, second) - first
    half = beyond / a + 2 * z**2 * b / a**2
    rest = (2 * z**2 * second - beyond**2) / a**2
    return np.sqrt(np.maximum(half + np.sqrt(np.maximum(half**2 + rest, 0.0)), 0.0))


def satterthwaite(alpha: float, first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Return the q that the gamma of Q's mean and variance passes with chance alpha.

    `first` and `second` are the sums of the eigenvalues and of their squares; 0 where those are.

    Satterthwaite (1946), Biometrics Bulletin 2, 110-114.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    some = second > 0
    mean, square = np.where(some, first, 1.0), np.where(some, second, 1.0)
    standard = scipy.special.gammainccinv(mean**2 / (2 * square), alpha)
    return np.asarray(np.where(some, standard * 2 * square / mean, 0.0), dtype=np.float64)


def _saddle_point(x: FloatArray, ratios: FloatArray) -> FloatArray:
    u = 1 / x
    for _ in range(_MOST_STEPS):
        terms = ratios / _denominator(u, ratios)
        slope = terms.sum(axis=-1)
        step = (slope / x - 1) * slope / np.sum(terms**2, axis=-1)
        u += step
        if (step <= u * _CONVERGED).all():
            break
    return u


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


def _skewness(ratios: FloatArray) -> FloatArray:
    return np.asarray(
        8 * np.sum(ratios**3, axis=-1) / (2 * np.sum(ratios**2, axis=-1)) ** 1.5, dtype=np.float64
    )
