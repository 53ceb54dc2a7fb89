"""Kolmogorov's limit law at very many places: its mean over plausible variances, row by row.

`scipy.special.kolmogorov`, which tests hold it to, takes three times as long, most of it in rows
where the chance is next to nothing.
"""

from math import exp, pi, sqrt

from numba import njit

from detectors.arrays import FloatArray

CROSSING = 0.82**2  # of x^2: up to here the one series falls faster, and from here the other
NOTHING = 373.0  # of x^2: where 2 exp(-2 x^2) is no float64 any more


@njit(cache=True, nogil=True, error_model="numpy")
def mean_tails(
    gaps: FloatArray, values: FloatArray, weights: FloatArray, tails: FloatArray
) -> None:
    """Write the means over s of P(K >= gap / sqrt(value)), (K,), from values (K, S) above zero."""
    for row in range(gaps.size):
        square, total = gaps[row] * gaps[row], 0.0
        for node in range(weights.size):
            total += weights[node] * _tail(square / values[row, node])
        tails[row] = min(total, 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _tail(square: float) -> float:
    """Return P(K >= x) from x^2; Marsaglia, Tsang & Wang (2003), J. Stat. Software 8(18)."""
    if square > NOTHING:
        return 0.0
    if square > CROSSING:
        v = exp(-2 * square)
        v3 = v * v * v
        return 2 * v * (1 - v3 * (1 - v3 * v * v * (1 - v3 * v3 * v)))
    if square <= 0.0:
        return 1.0
    u = exp(-pi * pi / (8 * square))
    u8 = u**8
    return 1 - sqrt(2 * pi / square) * u * (1 + u8 * (1 + u8 * u8 * (1 + u8 * u8 * u8)))
