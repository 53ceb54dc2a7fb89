"""The distribution of a weighted sum of squared normals: what energy distances have under no drift.

Q = sum_i lambda_i Z_i^2 with independent standard normal Z_i. The tail is Lugannani and Rice's
saddle-point formula in Kuonen's form, good to a few per cent of itself far into the tail, where a
bootstrap would need millions of draws.
"""

import numpy as np
import scipy.special

from detectors.arrays import FloatArray

_NEGLIGIBLE = 1e-7
_NEAR_MEAN = 1e-3
_HALVINGS = 48
_SMALLEST = 1e-12


def quadratic_tail(points: FloatArray, eigenvalues: FloatArray) -> FloatArray:
    """Return P(Q >= q) for each q of `points`; eigenvalues are zero or more, not all zero.

    With r = lambda / max(lambda), x = q / max(lambda) and the saddle point s = (1 - u) / 2, the
    equation K'(s) = sum r / (1 - r + r u) = x has its root u between 1 / x and k / x, whatever r.

    Kuonen (1999), Biometrika 86, 929-935, equation 3.
    """
    ratios = eigenvalues[eigenvalues > eigenvalues.max() * _NEGLIGIBLE]
    x = np.maximum(points / ratios.max(), _SMALLEST)
    ratios = ratios / ratios.max()
    tail = _lugannani_rice(x, ratios, _saddle_point(x, ratios))
    return np.where(x > _SMALLEST, np.clip(tail, 0.0, 1.0), 1.0)


def quadratic_quantile(alpha: float, eigenvalues: FloatArray) -> float:
    """Return the q with P(Q >= q) close to alpha: the gamma of the same mean and variance.

    Satterthwaite (1946), Biometrics Bulletin 2, 110-114.
    """
    first, second = float(eigenvalues.sum()), float(np.sum(eigenvalues**2))
    return float(scipy.special.gammainccinv(first**2 / (2 * second), alpha) * 2 * second / first)


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
