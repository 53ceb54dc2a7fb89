"""One error budget for the many tests of a round: false discovery rate control."""

from typing import Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite
from detectors.errors import BadParameterError, ShapeError


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """Adjust p-values so that rejecting q <= level keeps the false discovery rate at level.

    Holds for independent or positively dependent tests. Returns the q-values in the order given;
    none in, none out. Raises BadParameterError for a p-value outside [0, 1].

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.04, 0.04]

    Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57, 289-300.
    """
    return _adjusted(p_values, "bh")


def benjamini_yekutieli(p_values: ArrayLike) -> FloatArray:
    """Adjust as Benjamini-Hochberg does, for tests that depend on each other in any way.

    The price is a factor of 1 + 1/2 + ... + 1/m. Raises BadParameterError for a p-value outside
    [0, 1].

    Benjamini & Yekutieli (2001), Ann. Stat. 29, 1165-1188.
    """
    return _adjusted(p_values, "by")


def _adjusted(p_values: ArrayLike, method: Literal["bh", "by"]) -> FloatArray:
    array = finite(p_values, "p_values")
    if array.ndim != 1:
        raise ShapeError("p_values", array.shape, "one dimension")
    if ((array < 0) | (array > 1)).any():
        raise BadParameterError("p_values", "outside", "values between 0 and 1")
    if array.size == 0:
        return array
    return np.asarray(scipy.stats.false_discovery_control(array, method=method), dtype=np.float64)
