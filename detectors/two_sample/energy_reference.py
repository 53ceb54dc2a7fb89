"""What the kernels of the energy distance compute, in plain numpy: the readable reference.

Nothing here is fast; tests hold `detectors.kernels.energy` to it, labels bit by bit.
"""

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray

Labels = NDArray[np.bool_]


def permuted_labels(state: NDArray[np.uint32], ones: int, size: int) -> Labels:
    """Return labels (size, lanes), `ones` of which are true in every lane, all orders alike.

    `state` is (3, lanes), the start of one sfc32 generator a lane (Doty-Humphrey 2010, PractRand).
    Place by place, a label is true with the chance of ones left / labels left.

    >>> permuted_labels(np.ones((3, 2), np.uint32), ones=2, size=5).sum(axis=0)
    array([2, 2])
    """
    a, b, c = state.copy()
    left = np.full(a.size, ones)
    labels = np.empty((size, a.size), np.bool_)
    for place in range(size):
        drawn = a + b + np.uint32(place + 1)
        rotated = (c << np.uint32(21)) | (c >> np.uint32(11))
        a, b, c = b ^ (b >> np.uint32(9)), c + (c << np.uint32(3)), rotated + drawn
        labels[place] = (drawn.astype(np.int64) * (size - place)) >> 32 < left
        left -= labels[place]
    return labels


def energies_of_sorted(values: FloatArray, labels: Labels) -> FloatArray:
    """Return 2 * integral (F - G)^2 for each column of labels (n + m, b) of sorted values.

    That is dcor's convention, the square of scipy's.
    """
    shares = np.cumsum(labels, axis=0) / labels.sum(axis=0)
    others = np.cumsum(~labels, axis=0) / (~labels).sum(axis=0)
    return np.asarray(2 * np.diff(values) @ (shares - others)[:-1] ** 2, dtype=np.float64)


def energies_of_vectors(points: FloatArray, weight: FloatArray, labels: Labels) -> FloatArray:
    """Return -s' D s for each column of labels (n + m, b) of vectors (n + m, d).

    D holds Euclidean distances, and s the weights: those labelled true divided by their sum, the
    others by minus theirs. That is 2 E|X - Y| - E|X - X'| - E|Y - Y'|, dcor's convention.
    """
    distances = np.linalg.norm(points[:, np.newaxis] - points, axis=-1)
    mass = weight[:, np.newaxis] * labels
    other = weight[:, np.newaxis] * ~labels
    signed = mass / mass.sum(axis=0) - other / other.sum(axis=0)
    return np.asarray(-np.sum(signed * (distances @ signed), axis=0), dtype=np.float64)
