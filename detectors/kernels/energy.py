"""The energy distance of thousands of relabellings; `two_sample.energy_reference` says it plainly.

Relabellings come in lanes, one generator a lane, so that a loop over lanes is a loop over vectors.
The generator is sfc32: 96 bits of state a lane and a counter that all share (Doty-Humphrey 2010,
PractRand). A label is 1 with the chance of ones left / labels left, in steps of 2^-32.

Inner loops are functions of their own: it is what makes LLVM see vectors, and compile soon.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.arrays import FloatArray

LANES = 128  # relabellings at once: their state stays in the nearest cache
WIDTH = 64  # columns of the distance matrix at once
HEIGHT = 256  # rows whose distances to these columns are measured at once
CODE_BITS = 8
CODES = 1 << CODE_BITS
Lanes = NDArray[np.uint32]
Codes = NDArray[np.uint8]
Counts = NDArray[np.int32]


@njit(cache=True, nogil=True, error_model="numpy")
def bridge_sums(
    state: Lanes,
    start: int,
    stop: int,
    ones: int,
    gaps: FloatArray,
    expected: FloatArray,
    sums: FloatArray,
) -> None:
    """Set sums[lane] = sum over places of gap * (ones left - expected)^2 for start <= lane < stop.

    `state` is (3, lanes); `gaps` and `expected` have one element for each place but the last.
    """
    for first in range(start, stop, LANES):
        last = min(first + LANES, stop)
        a, b, c = _lanes(state, first, last)
        left = np.full(a.size, ones, np.int32)
        _walk(a, b, c, left, gaps, expected, sums[first:last])


@njit(cache=True, nogil=True, error_model="numpy")
def _walk(
    a: Lanes,
    b: Lanes,
    c: Lanes,
    left: Counts,
    gaps: FloatArray,
    expected: FloatArray,
    sums: FloatArray,
) -> None:
    for lane in range(sums.size):
        sums[lane] = 0.0
    for place in range(gaps.size):
        gap, middle = gaps[place], expected[place]
        counter, many = np.uint32(place + 1), np.uint64(gaps.size + 1 - place)
        for lane in range(left.size):
            drawn, a[lane], b[lane], c[lane] = _drawn(a[lane], b[lane], c[lane], counter)
            left[lane] -= _label(drawn, many, left[lane])
            apart = np.float64(left[lane]) - middle
            sums[lane] += gap * apart * apart


@njit(cache=True, nogil=True, error_model="numpy")
def draw_codes(
    state: Lanes,
    start: int,
    stop: int,
    ones: int,
    weight: FloatArray,
    codes: Codes,
    mass: FloatArray,
) -> None:
    """Draw labels of `weight.size` places, `ones` of them 1, for start <= lane < stop.

    Bit i % 8 of codes[i // 8, lane] is set where label i is 1. mass[lane] is the weight of those
    labelled 1.
    """
    for first in range(start, stop, LANES):
        last = min(first + LANES, stop)
        a, b, c = _lanes(state, first, last)
        left, bits = np.full(a.size, ones, np.int32), np.empty(a.size, np.uint8)
        _fill(a, b, c, left, bits, weight, codes[:, first:last], mass[first:last])


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(
    a: Lanes,
    b: Lanes,
    c: Lanes,
    left: Counts,
    bits: Codes,
    weight: FloatArray,
    codes: Codes,
    mass: FloatArray,
) -> None:
    for lane in range(left.size):
        mass[lane] = bits[lane] = 0
    for place in range(weight.size):
        bit, heavy = place % CODE_BITS, weight[place]
        counter, many = np.uint32(place + 1), np.uint64(weight.size - place)
        for lane in range(left.size):
            drawn, a[lane], b[lane], c[lane] = _drawn(a[lane], b[lane], c[lane], counter)
            label = _label(drawn, many, left[lane])
            left[lane] -= label
            bits[lane] |= np.uint8(label << bit)
            mass[lane] += label * heavy
        if bit == CODE_BITS - 1 or place == weight.size - 1:
            for lane in range(left.size):
                codes[place // CODE_BITS, lane] = bits[lane]
                bits[lane] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def _lanes(state: Lanes, start: int, stop: int) -> tuple[Lanes, Lanes, Lanes]:
    return state[0, start:stop].copy(), state[1, start:stop].copy(), state[2, start:stop].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _drawn(
    a: np.uint32, b: np.uint32, c: np.uint32, counter: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Return 32 random bits and the next state."""
    drawn = np.uint32(a + b + counter)
    rotated = (c << np.uint32(21)) | (c >> np.uint32(11))
    return drawn, b ^ (b >> np.uint32(9)), c + (c << np.uint32(3)), rotated + drawn


@njit(cache=True, nogil=True, error_model="numpy")
def _label(drawn: np.uint32, many: np.uint64, left: np.int32) -> np.int32:
    return np.int32(((np.uint64(drawn) * many) >> np.uint64(32)) < np.uint64(left))


@njit(cache=True, nogil=True, error_model="numpy")
def label_sums(
    points: FloatArray,
    weight: FloatArray,
    codes: Codes,
    column: int,
    squares: FloatArray,
    block: FloatArray,
    tables: FloatArray,
    sums: FloatArray,
) -> None:
    """Set sums[relabelling, j] = sum_i b_i w_i w_j |x_i - x_j|, j from `column` to `WIDTH` on.

    Rows i before `column` count twice, and those after these columns not at all, so that summing
    over j counts every pair as often as it should. `points` is (components, rows). Eight rows have
    256 sums of some of them: each is made once, and then looked up by a relabelling's code. For
    work: `squares` (HEIGHT,) starts at 0, `block` (HEIGHT, WIDTH), `tables` (2, CODES, WIDTH).

    Arlazarov, Dinic, Kronrod & Faradzev (1970), Soviet Math. Dokl. 11, 1209-1210.
    """
    _scale(sums, 0.0)
    for top in range(0, column + WIDTH, HEIGHT):
        _measure(points, weight, top, column, squares, block)
        for row in range(top, min(top + HEIGHT, column + WIDTH), 2 * CODE_BITS):
            if row == column:
                _scale(sums, 2.0)
            first, code = row - top, row // CODE_BITS
            _sum_subsets(block[first : first + CODE_BITS], tables[0])
            _sum_subsets(block[first + CODE_BITS : first + 2 * CODE_BITS], tables[1])
            _look_up(tables[0], tables[1], codes[code], codes[code + 1], sums)


@njit(cache=True, nogil=True, error_model="numpy")
def _scale(sums: FloatArray, by: float) -> None:
    for lane in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            sums[lane, j] *= by


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(
    points: FloatArray,
    weight: FloatArray,
    top: int,
    column: int,
    squares: FloatArray,
    block: FloatArray,
) -> None:
    """Write the weighted distances of HEIGHT rows from `top` on to WIDTH columns into `block`."""
    for j in range(WIDTH):
        for k in range(points.shape[0]):
            _add_squares(points[k, top : top + HEIGHT], points[k, column + j], squares)
        _take_roots(squares, weight[top : top + HEIGHT], weight[column + j], block[:, j])


@njit(cache=True, nogil=True, error_model="numpy")
def _add_squares(row: FloatArray, value: float, squares: FloatArray) -> None:
    for i in range(squares.size):
        apart = row[i] - value
        squares[i] += apart * apart


@njit(cache=True, nogil=True, error_model="numpy")
def _take_roots(squares: FloatArray, weight: FloatArray, by: float, column: FloatArray) -> None:
    for i in range(squares.size):
        column[i] = math.sqrt(squares[i]) * weight[i] * by
        squares[i] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_subsets(rows: FloatArray, table: FloatArray) -> None:
    """table[code] = the sum of the rows whose bit is set in `code`; table[0] is 0 before."""
    for code in range(1, CODES):
        highest = CODE_BITS - 1
        while not (code >> highest) & 1:
            highest -= 1
        for j in range(WIDTH):
            table[code, j] = table[code - (1 << highest), j] + rows[highest, j]


@njit(cache=True, nogil=True, error_model="numpy")
def _look_up(
    first: FloatArray, second: FloatArray, code: Codes, next_code: Codes, sums: FloatArray
) -> None:
    for lane in range(sums.shape[0]):
        one, other = code[lane], next_code[lane]
        for j in range(WIDTH):
            sums[lane, j] += first[one, j] + second[other, j]


@njit(cache=True, nogil=True, error_model="numpy")
def signed_sums(
    sums: FloatArray,
    codes: Codes,
    ones: FloatArray,
    zeros: FloatArray,
    out: FloatArray,
) -> None:
    """Set out[relabelling] = sum_j s_j sum_i s_i (...), labels s being 1 / ones and -1 / zeros.

    `sums` is that of `label_sums` and `codes` that of its columns, (WIDTH / 8, relabellings); the
    last relabelling of both has ones alone. `ones` and `zeros` are the weights of either label.
    """
    last = sums.shape[0] - 1
    for lane in range(last):
        per_zero = 1.0 / zeros[lane]
        both = 1.0 / ones[lane] + per_zero
        out[lane] = 0.0
        for j in range(WIDTH):
            bit = (codes[j // CODE_BITS, lane] >> (j % CODE_BITS)) & 1
            signed = both * sums[lane, j] - per_zero * sums[last, j]
            out[lane] += (both * bit - per_zero) * signed
