"""Whether all values are finite and of a size that arithmetic survives, in one pass."""

from numba import njit

from detectors.arrays import LARGEST, FloatArray


@njit(cache=True, nogil=True)
def all_within(values: FloatArray) -> bool:
    """Whether a vector lies between -1e100 and 1e100; `arrays.finite` names what does not."""
    beyond = 0
    for i in range(values.shape[0]):
        beyond += not (abs(values[i]) <= LARGEST)
    return beyond == 0
