"""Chebyshev series at very many places: Clenshaw's recurrence, a few places at a time.

`numpy.polynomial.chebyshev.chebval`, which tests hold it to, writes three arrays for each term.
"""

import numpy as np
from numba import njit

from detectors.arrays import FloatArray

AT_ONCE = 64  # places whose sums stay in registers and the nearest cache


@njit(cache=True, nogil=True, error_model="numpy")
def series(places: FloatArray, coefficients: FloatArray, values: FloatArray) -> None:
    """Write the series of two coefficients or more at these places, from -1 to 1."""
    this, before = np.empty(AT_ONCE), np.empty(AT_ONCE)
    for start in range(0, places.size, AT_ONCE):
        count = min(AT_ONCE, places.size - start)
        this[:] = coefficients[-2]
        before[:] = coefficients[-1]
        for term in range(coefficients.size - 3, -1, -1):
            for at in range(count):
                held = this[at]
                this[at] = coefficients[term] - before[at]
                before[at] = held + before[at] * (2 * places[start + at])
        for at in range(count):
            values[start + at] = this[at] + before[at] * places[start + at]
