"""The SHA-256 of a model: what tells one set of weights from another without showing any."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def weights_sha256(weights: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hex, of named weights: the same for equal values in any order.

    Each array counts with its name, type, shape and bytes (little-endian, C order); torch tensors
    on the CPU are read as arrays. So the same model has the same digest in every framework.
    ``ValueError`` for what is no array of numbers.

    >>> weights_sha256({"coef": [0.0, 1.0]})[:16]
    'bfacf54df4fc6ae9'
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = np.asarray(weights[name])
        if array.dtype.kind not in "biufc":
            raise ValueError(f"The weights {name!r} are {array.dtype}; expected numbers.")
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(repr((name, plain.dtype.str, array.shape)).encode())
        digest.update(plain.tobytes())
    return digest.hexdigest()
