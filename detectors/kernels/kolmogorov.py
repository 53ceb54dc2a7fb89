"""Kolmogorov's limit law at very many places: its mean over plausible variances, row by row.

`scipy.special.kolmogorov`, which tests hold it to, takes three times as long, most of it in rows
where the chance is next to nothing.
"""

from math import exp, log, pi, sqrt

from numba import njit

from detectors.arrays import FloatArray

CROSSING = 0.82**2  # of x^2: up to here the one series falls faster, and from here the other
NOTHING = 373.0  # of x^2: where 2 exp(-2 x^2) is no float64 any more
MOST_STEPS, ARRIVED = 30, 1e-4  # of a gap; each step doubles the digits that are right


@njit(cache=True, nogil=True, error_model="numpy")
def mean_tails(
    gaps: FloatArray, values: FloatArray, weights: FloatArray, tails: FloatArray
) -> None:
    """Write the means over s of P(K >= gap / sqrt(value)), (K,), from values (K, S) above zero.

    Where rounds vary no more than their examples do, neighbouring values are the same.
    """
    for row in range(gaps.size):
        square, total, before, tail = gaps[row] * gaps[row], 0.0, -1.0, 0.0
        for node in range(weights.size):
            if values[row, node] != before:
                before = values[row, node]
                tail = _tail(square / before)
            total += weights[node] * tail
        tails[row] = min(total, 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def mean_criticals(
    alpha: float, values: FloatArray, weights: FloatArray, criticals: FloatArray
) -> None:
    """Write the gaps (K,) whose mean tail is alpha, to 1e-7 of it: Newton's steps from those given.

    The logarithm of a mean tail hardly bends over the gap, so that three steps do.
    """
    goal = log(alpha)
    for row in range(criticals.size):
        gap = criticals[row]
        for _ in range(MOST_STEPS):
            total, slope, before, tail, falling = 0.0, 0.0, -1.0, 0.0, 0.0
            for node in range(weights.size):
                value = values[row, node]
                if value != before:
                    tail, falling = _tail_and_slope(gap * gap / value)
                    before = value
                total += weights[node] * tail
                slope += weights[node] * falling / value
            step = -gap / 2  # never further, past zero
            if total > 0.0:
                if slope >= 0.0:
                    break
                step = max(step, (goal - log(total)) * total / (slope * 2 * gap))
            gap += step
            if abs(step) <= ARRIVED * gap:
                break
        criticals[row] = gap


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


@njit(cache=True, nogil=True, error_model="numpy")
def _tail_and_slope(square: float) -> tuple[float, float]:
    """Return `_tail` and its derivative by x^2, the same series term by term."""
    if square > NOTHING:
        return 0.0, 0.0
    if square > CROSSING:
        v = exp(-2 * square)
        v3 = v * v * v
        v5, v7 = v3 * v * v, v3 * v3 * v
        tail = 2 * v * (1 - v3 * (1 - v5 * (1 - v7)))
        return tail, -4 * v * (1 - v3 * (4 - v5 * (9 - v7 * 16)))
    if square <= 0.0:
        return 1.0, 0.0
    u = exp(-pi * pi / (8 * square))
    u8, over = u**8, pi * pi / (4 * square)
    u16, u24 = u8 * u8, u8 * u8 * u8
    root = sqrt(2 * pi / square)
    tail = 1 - root * u * (1 + u8 * (1 + u16 * (1 + u24)))
    further = 1 - 25 * over + u24 * (1 - 49 * over)
    return tail, root / (2 * square) * u * (1 - over + u8 * (1 - 9 * over + u16 * further))
