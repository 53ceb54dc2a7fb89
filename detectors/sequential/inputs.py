"""The checks at the door of sequential detectors, for one value as for a block of them."""

import math

import numpy as np
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite
from detectors.errors import BadParameterError, NotBinaryError, OutsideUnitError


def binary(values: ArrayLike, name: str) -> FloatArray:
    """Return finite values that are all 0 or 1; NotBinaryError names the first that is not."""
    array = finite(values, name)
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        raise NotBinaryError(name, int(np.argmax(wrong)))
    return array


def unit(values: ArrayLike, name: str) -> FloatArray:
    """Return finite values from 0 to 1; OutsideUnitError names the first beyond."""
    array = finite(values, name)
    wrong = (array < 0) | (array > 1)
    if wrong.any():
        raise OutsideUnitError(name, int(np.argmax(wrong)))
    return array


def positive(value: float, name: str) -> float:
    """Return a finite number above 0; BadParameterError if it is not."""
    if not (math.isfinite(value) and value > 0):
        raise BadParameterError(name, value, "a finite number above 0")
    return value


def at_least(value: int, least: int, name: str) -> int:
    """Return a whole number of at least `least`; BadParameterError if it is not."""
    if not (math.isfinite(value) and value == int(value) and value >= least):
        raise BadParameterError(name, value, f"a whole number, {least} or more")
    return int(value)
