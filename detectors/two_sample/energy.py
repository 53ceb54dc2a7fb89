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


def energy_multivariate(
    x: ArrayLike,
    y: ArrayLike,
    *,
    permutations: int = 999,
    seed: int = 0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Compare two samples of vectors, (n, d) and (m, d), by a permutation test.

    `statistic` and `effect` are dcor's convention (squared, in the unit of the Euclidean
    distance). dcor measures the distances; the permutations are counted here, since dcor 0.7 does
    not count ties as extreme and so calls two constant samples different. The p-value is
    (1 + #{permuted >= observed}) / (1 + permutations). The minimum detectable effect is
    (sqrt(q_alpha) + sqrt(q_power))^2 with the null's quantiles: the distance is a norm, so by the
    triangle inequality whatever lies farther is found with that power. Raises ShapeError for
    different d, TooLargeError above 1 GB of distances (dcor holds N x N x d numbers), and what
    `energy_distance_1d` raises.
    """
    first, second = matrix(x, "x"), matrix(y, "y")
    if first.shape[1] != second.shape[1]:
        raise ShapeError("y", second.shape, f"{first.shape[1]} components, as x has")
    if permutations < LEAST_PERMUTATIONS:
        raise BadParameterError("permutations", permutations, f"{LEAST_PERMUTATIONS} or more")
    fraction(alpha, "alpha"), fraction(power, "power")
    distances = _distances(np.concatenate((first, second)))
    labels = np.repeat((1 / len(first), -1 / len(second)), (len(first), len(second)))
    observed = float(_squared_energy(distances, labels[:, np.newaxis])[0])
    null = _permuted(distances, labels, permutations, seed)
    quantiles = np.quantile(null, (1 - alpha, power))
    return TwoSampleResult(
        detector=NAME,
        statistic=observed,
        p_value=_p_value(observed, null, float(distances.max())),
        effect=observed,
        effect_unit=SUBJECT,
        minimum_detectable_effect=float(np.sqrt(quantiles).sum() ** 2),
        n_reference=float(len(first)),
        n_current=float(len(second)),
    )


def _distances(points: FloatArray) -> FloatArray:
    needed = 8 * len(points) ** 2 * (points.shape[1] + 2)
    if needed > MEMORY_LIMIT:
        raise TooLargeError("energy_multivariate", needed, MEMORY_LIMIT)
    import dcor  # noqa: PLC0415 - compiles for seconds on import, so only where it is used

    return np.asarray(dcor.distances.pairwise_distances(points), dtype=np.float64)


def _squared_energy(distances: FloatArray, labels: FloatArray) -> FloatArray:
    """-s' D s for every column s of 1/n at one sample and -1/m at the other."""
    energy = -np.einsum("ib,ib->b", labels, distances @ labels)
    return np.asarray(np.maximum(energy, 0.0), dtype=np.float64)


def _permuted(
    distances: FloatArray, labels: FloatArray, permutations: int, seed: int
) -> FloatArray:
    columns = np.tile(labels[:, np.newaxis], permutations)
    shuffled = np.random.default_rng(seed).permuted(columns, axis=0)
    return _squared_energy(distances, shuffled)


def _p_value(observed: float, null: FloatArray, scale: float) -> float:
    """Count ties as extreme, up to rounding."""
    return float((1 + np.sum(null >= observed - _TIE * scale)) / (1 + null.size))
