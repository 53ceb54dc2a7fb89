"""Adding the counts of many clients while checking them; `counts.sum(axis=0)` is the reference."""

from typing import Any

from numba import njit
from numpy.typing import NDArray

from detectors.arrays import FloatArray

Counts = NDArray[Any]


@njit(cache=True, nogil=True, error_model="numpy")
def add_counts(counts: Counts, start: int, stop: int, total: FloatArray) -> bool:
    """Add rows start to stop of counts (clients, cells) to `total`; return whether all are >= 0."""
    good = True
    for client in range(start, stop):
        good &= _add_row(counts[client], total)
    return good


@njit(cache=True, nogil=True, error_model="numpy")
def _add_row(row: Counts, total: FloatArray) -> bool:
    good = True
    for cell in range(total.size):
        total[cell] += row[cell]
        good &= row[cell] >= 0
    return good
