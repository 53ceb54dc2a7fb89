"""A client's update, or a peer's model, as what may leave: lengths and a cosine, no weight."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = Mapping[str, npt.ArrayLike]


def update_block(own: Weights, mean: Weights, *, to_neighbours: bool = False) -> dict[str, float]:
    """Return a record's ``update`` block: the ``norm`` of ``own``, and its ``cosine`` to ``mean``.

    Both are named arrays of the same shapes, taken as one long vector each. With a server they are
    the client's update and the aggregate of all updates. Without one, pass ``to_neighbours=True``:
    they are a peer's model and what it made of its own and its neighbours' by its row of the mixing
    matrix, and the ``mean_norm`` is told, too. From these three of each peer the service has how
    far the peers are from agreeing. A vector of zeros has no direction, and so no cosine.

    >>> update_block({"w": [3.0, 4.0]}, {"w": [0.0, 2.0]}, to_neighbours=True)
    {'norm': 5.0, 'mean_norm': 2.0, 'cosine': 0.8}

    ``ValueError`` for other names or shapes, and for NaN, infinities or lengths beyond float64.
    """
    ours, theirs = _arrays(own, "own"), _arrays(mean, "mean")
    if {name: one.shape for name, one in ours.items()} != {
        name: one.shape for name, one in theirs.items()
    }:
        raise ValueError("own and mean must have arrays of the same names and shapes.")
    norm, mean_norm = _product(ours, ours, "own"), _product(theirs, theirs, "mean")
    block = {"norm": sqrt(norm)} | ({"mean_norm": sqrt(mean_norm)} if to_neighbours else {})
    if norm and mean_norm:
        cosine = _product(ours, theirs, "own and mean") / (sqrt(norm) * sqrt(mean_norm))
        block["cosine"] = min(max(cosine, -1.0), 1.0)  # rounding may take it past
    return block


def _arrays(weights: Weights, name: str) -> dict[str, npt.NDArray[np.float64]]:
    arrays = {key: np.asarray(value, dtype=np.float64) for key, value in weights.items()}
    if not arrays:
        raise ValueError(f"{name} has no arrays.")
    return arrays


def _product(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        total = sum(float(np.vdot(one[key], other[key])) for key in sorted(one))
    if not np.isfinite(total):
        raise ValueError(f"{name} has NaN or infinities, or is too long for float64.")
    return total
