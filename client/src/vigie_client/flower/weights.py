# mypy: disable-error-code="import-not-found,misc"
# Flower is in an environment of its own, where types are not checked.
"""The SHA-256 of a model that is an ``ArrayRecord``."""

import hashlib

from flwr.app import ArrayRecord


def weights_sha256(arrays: ArrayRecord) -> str:
    """Return the SHA-256, in hex, of named arrays: the same for equal ones in any order.

    Each array counts with its name, type, shape and its bytes as Flower serialises them.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(repr((name, array.dtype, tuple(array.shape), array.stype)).encode())
        digest.update(array.data)
    return digest.hexdigest()
