"""The multivariate energy distance from the projection counts of a thousand clients, in one pass.

It is `energy_from_projections` for exact counts that come as one array: clients are checked and
added in one pass over memory, and all directions are compared at once.
"""

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, finite
from detectors.errors import (
    LARGEST_COUNT,
    BadParameterError,
    EmptySampleError,
    NegativeCountError,
    OutOfRangeError,
    ShapeError,
)
from detectors.histogram import LEAST_TOTAL, Histogram
from detectors.parallel import in_parts
from detectors.two_sample.energy_histogram import energy_histogram
from detectors.two_sample.projections import ProjectedEnergy, projected_energy

_BLOCK = 128  # clients
_MERGED = 2  # axes: directions, bins
_ADDED = (np.float64, np.int64, np.int32, np.uint32, np.uint16)  # as they are; others are converted


def energy_from_projection_counts(
    reference: ArrayLike, current: ArrayLike, edges: ArrayLike, dim: int
) -> ProjectedEnergy:
    """Estimate the energy distance (dcor's, squared) in `dim` dimensions from projection counts.

    `reference` and `current` are (directions, bins), or (clients, directions, bins) to be merged;
    the directions are those of `directions`, and all are counted on `edges` (bins + 1,). Shifts of
    mean and scale are within 5 per cent from one basis; shifts of correlation vary more over
    directions, which `standard_error` tells. `p_value` is Bonferroni's for the direction that a
    gamma distribution of the null's mean and variance finds least likely. For noised counts use
    `energy_from_projections`. Raises EmptySampleError, ShapeError, BadEdgesError, NotFiniteError,
    OutOfRangeError for counts beyond 2^53, NegativeCountError, BadParameterError for dim < 1.

    >>> counts = [[[4, 2, 1], [3, 3, 1]], [[1, 2, 0], [2, 1, 0]]]  # two clients, two directions
    >>> energy_from_projection_counts(counts, counts, [0.0, 1.0, 2.0, 3.0], dim=2).squared_distance
    0.0
    """
    if dim < 1:
        raise BadParameterError("dim", dim, "1 or more")
    before, after = merge_projection_counts(reference), merge_projection_counts(current)
    if before.shape != after.shape:
        raise ShapeError("current", after.shape, f"{before.shape}, as the reference has")
    bounds = finite(edges, "edges")
    steps = np.diff(Histogram(bounds, before[0]).mid_points)
    shares = _shares(before, "reference"), _shares(after, "current")
    gaps = np.cumsum(shares[1] - shares[0], axis=1)[:, :-1]
    statistics = 2 * gaps**2 @ steps
    least_likely = int(np.argmin(_tails(statistics, before, after, steps)))
    test = energy_histogram(*(Histogram(bounds, side[least_likely]) for side in (before, after)))
    return projected_energy(statistics, test.p_value, dim)


def merge_projection_counts(counts: ArrayLike) -> FloatArray:
    """Return the sum over clients of counts (clients, directions, bins) as (directions, bins).

    Merged counts (directions, bins) come back as float64. Raises EmptySampleError, ShapeError,
    NotFiniteError, OutOfRangeError, NegativeCountError.

    >>> merge_projection_counts([[[4, 2]], [[1, 2]]])
    array([[5., 4.]])
    """
    array = np.asarray(counts)
    if array.ndim not in (_MERGED, _MERGED + 1):
        raise ShapeError("counts", array.shape, "(directions, bins), with clients before or not")
    if array.size == 0:
        raise EmptySampleError("counts")
    if array.dtype not in _ADDED or array.ndim == _MERGED:
        array = finite(array, "counts")
    cells = np.ascontiguousarray(array).reshape(-1, array.shape[-2] * array.shape[-1])
    total, good = _added(cells)
    if not (good and total.max() <= LARGEST_COUNT):  # a NaN fails either
        _refuse(cells)
    return total.reshape(array.shape[-2:])


def _added(cells: NDArray[np.generic]) -> tuple[FloatArray, bool]:
    """Add clients (clients, cells); blocks of them are added in order, however many threads."""
    from detectors.kernels.projection_counts import (  # noqa: PLC0415 - numba, only where it is used
        add_counts,
    )

    blocks = -(-len(cells) // _BLOCK)
    parts, good = np.zeros((blocks, cells.shape[1])), np.zeros(blocks, np.bool_)

    def work(start: int, stop: int) -> None:
        for block in range(start, stop):
            last = min((block + 1) * _BLOCK, len(cells))
            good[block] = add_counts(cells, block * _BLOCK, last, parts[block])

    in_parts(work, blocks, least=2)
    return np.asarray(parts.sum(axis=0), dtype=np.float64), bool(good.all())


def _refuse(cells: NDArray[np.generic]) -> None:
    """Say what is wrong with counts of which something is."""
    array = finite(cells, "counts")
    if (array < 0).any():
        raise NegativeCountError("counts", int(np.argmax(array < 0)))
    raise OutOfRangeError("counts", int(np.argmax(array)), LARGEST_COUNT)


def _shares(counts: FloatArray, name: str) -> FloatArray:
    totals = counts.sum(axis=1, keepdims=True)
    if totals.min() < LEAST_TOTAL:
        raise EmptySampleError(name)
    return np.asarray(counts / totals, dtype=np.float64)


def _tails(
    statistics: FloatArray, before: FloatArray, after: FloatArray, steps: FloatArray
) -> FloatArray:
    """Return P(S >= statistic) of the gamma with the null's mean and variance, by direction.

    S = sum of 2 step * gap^2 has the mean tr C and the variance 2 tr C^2, where C has the entries
    spread * 2 sqrt(step_j step_k) F_j (1 - F_k) for j <= k: sums that run along the bins.

    Satterthwaite (1946), Biometrics Bulletin 2, 110-114.
    """
    below = np.cumsum(before + after, axis=1)
    share = below[:, :-1] / below[:, -1:]
    spread = 1 / before.sum(axis=1) + 1 / after.sum(axis=1)
    mean = 2 * spread * ((share * (1 - share)) @ steps)
    lower, upper = steps * share**2, steps * (1 - share) ** 2
    crossed = 2 * np.cumsum(lower, axis=1) * upper - lower * upper
    square = 4 * spread**2 * crossed.sum(axis=1)
    varies = square > 0
    safe_mean, safe_square = np.where(varies, mean, 1.0), np.where(varies, square, 1.0)
    rate = safe_mean / (2 * safe_square)
    tail = scipy.special.gammaincc(safe_mean * rate, statistics * rate)
    return np.asarray(np.where(varies, tail, 1.0), dtype=np.float64)
