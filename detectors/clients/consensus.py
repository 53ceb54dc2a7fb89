"""Consensus distance: how far apart peers' models are, from norms and cosines, never from weights.

Where no server averages, peers drift apart between their exchanges, and training is as fast as with
a server only while they stay closer than a critical distance (Kong, Lin, Koloskova, Jaggi and Stich
2021, "Consensus control for decentralized deep learning", ICML, PMLR 139, 5686-5696). With x_i the
model (or the update) of peer i and m the mean of all K, that distance is

    sqrt(sum_i ||x_i - m||^2 / K),

and the law of cosines gives each term from what a peer may tell:
||x_i - m||^2 = (||x_i|| - ||m||)^2 + 2 ||x_i|| ||m|| (1 - cos(x_i, m)).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, sample, weights
from detectors.errors import BadParameterError, ShapeError, TooFewError

LEAST_PEERS = 2
# How far beyond 1 a cosine that was worked out in float32 may be; the wire format allows as much.
SLACK = 1e-3


@dataclass(frozen=True, eq=False)
class ConsensusDistance:
    """How far K peers are from agreeing, in the unit of the norms.

    `per_peer` (K) are the distances of the peers from the mean, and `distance` is their root mean
    square. `relative` is `distance` over the root mean square of the norms (of the means, if that
    is larger), 0 where all are zero: 0 is full agreement, and K unrelated updates come to
    sqrt(1 - 1/K). `resolution` is the distance that rounding alone can make of full agreement, as
    1 - cos is lost below 2^-52.
    """

    distance: float
    relative: float
    per_peer: FloatArray
    resolution: float


def consensus_distance(
    norms: ArrayLike, cosines: ArrayLike, peer_weights: ArrayLike | None = None
) -> ConsensusDistance:
    """Return the consensus distance of K >= 2 peers, each of which knows the mean of all.

    `norms` (K) are the lengths of the peers' models or updates, `cosines` (K) those between each
    and the mean over all, which is weighted by `peer_weights` (K; equal ones if None), as is the
    result. The mean's own length is not needed: it is the mean of norm times cosine.

    >>> apart = consensus_distance([3.0, 4.0], [0.6, 0.8])  # at right angles: the mean is (1.5, 2)
    >>> apart.distance, apart.per_peer.tolist()
    (2.5, [2.5, 2.5])

    Raises EmptySampleError, ShapeError, NotFiniteError, OutOfRangeError, BadWeightError,
    BadParameterError (a negative norm, a cosine beyond 1, cosines that no mean can have) and
    TooFewError for one peer.
    """
    lengths, directions, shares = _checked(norms, cosines, peer_weights)
    mean = float(shares @ (lengths * directions))
    if mean < -SLACK * float(shares @ lengths):
        raise BadParameterError(
            "cosines", mean, "cosines to the mean, so norm * cosine >= 0 in all"
        )
    return _distance(lengths, np.full_like(lengths, max(mean, 0.0)), directions, shares)


def neighbourhood_distance(
    norms: ArrayLike,
    mean_norms: ArrayLike,
    cosines: ArrayLike,
    peer_weights: ArrayLike | None = None,
) -> ConsensusDistance:
    """Return how far K >= 1 peers are from the means of their own neighbourhoods.

    What peers of a ring or a random graph can tell, as none knows the mean of all: `mean_norms` (K)
    are the lengths of what each made of its own model and its neighbours' by its row of the mixing
    matrix, and `cosines` (K) those between a peer's model and that. For a symmetric doubly
    stochastic matrix whose second largest eigenvalue in absolute value is r, the consensus
    distance lies between `distance` / (1 + r) and `distance` / (1 - r).

    Raises as `consensus_distance` does, but for TooFewError.
    """
    lengths, directions, shares = _checked(norms, cosines, peer_weights, least=1)
    means = _lengths(mean_norms, "mean_norms", lengths.size)
    return _distance(lengths, means, directions, shares)


def _checked(
    norms: ArrayLike,
    cosines: ArrayLike,
    peer_weights: ArrayLike | None,
    least: int = LEAST_PEERS,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Norms, cosines within [-1, 1] and weights that add to 1."""
    lengths = _lengths(norms, "norms")
    if lengths.size < least:
        raise TooFewError("norms", lengths.size, least)
    directions = _of_size(sample(cosines, "cosines"), "cosines", lengths.size)
    beyond = np.abs(directions) > 1 + SLACK
    if beyond.any():
        raise BadParameterError("cosines", float(directions[beyond][0]), "cosines from -1 to 1")
    shares = weights(peer_weights, lengths.size, "peer_weights")
    return lengths, np.clip(directions, -1.0, 1.0), shares / shares.sum()


def _lengths(values: ArrayLike, name: str, size: int | None = None) -> FloatArray:
    lengths = sample(values, name)
    if (lengths < 0).any():
        raise BadParameterError(name, float(lengths.min()), "lengths of zero or more")
    return lengths if size is None else _of_size(lengths, name, size)


def _of_size(values: FloatArray, name: str, size: int) -> FloatArray:
    if values.size != size:
        raise ShapeError(name, values.shape, f"({size},), one value a peer")
    return values


def _distance(
    lengths: FloatArray, means: FloatArray, cosines: FloatArray, shares: FloatArray
) -> ConsensusDistance:
    scale = max(float(lengths.max()), float(means.max()))
    if scale == 0:
        return ConsensusDistance(0.0, 0.0, np.zeros_like(lengths), 0.0)
    x, m = lengths / scale, means / scale  # so that no square overflows or vanishes
    squares = np.square(x - m) + 2 * x * m * (1 - cosines)
    distance = float(np.sqrt(shares @ squares))
    size = float(np.sqrt(max(shares @ np.square(x), shares @ np.square(m))))
    resolution = float(np.sqrt(shares @ (2 * x * m) * np.finfo(np.float64).eps))
    return ConsensusDistance(
        distance=scale * distance,
        relative=distance / size if size else 0.0,
        per_peer=scale * np.sqrt(squares),
        resolution=scale * resolution,
    )
