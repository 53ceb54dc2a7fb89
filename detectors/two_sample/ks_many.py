"""Kolmogorov-Smirnov for many pairs of samples of the same two sizes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray
from detectors.errors import EmptySampleError, ShapeError
from detectors.series.overdispersion import sampling_spread
from detectors.two_sample.ks import minimum_detectable_gap
from detectors.two_sample.ks_exact import Lattice, gap_tails
from detectors.two_sample.sorted_rows import over_threads, slices, sorted_rows

_VALUES_AT_ONCE = 65_536  # half a megabyte, so that rows stay in the cache from sort to walk


@dataclass(frozen=True, eq=False)
class KsPairs:
    """What `ks_samples` says of each of K pairs; all have the same sizes.

    `statistics` (K,) are the distances D, probabilities and effects at once; `p_values` (K,).
    """

    statistics: FloatArray
    p_values: FloatArray
    minimum_detectable_effect: float
    n_reference: int
    n_current: int


def ks_many(
    reference: ArrayLike,
    currents: ArrayLike,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    threads: int = 1,
) -> KsPairs:
    """Compare each row of `currents` (K, m) with `reference`: one of (n,), or its row in (K, n).

    Every pair is judged as `ks_samples` judges it, to the last bit. A reference for all is sorted
    once; memory beside the input is about 1 MB a thread and 24 bytes a pair. Raises
    EmptySampleError, ShapeError, NotFiniteError, OutOfRangeError, BadParameterError.

    >>> ks_many([1.0, 2.0, 3.0], [[2.0, 3.0, 4.0], [1.0, 2.0, 3.0]]).statistics.round(6).tolist()
    [0.333333, 0.0]
    """
    from detectors.kernels.merged import compare_rows  # noqa: PLC0415 - numba takes a second to import

    first, second = _rows(reference, "reference"), _rows(currents, "currents")
    if len(first) not in (1, len(second)):
        raise ShapeError("reference", first.shape, f"one row, or {len(second)} as currents has")
    lattice = Lattice(first.shape[1], second.shape[1])
    gaps, areas = np.empty(len(second), dtype=np.int64), np.empty(len(second))
    shared = sorted_rows(first, "reference") if len(first) == 1 else None

    def work(part: slice) -> None:
        x = sorted_rows(first[part], "reference[{}]", part.start) if shared is None else shared
        y = sorted_rows(second[part], "currents[{}]", part.start)
        compare_rows(x, y, lattice.up, lattice.down, gaps[part], areas[part])

    rows_at_once = max(1, _VALUES_AT_ONCE // max(lattice.n, lattice.m))
    over_threads(work, slices(len(second), rows_at_once), threads)
    spread = sampling_spread(lattice.n, lattice.m)
    return KsPairs(
        statistics=gaps / lattice.lcm,
        p_values=gap_tails(gaps, lattice.n, lattice.m),
        minimum_detectable_effect=minimum_detectable_gap(spread.mean, alpha, power),
        n_reference=lattice.n,
        n_current=lattice.m,
    )


def _rows(values: ArrayLike, name: str) -> FloatArray:
    """Return a vector as one row, a matrix as it is; not yet checked for NaN."""
    array = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if array.ndim != 2:  # noqa: PLR2004 - a matrix has two dimensions
        raise ShapeError(name, array.shape, "(pairs, values)")
    if array.size == 0:
        raise EmptySampleError(name)
    return array
