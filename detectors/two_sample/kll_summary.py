"""KLL sketches: a distribution function known up to a small error in rank, whatever the sample.

Clients that use no differential privacy may send one (it keeps some of their values as they are);
the server merges them. A sketch of k = 200 keeps some 600 values of any number, each standing for
a power of two of them. Apache DataSketches does the work; its compactions toss coins that cannot be
seeded, so that two sketches of the same values, and two orders of merging, differ within the error.

Karnin, Lang & Liberty (2016), FOCS, 71-78.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import datasketches
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite, sample
from detectors.errors import BadParameterError, EmptySampleError, NotASketchError
from detectors.two_sample.kll_layout import LEAST_K, kept_values

DEFAULT_K = 200
_LARGEST_K = 65535


@dataclass(frozen=True, eq=False)
class KllSummary:
    """One sketch, read: make it with `from_bytes`, `of_values` or `merge_sketches`.

    `values` (d,) are those kept, increasing, and `weights` (d,) how many of the `n` each stands
    for. `k` sets size and accuracy. `rank_error` is how far the distribution function may be off
    anywhere, in probability: DataSketches' 99th percentile, and 0 where all values were kept.
    `minimum` and `maximum` are exact. `serialised` is what DataSketches reads in any language.
    """

    serialised: bytes
    values: FloatArray
    weights: FloatArray
    n: int
    k: int
    rank_error: float
    minimum: float
    maximum: float

    @classmethod
    def from_bytes(cls, serialised: bytes, name: str = "sketch") -> Self:
        """Read what kll_doubles_sketch.serialize() returned.

        Raises NotASketchError, and for an empty sketch EmptySampleError; NotFiniteError and
        OutOfRangeError give a position among the two extremes, or else the values kept.
        """
        kept = kept_values(serialised, name)
        try:
            sketch = datasketches.kll_doubles_sketch.deserialize(serialised)
        except (ValueError, RuntimeError, IndexError) as reason:
            raise NotASketchError(str(reason)) from reason
        extremes = finite([sketch.get_min_value(), sketch.get_max_value()], name)
        values = finite(kept[0], name)
        if values[0] < extremes[0] or values[-1] > extremes[1]:
            raise NotASketchError("it keeps values beyond its least or greatest")
        return cls(
            serialised=serialised,
            values=values,
            weights=kept[1],
            n=sketch.n,
            k=sketch.k,
            rank_error=_rank_error(sketch),
            minimum=float(extremes[0]),
            maximum=float(extremes[1]),
        )

    @classmethod
    def of_values(cls, values: ArrayLike, k: int = DEFAULT_K, name: str = "values") -> Self:
        """Sketch a vector of values; k from 8 to 65,535.

        Raises EmptySampleError, ShapeError, NotFiniteError, OutOfRangeError, BadParameterError.

        >>> KllSummary.of_values([3.0, 1.0, 2.0]).values.tolist()
        [1.0, 2.0, 3.0]
        """
        if not LEAST_K <= k <= _LARGEST_K:
            raise BadParameterError("k", k, f"a whole number from {LEAST_K} to {_LARGEST_K}")
        sketch = datasketches.kll_doubles_sketch(k)
        sketch.update(sample(values, name))
        return cls.from_bytes(sketch.serialize(), name)


def merge_sketches(summaries: Iterable[KllSummary]) -> KllSummary:
    """Merge sketches into that of all their values together, of the largest k.

    Its rank error is that of the smallest k among those that left values out. Raises
    EmptySampleError where there are none.

    >>> merge_sketches([KllSummary.of_values([1.0]), KllSummary.of_values([2.0, 3.0])]).n
    3
    """
    parts = tuple(summaries)
    if not parts:
        raise EmptySampleError("summaries")
    merged = datasketches.kll_doubles_sketch(max(part.k for part in parts))
    for part in parts:
        merged.merge(datasketches.kll_doubles_sketch.deserialize(part.serialised))
    return KllSummary.from_bytes(merged.serialize())


def _rank_error(sketch: datasketches.kll_doubles_sketch) -> float:
    return float(sketch.normalized_rank_error(False)) if sketch.is_estimation_mode() else 0.0
