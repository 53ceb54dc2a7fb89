"""One error budget for the many tests of a round: false discovery rate control."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, finite, fraction
from detectors.errors import BadParameterError, ShapeError


def benjamini_hochberg(p_values: ArrayLike, *, tests: int | None = None) -> FloatArray:
    """Adjust p-values so that rejecting q <= level keeps the false discovery rate at level.

    Holds for independent or positively dependent tests. Returns the q-values in the order given;
    none in, none out. Where so many `tests` were made, and p-values above a level left out, the
    q-values up to that level are those of all tests. Raises BadParameterError for a p-value outside
    [0, 1], and for fewer tests than p-values.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.04, 0.04]

    Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57, 289-300.
    """
    array = probabilities(p_values, "p_values")
    if tests is not None and tests < array.size:
        raise BadParameterError("tests", tests, f"{array.size} or more, one for each p-value")
    return _adjusted(array, array.size if tests is None else tests, penalty=1.0)


def benjamini_yekutieli(p_values: ArrayLike) -> FloatArray:
    """Adjust as Benjamini-Hochberg does, for tests that depend on each other in any way.

    The price is a factor of 1 + 1/2 + ... + 1/m. Raises BadParameterError for a p-value outside
    [0, 1].

    Benjamini & Yekutieli (2001), Ann. Stat. 29, 1165-1188.
    """
    array = probabilities(p_values, "p_values")
    penalty = float(np.sum(1 / np.arange(1, array.size + 1)))
    return _adjusted(array, array.size, penalty)


def e_benjamini_hochberg(e_values: ArrayLike, level: float) -> NDArray[np.bool_]:
    """Say which of m e-values are discoveries: the k largest, k e_(k) >= m / level, k greatest.

    An e-value is zero or more and has a mean of at most 1 under its null. The false discovery rate
    is at most `level` however the e-values depend on each other. Returns booleans in the order
    given. Raises BadParameterError for a negative e-value or a level outside (0, 1).

    >>> e_benjamini_hochberg([80.0, 0.3, 35.0], level=0.05).tolist()
    [True, False, True]

    Wang & Ramdas (2022), J. R. Stat. Soc. B 84, 822-852.
    """
    array = _vector(e_values, "e_values")
    if (array < 0).any():
        raise BadParameterError("e_values", "negative", "values of zero or more")
    ranks = np.arange(1, array.size + 1)
    enough = np.sort(array)[::-1] * ranks * fraction(level, "level") >= array.size
    if not enough.any():
        return np.zeros(array.size, dtype=np.bool_)
    return np.asarray(array * ranks[enough].max() * level >= array.size)


def probabilities(values: ArrayLike, name: str) -> FloatArray:
    """Return a vector of numbers from 0 to 1; ShapeError, NotFiniteError, BadParameterError."""
    array = _vector(values, name)
    if ((array < 0) | (array > 1)).any():
        raise BadParameterError(name, "outside", "values between 0 and 1")
    return array


def _vector(values: ArrayLike, name: str) -> FloatArray:
    array = finite(values, name)
    if array.ndim != 1:
        raise ShapeError(name, array.shape, "one dimension")
    return array


def _adjusted(p_values: FloatArray, tests: int, penalty: float) -> FloatArray:
    """Return min over k >= i of p_(k) m / k, times the penalty, at most 1, in the order given.

    As `scipy.stats.false_discovery_control` does, which takes half a second to import.
    """
    order = np.argsort(p_values)
    stepped = p_values[order] * (tests / np.arange(1, p_values.size + 1)) * penalty
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum.accumulate(stepped[::-1])[::-1]
    return np.minimum(adjusted, 1.0)
