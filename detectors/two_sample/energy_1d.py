"""The energy distance of values on a line under thousands of seeded relabellings.

In one dimension dcor's (squared) distance is 2 * integral (F - G)^2, a sum over the gaps between
sorted values. With k labels seen and a of them from x, F - G = (a - k n / N) N / (n m).

Szekely & Rizzo (2013), J. Stat. Plan. Inference 143, 1249-1272.
"""

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.errors import TooLargeError
from detectors.parallel import in_parts
from detectors.two_sample.energy_permutations import lanes

MOST_VALUES = 2**31 - 1  # labels are counted in 32 bits


def relabelled_energies_1d(
    x: FloatArray, y: FloatArray, permutations: int, seed: int
) -> FloatArray:
    """Return squared energy distances, (permutations + 1,): the observed one comes last.

    `energy_reference.energies_of_sorted` is the same in plain numpy. Raises TooLargeError above
    2^31 - 1 values.
    """
    from detectors.kernels import energy as kernel  # noqa: PLC0415 - numba, only where it is used

    size = x.size + y.size
    if size > MOST_VALUES:
        raise TooLargeError("energy_samples", 8 * size, 8 * MOST_VALUES)
    pooled = np.concatenate((x, y))
    order = np.argsort(pooled)
    gaps = np.diff(pooled[order])
    expected = x.size * (np.arange(size - 1, 0, -1) / size)
    sums, states = np.empty(permutations + 1), lanes(permutations, seed)
    in_parts(
        lambda start, stop: kernel.bridge_sums(states, start, stop, x.size, gaps, expected, sums),
        permutations,
        least=kernel.LANES,
    )
    sums[-1] = gaps @ (_left(order < x.size) - expected) ** 2
    return np.asarray(2 * sums * (size / x.size / y.size) ** 2, dtype=np.float64)


def _left(labels: NDArray[np.bool_]) -> FloatArray:
    """Return how many are true after each place but the last."""
    return np.asarray(labels.sum() - np.cumsum(labels)[:-1], dtype=np.float64)
