"""The energy distance of vectors under thousands of seeded relabellings, in little memory.

No distance matrix is held: each block of it is measured where it is needed and used for all
relabellings at once. Everything is float64, so that no near-tie needs a second look, and the order
of summation is fixed, so that the result does not depend on the number of threads.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.parallel import in_parts

LINE = 64  # bytes in a cache line; work that starts on one runs a third faster


@dataclass(frozen=True)
class _Blocks:
    """Points (components, rows), padded with weight 0 to whole blocks, and labels as bits.

    `codes` is (rows / 8, labellings + 1), where the last column has every label 1; `ones` is the
    weight of the points labelled 1 in each labelling, `total` that of all points.
    """

    points: FloatArray
    weight: FloatArray
    codes: NDArray[np.uint8]
    ones: FloatArray
    total: float


def relabelled_energies(
    points: FloatArray, weight: FloatArray, size: int, permutations: int, seed: int
) -> FloatArray:
    """Return squared energy distances, (permutations + 1,): the observed one comes last.

    `points` is (n + m, d), the first `size` of which are one sample; `weight` is positive and
    moves with its point. `energy_reference.energies_of_vectors` is the same in plain numpy.
    """
    unit = _unit(points)
    if unit == 0:
        return np.zeros(permutations + 1)
    # From the first point, since a component that hardly varies may lie far from 0.
    blocks = _blocks((points - points[0]) / unit, weight / weight.max(), size, permutations, seed)
    return np.asarray(np.maximum(-_signed_sums(blocks), 0.0) * unit, dtype=np.float64)


def lanes(permutations: int, seed: int) -> NDArray[np.uint32]:
    """Return the start of one generator a permutation, (3, permutations), whatever their number."""
    states = np.random.default_rng(seed).integers(0, 1 << 32, (permutations, 3), np.uint32)
    return np.ascontiguousarray(states.T)


def _unit(points: FloatArray) -> float:
    """Return the largest range of a component as a power of two: dividing by it rounds nothing."""
    span = float(np.max(points.max(axis=0) - points.min(axis=0)))
    return float(2.0 ** np.floor(np.log2(span))) if span > 0 else 0.0


def _blocks(
    points: FloatArray, weight: FloatArray, size: int, permutations: int, seed: int
) -> _Blocks:
    from detectors.kernels import energy as kernel  # noqa: PLC0415 - numba, only where it is used

    rows = -(-len(points) // kernel.HEIGHT) * kernel.HEIGHT
    codes = np.zeros((rows // kernel.CODE_BITS, permutations + 2), np.uint8)
    mass = np.empty(permutations + 1)
    states = lanes(permutations, seed)
    in_parts(
        lambda start, stop: kernel.draw_codes(states, start, stop, size, weight, codes, mass),
        permutations,
        least=kernel.LANES,
    )
    codes[:, -2] = np.packbits(np.arange(rows) < size, bitorder="little")
    codes[:, -1] = kernel.CODES - 1
    mass[-1] = weight[:size].sum()
    padded = _aligned(points.shape[1], rows)
    padded[:, : len(points)] = points.T
    filled = np.pad(weight, (0, rows - weight.size))
    return _Blocks(padded, filled, codes, mass, float(weight.sum()))


def _signed_sums(blocks: _Blocks) -> FloatArray:
    """Return s' D s for each labelling, summed over blocks of columns in their order."""
    from detectors.kernels import energy as kernel  # noqa: PLC0415 - as above

    columns = blocks.weight.size // kernel.WIDTH
    order = _long_and_short(columns)
    parts = np.empty((columns, blocks.ones.size))
    zeros = blocks.total - blocks.ones

    def work(start: int, stop: int) -> None:
        squares, block = _aligned(kernel.HEIGHT), _aligned(kernel.HEIGHT, kernel.WIDTH)
        tables = _aligned(2, kernel.CODES, kernel.WIDTH)
        sums = _aligned(blocks.codes.shape[1], kernel.WIDTH)
        for place in order[start:stop]:
            column = int(place) * kernel.WIDTH
            kernel.label_sums(
                blocks.points, blocks.weight, blocks.codes, column, squares, block, tables, sums
            )
            codes = blocks.codes[column // kernel.CODE_BITS :]
            kernel.signed_sums(sums, codes, blocks.ones, zeros, parts[place])

    in_parts(work, columns, least=2)
    return np.asarray(parts.sum(axis=0), dtype=np.float64)


def _long_and_short(columns: int) -> NDArray[np.intp]:
    """Order columns so that any stretch of them is about equal work; the last have most rows."""
    order = np.arange(columns)
    order[1::2] = order[1::2][::-1]
    return order


def _aligned(*shape: int) -> FloatArray:
    """Return zeros that start on a cache line."""
    size = int(np.prod(shape))
    raw = np.zeros(size + LINE // 8)
    first = -raw.ctypes.data % LINE // 8
    return raw[first : first + size].reshape(shape)
