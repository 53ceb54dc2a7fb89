# mypy: disable-error-code="import-not-found,misc"
# Flower is in an environment of its own, where types are not checked.
"""The SHA-256 of a model that is an ``ArrayRecord``."""

import numpy as np
import numpy.typing as npt
from flwr.app import Array, ArrayRecord
from flwr.common.constant import SType

from vigie_client import weights


def weights_sha256(arrays: ArrayRecord) -> str:
    """Return the SHA-256, in hex, of named arrays, as ``vigie_client.weights_sha256`` does.

    An array that is not serialised as numpy's counts with its bytes as they are.
    """
    return weights.weights_sha256({name: _as_numpy(array) for name, array in arrays.items()})


def _as_numpy(array: Array) -> npt.NDArray[np.generic]:
    if array.stype == SType.NUMPY:
        plain: npt.NDArray[np.generic] = array.numpy()
        return plain
    return np.frombuffer(array.data, dtype=np.uint8)
