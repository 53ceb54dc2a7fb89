"""The exact two-sample Kolmogorov-Smirnov tail for sizes that differ.

`detectors.two_sample.ks_exact.outside_share` is the readable reference.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def outside_share(n: int, m: int, up: int, down: int, steps: int) -> float:
    """Return the share of lattice paths from (0, 0) to (n, m) that reach a gap of `steps`.

    A step along n moves the gap by `up`, one along m by -`down`. Only the points whose gap is below
    `steps` are kept, one window of j for each i; all others have the share 1.

    Hodges (1958), Arkiv for Matematik 3, 469-486, as a share instead of a count.
    """
    share = np.ones(min(2 * (steps // down + 1), m + 1) + 1)
    first, after = 0, min((steps - 1) // down + 1, m + 1)
    share[:after] = 0.0
    for i in range(1, n + 1):
        last_first, last_after = first, after
        first = max((up * i - steps) // down + 1, 0)
        after = min((up * i + steps - 1) // down + 1, m + 1)
        if after <= first:
            return 1.0
        below = 1.0
        for j in range(first, after):
            left = share[j - last_first] if j < last_after else 1.0
            below = (left * i + below * j) / (i + j)
            share[j - first] = below
    return float(share[m - first])
