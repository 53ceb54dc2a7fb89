"""Every column of two tables: Kolmogorov-Smirnov and Wasserstein-1, sorted once for both."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, fraction
from detectors.errors import EmptySampleError, ShapeError
from detectors.result import PROBABILITY, SUBJECT, TwoSampleResult
from detectors.series.overdispersion import sampling_spread
from detectors.two_sample import ks, wasserstein
from detectors.two_sample.ks_exact import Lattice, gap_tails
from detectors.two_sample.relabelling import Deals, deals_of
from detectors.two_sample.sorted_rows import over_threads, slices, sorted_rows

_COLUMNS_AT_ONCE = 4  # small enough for the cache, and half a line of it in a table kept by rows


@dataclass(frozen=True)
class ColumnComparison:
    """What two tests say of one column."""

    ks: TwoSampleResult
    wasserstein: TwoSampleResult


def compare_columns(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    threads: int = 1,
) -> tuple[ColumnComparison, ...]:
    """Compare column k of `reference` (n, columns) with column k of `current` (m, columns).

    Each comparison is what `ks_samples` and `wasserstein_samples` say of the two columns.
    Numbers may also come as a DataFrame, whose columns lie together, which saves a copy. Memory
    beside the input is that of 4 columns of each a thread. Raises EmptySampleError, ShapeError for
    different numbers of columns, NotFiniteError and OutOfRangeError with the column in the name,
    BadParameterError.

    >>> shifted = compare_columns([[0.0], [1.0], [2.0]], [[5.0], [6.0], [7.0]])[0]
    >>> shifted.ks.effect, shifted.wasserstein.effect
    (1.0, 5.0)
    """
    fraction(alpha, "alpha"), fraction(power, "power")
    first, second = _table(reference, "reference"), _table(current, "current")
    if first.shape[1] != second.shape[1]:
        raise ShapeError("current", second.shape, f"{first.shape[1]} columns, as reference has")
    measured = _measure(first, second, threads)
    lattice = Lattice(len(first), len(second))
    tails = gap_tails(measured.gaps, lattice.n, lattice.m)
    gap = ks.minimum_detectable_gap(sampling_spread(lattice.n, lattice.m).mean, alpha, power)
    p_values, shifts = wasserstein.judge(
        measured.deals, measured.quantiles, measured.areas / lattice.lcm, alpha, power
    )
    sizes = (float(lattice.n), float(lattice.m))
    return tuple(
        ColumnComparison(
            TwoSampleResult(ks.NAME, d, p, d, PROBABILITY, gap, *sizes),
            TwoSampleResult(wasserstein.NAME, w, q, w, SUBJECT, shift, *sizes),
        )
        for d, p, w, q, shift in zip(
            (measured.gaps / lattice.lcm).tolist(),
            tails.tolist(),
            (measured.areas / lattice.lcm).tolist(),
            p_values.tolist(),
            shifts.tolist(),
            strict=True,
        )
    )


@dataclass(frozen=True, eq=False)
class _Measured:
    """Gaps and areas (C,) in steps of the lattice, and pooled values at the deals' bounds."""

    deals: Deals
    gaps: NDArray[np.int64]
    areas: FloatArray
    quantiles: FloatArray


def _measure(reference: FloatArray, current: FloatArray, threads: int) -> _Measured:
    from detectors.kernels import merged  # noqa: PLC0415 - numba takes a second to import

    lattice, columns = Lattice(len(reference), len(current)), reference.shape[1]
    deals = deals_of(lattice.n, lattice.m)
    gaps, areas = np.empty(columns, dtype=np.int64), np.empty(columns)
    quantiles = np.empty((columns, deals.bounds.size))

    def work(part: slice) -> None:
        x = sorted_rows(reference[:, part].T, "reference column {}", part.start)
        y = sorted_rows(current[:, part].T, "current column {}", part.start)
        merged.compare_rows(x, y, lattice.up, lattice.down, gaps[part], areas[part])
        for row, column in enumerate(range(part.start, part.stop)):
            merged.order_statistics(x[row], y[row], deals.bounds, quantiles[column])

    over_threads(work, slices(columns, _COLUMNS_AT_ONCE), threads)
    return _Measured(deals, gaps, areas, quantiles)


def _table(values: ArrayLike, name: str) -> FloatArray:
    """Return (rows, columns) as float64, in the layout it has; not yet checked for NaN."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:  # noqa: PLR2004 - a table has two dimensions
        raise ShapeError(name, array.shape, "(rows, columns)")
    if array.size == 0:
        raise EmptySampleError(name)
    return array
