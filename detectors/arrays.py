"""The checks at the door: what comes in is turned into finite float64 arrays or refused."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.errors import (
    BadParameterError,
    BadWeightError,
    EmptySampleError,
    NotFiniteError,
    OutOfRangeError,
    ShapeError,
)

FloatArray: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[Any]  # of whole or real numbers, before it is known which
LARGEST = 1e100


def finite(values: ArrayLike, name: str) -> FloatArray:
    """Return `values` as float64.

    NotFiniteError names the first NaN or infinity, OutOfRangeError the first beyond 1e100.
    """
    array = np.asarray(values, dtype=np.float64)
    # Two passes without temporaries; a NaN fails the comparison, too.
    if array.size == 0 or (array.min() >= -LARGEST and array.max() <= LARGEST):
        return array
    wrong = ~np.isfinite(array)
    if wrong.any():
        raise NotFiniteError(name, int(np.argmax(wrong)))
    raise OutOfRangeError(name, int(np.argmax(np.abs(array) > LARGEST)), LARGEST)


def sample(values: ArrayLike, name: str) -> FloatArray:
    """Return a finite, non-empty vector; EmptySampleError, ShapeError or NotFiniteError if not."""
    array = finite(values, name)
    if array.ndim != 1:
        raise ShapeError(name, array.shape, "one dimension")
    if array.size == 0:
        raise EmptySampleError(name)
    return array


def matrix(values: ArrayLike, name: str) -> FloatArray:
    """Return a finite (n, d) matrix of n >= 1 vectors; a vector counts as n vectors of length 1."""
    array = finite(values, name)
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2:  # noqa: PLR2004 - a matrix has two dimensions
        raise ShapeError(name, array.shape, "(observations, components)")
    if array.size == 0:
        raise EmptySampleError(name)
    return array


def weights(values: ArrayLike | None, size: int, name: str) -> FloatArray:
    """Return weights of the given length; None means equal ones. BadWeightError if negative."""
    if values is None:
        return np.ones(size)
    array = finite(values, name)
    if array.shape != (size,):
        raise ShapeError(name, array.shape, f"({size},), one weight a value")
    if (array < 0).any() or array.sum() <= 0:
        raise BadWeightError(name)
    return array


def fraction(value: float, name: str) -> float:
    """Return a level strictly between 0 and 1; BadParameterError if it is not."""
    if not 0 < value < 1:
        raise BadParameterError(name, value, "a number between 0 and 1")
    return value
