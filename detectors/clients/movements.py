"""Which clients moved alike, however different they were before: clusters of movements.

Every client has an effect with its standard error (a change of error rates, a shift of a feature in
its unit), measured against its own reference. It belongs to the clients that did not move, whose
true effect is 0, or to one of G groups that share a true effect: a mixture of Gaussians whose
spreads are known, client by client. G grows while the Bayesian information criterion says so, so a
group has to be further off than sampling explains.

Dempster, Laird & Rubin (1977), J. R. Stat. Soc. B 39, 1-38; Fraley & Raftery (1998), Computer
Journal 41, 578-588.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, matrix
from detectors.errors import BadParameterError, ShapeError

UNMOVED = 0
_ITERATIONS, _LEAST_GAIN = 50, 1e-6  # of the log likelihood, to go on climbing
# In the criterion, which takes few clients for certain: so that, from one client on, at most 2% of
# federations in which nobody moved show a group (measured for 1 to 400 clients, 1 to 4 components).
_FURTHER_CLIENTS = 5
_SEEDS = 3  # the clients worst explained, each tried as the start of a further group


@dataclass(frozen=True, eq=False)
class MovementClusters:
    """G groups that moved, and the clients that did not.

    `movements` (G + 1, D) are the groups' effects, those of `UNMOVED`, at 0, in front, and the
    others in the order of their first component, then the next. `memberships` (K, G + 1) are
    probabilities.
    """

    movements: FloatArray
    memberships: FloatArray

    @property
    def labels(self) -> NDArray[np.intp]:
        """The likeliest group of each client (K); `UNMOVED` is 0."""
        return np.asarray(self.memberships.argmax(axis=-1))

    @property
    def clusters(self) -> int:
        """How many groups moved."""
        return len(self.movements) - 1


def cluster_movements(
    effects: ArrayLike, standard_errors: ArrayLike, *, most: int = 6
) -> MovementClusters:
    """Group K clients by effects (K, D) with independent errors (K, D), into `most` at most.

    A vector counts as K effects of one component. Effects have to be standardised neither before
    nor alike: units may differ by component, errors by client. Declared noise belongs in the
    errors. Raises EmptySampleError, ShapeError, NotFiniteError, OutOfRangeError,
    BadParameterError (an error of zero or less).

    >>> cluster_movements([0.1, -0.2, 5.1, 4.9, 5.0], [0.3, 0.3, 0.3, 0.3, 0.3]).labels.tolist()
    [0, 0, 1, 1, 1]
    """
    moved, errors = matrix(effects, "effects"), matrix(standard_errors, "standard_errors")
    if errors.shape != moved.shape:
        raise ShapeError("standard_errors", errors.shape, f"{moved.shape}, as effects")
    if (errors <= 0).any():
        raise BadParameterError("standard_errors", float(errors.min()), "all above 0")
    if most < 0:
        raise BadParameterError("most", most, "zero or more")
    evidence = _Evidence(moved, errors)
    best = fit = _fit(evidence, np.zeros((1, moved.shape[1])))
    while len(fit.movements) <= most:
        starts = (np.vstack((fit.movements, moved[k])) for k in _worst(evidence, fit.movements))
        fit = max((_fit(evidence, start) for start in starts), key=lambda each: each.score)
        if fit.score <= best.score:
            break
        best = fit
    order = np.concatenate(([UNMOVED], 1 + np.lexsort(best.movements[1:].T[::-1])))
    return MovementClusters(best.movements[order], best.memberships[:, order])


@dataclass(frozen=True, eq=False)
class _Evidence:
    effects: FloatArray
    errors: FloatArray

    def log_likelihoods(self, movements: FloatArray) -> FloatArray:
        """Of each client in each group, but for a constant of the client: (K, G + 1)."""
        z = (self.effects[:, np.newaxis] - movements) / self.errors[:, np.newaxis]
        return np.asarray(-(z**2).sum(axis=-1) / 2, dtype=np.float64)

    def movements(self, memberships: FloatArray) -> FloatArray:
        """The groups' effects: means weighted by membership and precision; UNMOVED's stay 0."""
        precision = memberships.T[..., np.newaxis] / self.errors**2
        total = precision.sum(axis=1)
        means = (precision * self.effects).sum(axis=1) / np.maximum(total, np.finfo(float).tiny)
        means[UNMOVED] = 0.0
        return np.asarray(means, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Fit:
    movements: FloatArray
    memberships: FloatArray
    score: float


def _fit(evidence: _Evidence, movements: FloatArray) -> _Fit:
    """Climb to the likeliest movements and group sizes, from those given."""
    groups, clients = len(movements), len(evidence.effects)
    shares, before = np.full(groups, 1 / groups), -np.inf
    for _ in range(_ITERATIONS):
        memberships, log_likelihood = _memberships(evidence, movements, shares)
        if log_likelihood - before < _LEAST_GAIN:
            break
        before = log_likelihood
        movements = evidence.movements(memberships)
        # Half a client more in each group, so that none vanishes.
        shares = (memberships.sum(axis=0) + 0.5) / (clients + 0.5 * groups)
    memberships, log_likelihood = _memberships(evidence, movements, shares)
    # A group costs its D components and its share; that it was picked from all counts once more.
    cost = (groups - 1) * ((movements.shape[1] + 1) / 2 + 1)
    penalty = cost * float(np.log(clients + _FURTHER_CLIENTS))
    return _Fit(movements, memberships, log_likelihood - penalty)


def _memberships(
    evidence: _Evidence, movements: FloatArray, shares: FloatArray
) -> tuple[FloatArray, float]:
    joint = evidence.log_likelihoods(movements) + np.log(shares)
    top = joint.max(axis=-1, keepdims=True)
    likelihoods = np.exp(joint - top)
    total = likelihoods.sum(axis=-1, keepdims=True)
    return likelihoods / total, float((np.log(total) + top).sum())


def _worst(evidence: _Evidence, movements: FloatArray) -> NDArray[np.intp]:
    explained = evidence.log_likelihoods(movements).max(axis=-1)
    return np.argsort(explained, kind="stable")[:_SEEDS]
