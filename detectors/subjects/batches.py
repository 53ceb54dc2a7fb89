"""Two batches of vectors, cut into blocks within which their labels may be exchanged.

A block is a client: its reference vectors against its current ones, so that what differs between
clients for good cannot pass for drift, and clients on one side only (participation, no movement)
stay out. Without clients a block is a fold of the vectors. Everything that is learnt from vectors
here ignores labels, and labels are permuted within blocks: tests built on it are exact wherever a
client's own rounds are exchangeable and clients independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, matrix
from detectors.errors import BadParameterError, ShapeError, TooFewError

LEAST_CLIENTS = 4
FOLDS = 5
LEAST_PERMUTATIONS = 19
TIE = 1e-12


@dataclass(frozen=True, eq=False)
class Batches:
    """Rows sorted by block: `vectors` (n, d), `current` says which are, `blocks` from 0 to K - 1.

    `by_client` tells whether blocks are clients; their vectors are centred on the client's mean.
    """

    vectors: FloatArray
    current: NDArray[np.bool_]
    blocks: NDArray[np.int64]
    by_client: bool

    @property
    def slices(self) -> list[slice]:
        """The rows of each block."""
        bounds = np.searchsorted(self.blocks, np.arange(self.blocks[-1] + 2))
        return [slice(low, high) for low, high in pairwise(bounds)]

    @property
    def sizes(self) -> tuple[FloatArray, FloatArray]:
        """How many reference and how many current vectors each block has."""
        counts = np.bincount(self.blocks).astype(np.float64)
        present = np.bincount(self.blocks, weights=self.current).astype(np.float64)
        return counts - present, present

    def permuted(self, permutations: int, seed: int) -> NDArray[np.bool_]:
        """Return labels as columns, (n, 1 + permutations): the observed ones first."""
        if permutations < LEAST_PERMUTATIONS:
            raise BadParameterError("permutations", permutations, f"{LEAST_PERMUTATIONS} or more")
        keys = np.random.default_rng(seed).random((self.current.size, permutations))
        order = np.argsort(keys + self.blocks[:, np.newaxis], axis=0)
        return np.column_stack((self.current, self.current[order]))

    def ranks(self, values: FloatArray) -> FloatArray:
        """Return the rank of each row within its block, column by column; ties share theirs."""
        parts = [scipy.stats.rankdata(values[rows], axis=0) for rows in self.slices]
        return np.asarray(np.concatenate(parts), dtype=np.float64)

    def auc(self, ranks: FloatArray, current: NDArray[np.bool_]) -> FloatArray:
        """Return the mean over blocks of Mann and Whitney's U / (k m), a column of labels each.

        `ranks` has a column for each of `current`, or one for all.
        """
        before, after = self.sizes
        weight = (1 / (before * after * before.size))[self.blocks]
        least = float(np.mean((after + 1) / (2 * before)))
        return np.asarray((ranks * current * weight[:, np.newaxis]).sum(axis=0) - least)

    def auc_of_columns(self, ranks: FloatArray, current: NDArray[np.bool_]) -> FloatArray:
        """Return `auc` of each column of ranks (d) under each column of labels (b), as (d, b)."""
        before, after = self.sizes
        weight = (1 / (before * after * before.size))[self.blocks]
        least = float(np.mean((after + 1) / (2 * before)))
        return np.asarray((ranks * weight[:, np.newaxis]).T @ current - least)


def arrange(
    reference: ArrayLike,
    current: ArrayLike,
    reference_clients: Sequence[str] | None,
    current_clients: Sequence[str] | None,
    seed: int,
) -> Batches:
    """Check both batches and put them in blocks; see the errors of those who call it."""
    before, after = matrix(reference, "reference"), matrix(current, "current")
    if before.shape[1] != after.shape[1]:
        raise ShapeError("current", after.shape, f"{before.shape[1]} components, as reference has")
    labels = np.repeat((False, True), (len(before), len(after)))
    vectors = np.concatenate((before, after))
    if reference_clients is None and current_clients is None:
        return _by_fold(vectors, labels, seed)
    names = (
        *_clients(reference_clients, len(before), "reference_clients"),
        *_clients(current_clients, len(after), "current_clients"),
    )
    return _by_client(vectors, labels, np.array(names, dtype=np.str_))


def p_value(null: FloatArray, observed: float) -> float:
    """(1 + #{permuted >= observed}) / (1 + permutations), ties counted up to rounding."""
    scale = max(1.0, abs(observed))
    return float((1 + np.sum(null >= observed - TIE * scale)) / (1 + null.size))


def adjusted_p_values(statistics: FloatArray) -> FloatArray:
    """Adjust over rows for the many: the share of permutations whose largest is as large.

    `statistics` is (d, 1 + permutations), two-sided, observed first. Rows are standardised by
    their own permutations, and the family-wise error is kept whatever their dependence.

    Westfall & Young (1993), Resampling-Based Multiple Testing, algorithm 2.5 (single step).
    """
    centred = np.abs(statistics - statistics.mean(axis=1, keepdims=True))
    spread = statistics.std(axis=1, keepdims=True)
    scaled = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > TIE)
    largest = scaled[:, 1:].max(axis=0)
    return np.array([p_value(largest, float(value)) for value in scaled[:, 0]])


def names_of(names: Sequence[str] | None, dim: int) -> tuple[str, ...]:
    """Return a name a component: those given, or their positions. ShapeError for another number."""
    if names is None:
        return tuple(str(position) for position in range(dim))
    if len(names) != dim:
        raise ShapeError("names", (len(names),), f"({dim},), one name a component")
    return tuple(names)


def _by_fold(vectors: FloatArray, labels: NDArray[np.bool_], seed: int) -> Batches:
    sizes = (int(np.sum(~labels)), int(np.sum(labels)))
    for name, size in zip(("reference", "current"), sizes, strict=True):
        if size < FOLDS:
            raise TooFewError(name, size, FOLDS)
    rng = np.random.default_rng(seed)
    blocks = np.concatenate([rng.permutation(np.arange(size) % FOLDS) for size in sizes])
    order = np.argsort(blocks, kind="stable")
    return Batches(vectors[order], labels[order], blocks[order], by_client=False)


def _by_client(vectors: FloatArray, labels: NDArray[np.bool_], names: NDArray[np.str_]) -> Batches:
    both = np.intersect1d(names[~labels], names[labels])
    if both.size < LEAST_CLIENTS:
        raise TooFewError("clients with reference and current vectors", both.size, LEAST_CLIENTS)
    used = np.isin(names, both)
    blocks = np.searchsorted(both, names[used])
    order = np.argsort(blocks, kind="stable")
    blocks, vectors = blocks[order], vectors[used][order]
    sums = np.zeros((both.size, vectors.shape[1]))
    np.add.at(sums, blocks, vectors)
    means = sums / np.bincount(blocks)[:, np.newaxis]
    return Batches(vectors - means[blocks], labels[used][order], blocks, by_client=True)


def _clients(names: Sequence[str] | None, size: int, name: str) -> Sequence[str]:
    if names is None or len(names) != size:
        shape = (0,) if names is None else (len(names),)
        raise ShapeError(name, shape, f"({size},), one client a vector")
    return names
