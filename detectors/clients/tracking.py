"""Round by round, client by client: whether the concept moved here, and since when.

One round against the one before wastes what is known. Here the newest one, two or three rounds of a
client are tested against all it has shown since its last change, and against all that clients of
the same state have shown (`clusters`), as far as the client's own past says that it is one of them.
The rounds of a change that was found are no longer evidence of the state before it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, finite, fraction
from detectors.clients.clusters import ClientClusters, cluster_clients
from detectors.clients.concept import Errors, Given, error_p_values, errors_of, sidak
from detectors.clients.rates import effective_counts, log_evidence
from detectors.errors import BadParameterError, ShapeError, TooFewError

# How the error budget of a round is divided over changes one, two and three rounds old.
LAG_BUDGET = (0.6, 0.25, 0.15)
LEAST_ROUNDS = 2


@dataclass(frozen=True, eq=False)
class RoundJudgement:
    """The newest round of K clients.

    `p_values` (K) are corrected for the three ages that a change may have; `alarms` are those at
    most alpha. `onsets` (K) is the round since when each client is taken to be as it is: what to
    hand in with the next round. `clusters` are the states that its clients are in.
    """

    p_values: FloatArray
    alarms: NDArray[np.bool_]
    onsets: NDArray[np.intp]
    clusters: ClientClusters


@dataclass(frozen=True, eq=False)
class ConceptTrack:
    """T rounds of K clients, (T, K) each, every entry from the rounds up to its own alone.

    As in `RoundJudgement`; `labels` are the states as each round saw them, whose numbers mean
    nothing from one round to the next, and `clusters` those seen from the last round.
    """

    p_values: FloatArray
    alarms: NDArray[np.bool_]
    onsets: NDArray[np.intp]
    labels: NDArray[np.intp]
    clusters: ClientClusters


def judge_round(
    confusions: ArrayLike,
    onsets: ArrayLike,
    *,
    given: Given = Given.PREDICTION,
    noise_sd: float = 0.0,
    alpha: float = 0.001,
) -> RoundJudgement:
    """Judge the newest of T rounds of K clients' confusion matrices of one frozen model.

    `confusions` has the shape (T, K, C, C), [round, client, label, prediction], T >= 2; zeros
    where a client was absent. `onsets` (K) are those of the judgement before, 0 at first, counted
    from the first round given. `alpha` is the chance of a false alarm for each client in each
    round. `noise_sd` is the declared noise of every count. What clients of a state share is
    borrowed by Bayesian model averaging: the reference is the client's own past, or that and the
    state's, each with the probability that its evidence gives, and the p-value is averaged. Where
    clients differ by nature, by less than their data can tell, false alarms are up to 2.5 times as
    frequent as asked for (measured at 1%, error rates of 10% that differ by 1 to 4 points).

    Raises ShapeError, NotFiniteError, NegativeCountError, BadParameterError, EmptySampleError,
    TooFewError.
    """
    fraction(alpha, "alpha")
    errors = _errors_by_round(confusions, given, noise_sd)
    rounds, clients, _ = errors.n.shape
    if rounds < LEAST_ROUNDS:
        raise TooFewError("rounds", rounds, LEAST_ROUNDS)
    start = np.asarray(onsets)
    if start.shape != (clients,) or not np.issubdtype(start.dtype, np.integer):
        raise ShapeError("onsets", start.shape, f"({clients},) whole numbers, one a client")
    newest = rounds - 1
    if ((start < 0) | (start >= newest)).any():
        raise BadParameterError("onsets", onsets, f"rounds from 0 to {newest - 1}")
    p_values, onset = _judge(errors, newest, start, _cluster(errors, newest - 1).labels)
    alarms = p_values <= alpha
    onset = np.where(alarms, onset, start)
    return RoundJudgement(p_values, alarms, onset, _cluster(errors, newest))


def track_concepts(
    confusions: ArrayLike,
    *,
    given: Given = Given.PREDICTION,
    noise_sd: float = 0.0,
    alpha: float = 0.001,
) -> ConceptTrack:
    """Judge round after round as `judge_round` does, T >= 1 of them; the first alarms nobody.

    Raises what `judge_round` raises, but for TooFewError.
    """
    fraction(alpha, "alpha")
    errors = _errors_by_round(confusions, given, noise_sd)
    rounds, clients, _ = errors.n.shape
    p_values = np.ones((rounds, clients))
    onsets = np.zeros((rounds, clients), dtype=np.intp)
    labels = np.zeros((rounds, clients), dtype=np.intp)
    states = _cluster(errors, 0)
    labels[0] = states.labels[-1]
    for t in range(1, rounds):
        p_values[t], onset = _judge(errors, t, onsets[t - 1], states.labels)
        onsets[t] = np.where(p_values[t] <= alpha, onset, onsets[t - 1])
        states = _cluster(errors, t)
        labels[t] = states.labels[-1]
    return ConceptTrack(p_values, p_values <= alpha, onsets, labels, states)


def _judge(
    errors: Errors, t: int, start: NDArray[np.intp], labels: NDArray[np.intp]
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return each client's p-value in round t, and the likeliest first round of a change."""
    rounds = np.arange(len(errors.n))[:, np.newaxis]
    p_values, likelihoods = [], []
    for lag, budget in enumerate(LAG_BUDGET, start=1):
        current = errors.total((rounds > t - lag) & (rounds <= t))
        mine = (rounds >= start) & (rounds <= t - lag)
        own = errors.total(mine)
        p_value = _averaged_p(own, _shared(errors, mine, labels, t), current)
        p_values.append(np.minimum(p_value / budget, 1.0))
        possible = mine.any(axis=0)
        likelihoods.append(np.where(possible, _evidence(own) + _evidence(current), -np.inf))
    return np.min(p_values, axis=0), t - np.argmax(likelihoods, axis=0)


def _averaged_p(own: Errors, shared: list[Errors], current: Errors) -> FloatArray:
    """Average p-values over what the reference may be, own past alone being as likely as shared."""
    p_values, odds = [_p_value(own, current)], [np.zeros(len(own.n))]
    for state in shared:
        both = own.plus(state)
        p_values.append(_p_value(both, current))
        odds.append(_evidence(both) - _evidence(own) - _evidence(state) - np.log(len(shared)))
    weights = np.exp(np.array(odds) - np.max(odds, axis=0))
    return np.asarray((weights * p_values).sum(axis=0) / weights.sum(axis=0), dtype=np.float64)


def _shared(
    errors: Errors, mine: NDArray[np.bool_], labels: NDArray[np.intp], t: int
) -> list[Errors]:
    """Return, for each state, what was seen in it before round t, less what a client showed."""
    states = []
    for state in np.unique(labels):
        inside = np.zeros_like(mine)
        inside[:t] = labels[:t] == state
        everyone = errors.total(inside).summed()
        states.append(everyone.minus(errors.total(inside & mine)))
    return states


def _p_value(reference: Errors, current: Errors) -> FloatArray:
    return sidak(error_p_values(reference, current))


def _evidence(errors: Errors) -> FloatArray:
    hits, n = effective_counts(errors.wrong, errors.n, errors.noise_sd)
    return np.asarray(log_evidence(hits, n).sum(axis=-1), dtype=np.float64)


def _cluster(errors: Errors, t: int) -> ClientClusters:
    return cluster_clients(
        errors.wrong[: t + 1], errors.n[: t + 1], noise_sd=errors.noise_sd[: t + 1]
    )


def _errors_by_round(confusions: ArrayLike, given: Given, noise_sd: float) -> Errors:
    counts = finite(confusions, "confusions")
    if counts.ndim != 4 or counts.size == 0:  # noqa: PLR2004 - rounds, clients, labels, predictions
        raise ShapeError("confusions", counts.shape, "(rounds, clients, classes, classes)")
    rounds, clients, classes, _ = counts.shape
    flat = errors_of(counts.reshape(-1, *counts.shape[2:]), given, noise_sd, "confusions")
    shape = (rounds, clients, classes)
    return Errors(flat.wrong.reshape(shape), flat.n.reshape(shape), flat.noise_sd.reshape(shape))
