"""One error budget at every height at once: federation, cohort, client.

A finding about a client is read three times: by who runs that client, as "something in this
cohort", and as "something in the federation". Each reader counts false discoveries in units of
their own, and controlling the rate among clients does not control it among cohorts. The p-filter
does, for any number of ways to group the same tests, nested or crossing (region and device).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, fraction
from detectors.errors import BadParameterError, ShapeError
from detectors.multiplicity.within_round import probabilities


@dataclass(frozen=True, eq=False)
class HierarchicalResult:
    """What is rejected: tests, in the order given, and the labels of groups by layer."""

    rejected: NDArray[np.bool_]
    groups: Mapping[str, tuple[object, ...]]


@dataclass(frozen=True, eq=False)
class _Layer:
    """One way to group n tests: which group each is in, and a p-value for each group."""

    level: float
    membership: NDArray[np.intp]
    p_values: FloatArray
    labels: NDArray[np.generic]

    def threshold(self, eligible: NDArray[np.bool_]) -> float:
        """Return the greatest T with T * G / (eligible groups with p-values up to T) <= level."""
        groups = self.p_values.size
        possible = np.sort(self.p_values[np.unique(self.membership[eligible])])
        ranks = np.arange(1, possible.size + 1)
        enough = ranks[possible <= self.level * ranks / groups]
        return self.level * float(enough[-1]) / groups if enough.size else 0.0

    def within(self, threshold: float) -> NDArray[np.bool_]:
        """Return which tests lie in a group whose p-value is within the threshold."""
        return (self.p_values <= threshold)[self.membership] & (threshold > 0)


def hierarchical(
    p_values: ArrayLike,
    layers: Mapping[str, ArrayLike],
    level: float | Mapping[str, float],
) -> HierarchicalResult:
    """Reject tests so that the false discovery rate holds in every layer at once.

    `layers` gives, for each layer, a label a test: those with the same label are one group of it
    (its client, its cohort, its federation; a layer of labels all different is the tests
    themselves). A group counts as rejected if a test in it is, and wrongly if all its tests are
    true nulls. `level` is one number, or one a layer.

    A group's p-value is Simes': min over k of p_(k) n / k. With thresholds t_m a test is rejected
    if in every layer m its group's p-value is within t_m; the greatest thresholds are taken for
    which G_m t_m / max(1, groups of m with a rejected test) <= level_m in all layers. The FDR of
    layer m is then at most level_m times its share of true nulls, for p-values that are
    independent or positively dependent (PRDS). Raises ShapeError for labels that are not one a
    test, BadParameterError for a p-value or level outside its range or without layers.

    >>> answer = hierarchical(
    ...     [1e-4, 0.6, 0.7, 0.8],
    ...     {"cohort": ["north", "north", "south", "south"], "client": [1, 2, 3, 4]},
    ...     level=0.05,
    ... )
    >>> answer.groups["cohort"], answer.groups["client"]
    (('north',), (1,))

    Barber & Ramdas (2017), J. R. Stat. Soc. B 79, 1247-1268, algorithm 1; Simes (1986).
    """
    array = probabilities(p_values, "p_values")
    if not layers:
        raise BadParameterError("layers", layers, "at least one layer")
    built = {
        name: _layer(array, name, labels, _level_of(level, name)) for name, labels in layers.items()
    }
    rejected = _filtered(list(built.values()), array.size)
    return HierarchicalResult(
        rejected,
        {
            name: tuple(layer.labels[np.unique(layer.membership[rejected])].tolist())
            for name, layer in built.items()
        },
    )


def simes(p_values: ArrayLike) -> float:
    """Return one p-value for "all of these are true nulls": min over k of p_(k) n / k.

    Valid for independent or positively dependent tests. Simes (1986), Biometrika 73, 751-754.
    """
    array = np.sort(probabilities(p_values, "p_values"))
    if array.size == 0:
        return 1.0
    return float(np.min(array * array.size / np.arange(1, array.size + 1)))


def _filtered(layers: list[_Layer], tests: int) -> NDArray[np.bool_]:
    """Lower the thresholds in turn until none need be lowered; the fixed point is the greatest."""
    within = np.ones((len(layers), tests), dtype=np.bool_)
    while True:
        before = within.copy()
        for position, layer in enumerate(layers):
            others = np.asarray(np.delete(within, position, axis=0).all(axis=0))
            within[position] &= layer.within(layer.threshold(others))
        if (before == within).all():
            return np.asarray(within.all(axis=0))


def _layer(p_values: FloatArray, name: str, labels: ArrayLike, level: float) -> _Layer:
    array = np.asarray(labels)
    if array.shape != p_values.shape:
        raise ShapeError(f"layers[{name!r}]", array.shape, f"{p_values.shape}, one label a test")
    distinct, membership = np.unique(array, return_inverse=True)
    return _Layer(level, membership, _group_simes(p_values, membership, distinct.size), distinct)


def _group_simes(p_values: FloatArray, membership: NDArray[np.intp], groups: int) -> FloatArray:
    """Return Simes' p-value of every group, all at once."""
    order = np.lexsort((p_values, membership))
    sizes = np.bincount(membership, minlength=groups)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1])) if groups else sizes
    ranks = np.arange(p_values.size) - np.repeat(starts, sizes) + 1
    least = np.ones(groups)
    np.minimum.at(least, membership[order], p_values[order] * sizes[membership[order]] / ranks)
    return least


def _level_of(level: float | Mapping[str, float], name: str) -> float:
    if isinstance(level, Mapping):
        if name not in level:
            raise BadParameterError("level", level, f"a level for the layer {name!r}")
        return fraction(level[name], f"level[{name!r}]")
    return fraction(level, "level")
