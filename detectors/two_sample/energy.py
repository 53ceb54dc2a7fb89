"""Energy distance of samples: how far apart two clouds of values lie.

Two conventions are in use: dcor returns 2 E|X - Y| - E|X - X'| - E|Y - Y'|, which has the
subject's unit; scipy returns its square root. Every docstring here says which one is meant.

Szekely & Rizzo (2013), J. Stat. Plan. Inference 143, 1249-1272.
"""

import numpy as np
import scipy
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, fraction, matrix, sample, weights
from detectors.errors import BadParameterError, ShapeError, TooLargeError
from detectors.result import SUBJECT, TwoSampleResult
from detectors.two_sample.energy_1d import relabelled_energies_1d
from detectors.two_sample.energy_permutations import relabelled_energies

NAME = "energy"
LEAST_PERMUTATIONS = 19
MEMORY_LIMIT = 1_000_000_000
_TIE = 1e-12


def energy_distance_1d(
    x: ArrayLike, y: ArrayLike, wx: ArrayLike | None = None, wy: ArrayLike | None = None
) -> float:
    """Return scipy's energy distance of two vectors, the root of dcor's.

    sqrt(2 * integral (F - G)^2); weights are relative. scipy.stats.energy_distance does the work.
    Raises EmptySampleError, ShapeError, NotFiniteError, BadWeightError.

    >>> round(energy_distance_1d([0, 8], [0, 8], [3, 1], [2, 2]), 12)
    1.0
    """
    first, second = sample(x, "x"), sample(y, "y")
    u, v = weights(wx, first.size, "wx"), weights(wy, second.size, "wy")
    return float(scipy.stats.energy_distance(first, second, u, v))


def energy_distance(
    x: ArrayLike, y: ArrayLike, wx: ArrayLike | None = None, wy: ArrayLike | None = None
) -> float:
    """Return dcor's (squared) energy distance of weighted vectors, (n, d) and (m, d).

    Weights are relative: doubling all of a sample's changes nothing. Raises what
    `energy_multivariate` raises.

    >>> round(energy_distance([0, 8], [0, 8], [3, 1], [2, 2]), 12)
    1.0
    """
    points, weight, size = _pooled(x, y, wx, wy)
    return float(_relabelled(points, weight, size, permutations=0, seed=0)[-1])


def energy_samples(
    x: ArrayLike,
    y: ArrayLike,
    *,
    permutations: int = 999,
    seed: int = 0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two vectors of values, of lengths n and m, by a permutation test.

    It is `energy_multivariate` for one component, in time that grows with n + m and not with its
    square. Raises EmptySampleError, ShapeError, NotFiniteError, BadParameterError, and
    TooLargeError above 2^31 - 1 values.

    >>> energy_samples(range(9), range(9, 18), permutations=99).p_value
    0.01
    """
    first, second = sample(x, "x"), sample(y, "y")
    _check(permutations, alpha, power)
    energies = relabelled_energies_1d(first, second, permutations, seed)
    span = max(first.max(), second.max()) - min(first.min(), second.min())
    return _result(energies, float(span), (first.size, second.size), alpha, power)


def energy_multivariate(
    x: ArrayLike,
    y: ArrayLike,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    *,
    permutations: int = 999,
    seed: int = 0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two samples of vectors, (n, d) and (m, d), by a permutation test.

    `statistic` and `effect` are dcor's convention (squared, in the unit of the Euclidean
    distance). Weights are relative, and move with their observation. The p-value is
    (1 + #{permuted >= observed}) / (1 + permutations), ties counted up to rounding; dcor 0.7 does
    not count them and so calls two constant samples different. The minimum detectable effect is
    (sqrt(q_alpha) + sqrt(q_power))^2 with the null's quantiles: the distance is a norm, so by the
    triangle inequality whatever lies farther is found with that power. Raises ShapeError for
    different d, TooLargeError where the distances of all pairs would pass 1 GB (they are never
    held, but each is used `permutations` times), and what `energy_distance_1d` raises.
    """
    _check(permutations, alpha, power)
    points, weight, size = _pooled(x, y, wx, wy)
    if points.shape[1] == 1 and wx is None and wy is None:
        energies = relabelled_energies_1d(points[:size, 0], points[size:, 0], permutations, seed)
    else:
        energies = _relabelled(points, weight, size, permutations, seed)
    span = float(np.max(points.max(axis=0) - points.min(axis=0)) * np.sqrt(points.shape[1]))
    sizes = _effective(weight[:size]), _effective(weight[size:])
    return _result(energies, span, sizes, alpha, power)


def _pooled(
    x: ArrayLike, y: ArrayLike, wx: ArrayLike | None, wy: ArrayLike | None
) -> tuple[FloatArray, FloatArray, int]:
    """Return all vectors, their weights (1 on average in either sample), and how many are x's."""
    first, second = matrix(x, "x"), matrix(y, "y")
    if first.shape[1] != second.shape[1]:
        raise ShapeError("y", second.shape, f"{first.shape[1]} components, as x has")
    first, u = _weighted(first, wx, "wx")
    second, v = _weighted(second, wy, "wy")
    return np.concatenate((first, second)), np.concatenate((u, v)), len(first)


def _weighted(
    points: FloatArray, given: ArrayLike | None, name: str
) -> tuple[FloatArray, FloatArray]:
    weight = weights(given, len(points), name)
    relative = weight / weight.max()
    counted = relative > 0
    return points[counted], relative[counted] / relative[counted].mean()


def _relabelled(
    points: FloatArray, weight: FloatArray, size: int, permutations: int, seed: int
) -> FloatArray:
    needed = 8 * len(points) ** 2
    if needed > MEMORY_LIMIT:
        raise TooLargeError("The distances of all pairs", needed, MEMORY_LIMIT)
    return relabelled_energies(points, weight, size, permutations, seed)


def _check(permutations: int, alpha: float, power: float) -> None:
    if permutations < LEAST_PERMUTATIONS:
        raise BadParameterError("permutations", permutations, f"{LEAST_PERMUTATIONS} or more")
    fraction(alpha, "alpha"), fraction(power, "power")


def _effective(weight: FloatArray) -> float:
    """Return Kish's effective size."""
    return float(weight.sum() ** 2 / (weight @ weight))


def _result(
    energies: FloatArray, span: float, sizes: tuple[float, float], alpha: float, power: float
) -> TwoSampleResult:
    """Judge the last energy by the others, counting those as ties that rounding keeps apart."""
    observed, null = float(energies[-1]), energies[:-1]
    extreme = np.count_nonzero(null >= observed - _TIE * span)
    quantiles = np.quantile(null, (1 - alpha, power))
    return TwoSampleResult(
        detector=NAME,
        statistic=observed,
        p_value=float((1 + extreme) / (1 + null.size)),
        effect=observed,
        effect_unit=SUBJECT,
        minimum_detectable_effect=float(np.sqrt(quantiles).sum() ** 2),
        n_reference=float(sizes[0]),
        n_current=float(sizes[1]),
    )
