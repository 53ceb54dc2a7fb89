"""What a KLL sketch of doubles keeps, read from its bytes and checked before the library sees them.

datasketches 5.2 has two faults that this goes around. It trusts the offsets of levels within the
bytes: wrong ones end the whole process, so bytes from clients are checked against its layout first.
And its iterator gives every value the weight 1 where the lowest level is empty, as it often is
after a merge, so values and weights are read here.

The layout (datasketches-cpp, kll_sketch.hpp) is little-endian: eight bytes of preamble; then, for
two values or more, n, the least k, the offsets of the levels, the least and the greatest value;
then what is kept, level by level, a value of level h standing for 2^h.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.errors import EmptySampleError, NotASketchError

_PREAMBLE = struct.Struct("<BBBBHBx")  # ints of preamble, version, family, flags, k, least width
_COUNTS = struct.Struct("<QHBx")  # n, least k, number of levels
_FAMILY, _LEAST_WIDTH = 15, 8
_EMPTY, _SINGLE = 1, 4  # flags
_SHORT, _FULL = 2, 5  # ints of preamble
_VALUE, _OFFSET = 8, 4  # bytes
_EXTREMES = 2 * _VALUE
_MOST_LEVELS = 53  # beyond, float64 no longer counts
LEAST_K = 8


def kept_values(serialised: bytes, name: str) -> tuple[FloatArray, FloatArray]:
    """Return the values (d,) that a sketch keeps, increasing, and how many each stands for (d,).

    Raises NotASketchError where the library could not read the bytes, EmptySampleError with `name`
    where the sketch is empty. Values are not checked.
    """
    sizes = _level_sizes(serialised, name)
    values = np.frombuffer(serialised, dtype="<f8", offset=len(serialised) - _VALUE * sizes.sum())
    order = np.argsort(values, kind="stable")
    weights = np.repeat(2.0 ** np.arange(sizes.size), sizes)
    return values[order].astype(np.float64), weights[order]


def _level_sizes(serialised: bytes, name: str) -> NDArray[np.int64]:
    if len(serialised) < _PREAMBLE.size:
        raise NotASketchError(f"{len(serialised)} bytes are too few")
    ints, version, family, flags, k, width = _PREAMBLE.unpack_from(serialised)
    if (family, width) != (_FAMILY, _LEAST_WIDTH) or k < LEAST_K:
        raise NotASketchError("its preamble is another one")
    kind = (ints, version, flags & (_EMPTY | _SINGLE))
    if kind == (_SHORT, 1, _EMPTY):
        raise EmptySampleError(name)
    if kind == (_FULL, 1, 0):
        return _sizes_of_levels(serialised, k)
    if kind != (_SHORT, 2, _SINGLE) or len(serialised) != _PREAMBLE.size + _VALUE:
        raise NotASketchError("its preamble and its length contradict each other")
    return np.ones(1, dtype=np.int64)


def _sizes_of_levels(serialised: bytes, k: int) -> NDArray[np.int64]:
    start = _PREAMBLE.size + _COUNTS.size
    if len(serialised) < start:
        raise NotASketchError("it ends within its preamble")
    n, least_k, levels = _COUNTS.unpack_from(serialised, _PREAMBLE.size)
    kept, rest = divmod(len(serialised) - start - _OFFSET * levels - _EXTREMES, _VALUE)
    if kept < 1 or rest or not 1 <= levels <= _MOST_LEVELS or not LEAST_K <= least_k <= k:
        raise NotASketchError("its counts and its length contradict each other")
    offsets = np.frombuffer(serialised, dtype="<u4", count=levels, offset=start).astype(np.int64)
    sizes = np.diff(offsets, append=offsets[0] + kept)
    if sizes.min() < 0 or sum(int(size) << level for level, size in enumerate(sizes)) != n:
        raise NotASketchError("its levels do not add to the number of its values")
    return sizes
