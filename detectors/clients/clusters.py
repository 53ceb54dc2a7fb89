"""Which clients moved alike, and when: clusters in time, their number unknown.

Every client is in one of G states in each round. A state is a vector of rates (of errors among each
predicted class, say), shared by all who are in it; from one round to the next a client moves to
another state with a small probability, which is learnt. That is a hidden Markov model with one
chain a client. So evidence adds up over the rounds of a client and over the clients of a state:
moves that no single round could show are found, and one strange round makes no cluster. G grows
while the Bayesian information criterion says so.

Baum et al. (1970), Ann. Math. Statist. 41, 164-171; Schwarz (1978), Ann. Statist. 6, 461-464.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, finite
from detectors.clients.rates import effective_counts
from detectors.errors import (
    BadParameterError,
    EmptySampleError,
    NegativeCountError,
    OutOfRangeError,
    ShapeError,
)

_ITERATIONS = 30
_SEEDS = 3  # the clients worst explained, each tried as the start of a further state
_RECENT = 3  # rounds
# What is taken to be known before: one move in ten client-rounds.
_PRIOR_MOVES, _PRIOR_ROUNDS = 1.0, 10.0


@dataclass(frozen=True, eq=False)
class ClientClusters:
    """G states, and who was in which when.

    `memberships` (T, K, G) are probabilities given all T rounds; those of the last round use what
    was known then. `rates` (G, C) are the states' rates, in the order of the first class, then the
    next; `move_rate` is the probability that a client moves from one round to the next.
    """

    memberships: FloatArray
    rates: FloatArray
    move_rate: float

    @property
    def labels(self) -> NDArray[np.intp]:
        """The likeliest state of each client in each round: (T, K)."""
        return np.asarray(self.memberships.argmax(axis=-1))

    @property
    def clusters(self) -> int:
        """How many states there are."""
        return len(self.rates)


def cluster_clients(
    hits: ArrayLike, n: ArrayLike, *, noise_sd: ArrayLike = 0.0, most: int = 6
) -> ClientClusters:
    """Cluster K clients over T rounds by C rates each, into `most` states at most.

    `hits` and `n` have the shape (T, K, C): how often each thing happened (errors), among how many
    examples; zeros where a client was absent. A single round may come as (K, C). `noise_sd`
    (a number, or broadcasting to that shape) is the declared noise of a count; only then may
    counts be negative, and noised counts weigh as much as they tell. Absent clients keep the
    probabilities that moving alone gives them.

    Raises ShapeError, NotFiniteError, NegativeCountError, OutOfRangeError (more hits than
    examples), EmptySampleError (nobody has examples), BadParameterError.

    >>> cluster_clients([[3], [4], [41], [38]], [[100], [100], [100], [100]]).labels.tolist()
    [[0, 0, 1, 1]]
    """
    evidence = _Evidence.of(hits, n, noise_sd)
    if most < 1:
        raise BadParameterError("most", most, "one or more")
    best = fit = _fit(evidence, evidence.pooled_rates(), _PRIOR_MOVES / _PRIOR_ROUNDS)
    while fit.states < most:
        fit = max(
            (_fit(evidence, rates, fit.move_rate) for rates in _seeds(evidence, fit)),
            key=lambda each: each.log_likelihood,
        )
        if fit.score(evidence) <= best.score(evidence):
            break
        best = fit
    order = np.lexsort(best.rates.T[::-1])
    return ClientClusters(best.memberships[..., order], best.rates[order], best.move_rate)


@dataclass(frozen=True, eq=False)
class _Evidence:
    """Hits and misses that count, (T, K, C)."""

    hits: FloatArray
    misses: FloatArray

    @classmethod
    def of(cls, hits: ArrayLike, n: ArrayLike, noise_sd: ArrayLike) -> "_Evidence":
        happened, size, sd = _checked(hits, n, noise_sd)
        if not (size > 0).any():
            raise EmptySampleError("n")
        happened, size = effective_counts(happened, size, sd)
        return cls(happened, size - happened)

    def pooled_rates(self) -> FloatArray:
        """The rates (1, C) of everybody in every round."""
        return _rates(self.hits.sum(axis=(0, 1)), self.misses.sum(axis=(0, 1)))[np.newaxis]

    def log_likelihoods(self, rates: FloatArray) -> FloatArray:
        """Of each client and round in each state: (T, K, G)."""
        return self.hits @ np.log(rates).T + self.misses @ np.log1p(-rates).T


@dataclass(frozen=True, eq=False)
class _Fit:
    memberships: FloatArray
    rates: FloatArray
    move_rate: float
    log_likelihood: float

    @property
    def states(self) -> int:
        return len(self.rates)

    def score(self, evidence: _Evidence) -> float:
        """Schwarz's criterion: each rate costs half the log of the examples that tell of it."""
        examples = (evidence.hits + evidence.misses).sum(axis=(0, 1))
        return self.log_likelihood - self.states * float(np.log(np.maximum(examples, 1)).sum()) / 2


def _fit(evidence: _Evidence, rates: FloatArray, move_rate: float) -> _Fit:
    """Climb to the likeliest rates and move rate, from those given."""
    for _ in range(_ITERATIONS):
        memberships, moves, _ = _forward_backward(evidence.log_likelihoods(rates), move_rate)
        hits, misses = (
            np.einsum("tkg,tkc->gc", memberships, each) for each in (evidence.hits, evidence.misses)
        )
        rates = _rates(hits, misses)
        steps = memberships[1:, :, 0].size
        move_rate = (moves + _PRIOR_MOVES) / (steps + _PRIOR_ROUNDS)
    memberships, _, log_likelihood = _forward_backward(evidence.log_likelihoods(rates), move_rate)
    return _Fit(memberships, rates, move_rate, log_likelihood)


def _seeds(evidence: _Evidence, fit: _Fit) -> list[FloatArray]:
    """Return starts with one state more: where the clients are whom no state explains well."""
    hits, misses = (each[-_RECENT:].sum(axis=0) for each in (evidence.hits, evidence.misses))
    own = _rates(hits, misses)
    recent = _Evidence(hits[np.newaxis], misses[np.newaxis])
    explained = recent.log_likelihoods(fit.rates)[0].max(axis=-1)
    possible = (hits * np.log(own) + misses * np.log1p(-own)).sum(axis=-1)
    worst = np.argsort(explained - possible, kind="stable")[:_SEEDS]
    return [np.concatenate((fit.rates, own[[client]])) for client in worst]


def _forward_backward(
    log_likelihoods: FloatArray, move_rate: float
) -> tuple[FloatArray, float, float]:
    """Return memberships (T, K, G), the expected number of moves, and the log likelihood."""
    rounds, clients, states = log_likelihoods.shape
    top = log_likelihoods.max(axis=-1, keepdims=True)
    emission = np.exp(log_likelihoods - top)
    transition = _transition(states, move_rate)
    forward, scale = np.empty_like(emission), np.empty((rounds, clients, 1))
    predicted = np.full((clients, states), 1 / states)
    for t in range(rounds):
        joint = predicted * emission[t]
        scale[t] = joint.sum(axis=-1, keepdims=True)
        forward[t] = joint / scale[t]
        predicted = forward[t] @ transition
    memberships, stays = forward.copy(), 0.0
    backward = np.ones((clients, states))
    for t in range(rounds - 2, -1, -1):
        ahead = backward * emission[t + 1] / scale[t + 1]
        stays += float((forward[t] * ahead * np.diag(transition)).sum())
        backward = ahead @ transition.T
        memberships[t] = forward[t] * backward
    moves = max((rounds - 1) * clients - stays, 0.0)
    return memberships, moves, float((np.log(scale) + top).sum())


def _transition(states: int, move_rate: float) -> FloatArray:
    if states == 1:
        return np.ones((1, 1))
    matrix = np.full((states, states), move_rate / (states - 1))
    np.fill_diagonal(matrix, 1 - move_rate)
    return matrix


def _rates(hits: FloatArray, misses: FloatArray) -> FloatArray:
    """Rates with half a hit and half a miss more, so that none is 0 or 1."""
    return np.asarray((hits + 0.5) / (hits + misses + 1), dtype=np.float64)


def _checked(
    hits: ArrayLike, n: ArrayLike, noise_sd: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    happened, size, sd = finite(hits, "hits"), finite(n, "n"), finite(noise_sd, "noise_sd")
    if happened.ndim == 2:  # noqa: PLR2004 - clients by rates, of one round
        happened, size = happened[np.newaxis], size[np.newaxis]
    if happened.ndim != 3 or happened.size == 0:  # noqa: PLR2004 - rounds by clients by rates
        raise ShapeError("hits", happened.shape, "(rounds, clients, rates), none of them 0")
    if size.shape != happened.shape:
        raise ShapeError("n", size.shape, f"{happened.shape}, as hits")
    if (sd < 0).any():
        raise BadParameterError("noise_sd", noise_sd, "zero or more")
    try:
        sd = np.broadcast_to(sd, size.shape)
    except ValueError as error:
        raise ShapeError("noise_sd", sd.shape, f"what broadcasts to {size.shape}") from error
    for array, name in ((happened, "hits"), (size, "n")):
        below = (array < 0) & (sd == 0)
        if below.any():
            raise NegativeCountError(name, int(np.argmax(below)))
    beyond = (happened > size) & (sd == 0)
    if beyond.any():
        position = int(np.argmax(beyond))
        raise OutOfRangeError("hits", position, float(size.flat[position]))
    return happened, size, sd
