"""A logistic model trained by federated averaging, in numpy alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.special

from detectors.arrays import FloatArray

ROUNDS, LOCAL_STEPS, LEARNING_RATE, DECAY = 60, 5, 0.5, 1e-4


@dataclass(frozen=True, eq=False)
class Logistic:
    """P(class 1) from features, shape (n, d), that are standardised by `center` and `scale`."""

    center: FloatArray
    scale: FloatArray
    weights: FloatArray  # d + 1, the last one being the intercept

    def probability(self, features: FloatArray) -> FloatArray:
        """The probability of class 1, shape (n,)."""
        inputs = _inputs(features, self.center, self.scale)
        return np.asarray(scipy.special.expit(inputs @ self.weights), dtype=np.float64)


def train(clients: Sequence[tuple[FloatArray, FloatArray]]) -> Logistic:
    """Average what clients learn from their own (features, labels), weighted by their examples.

    Federated averaging (McMahan et al. 2017, algorithm 1) with everybody in every round and
    full-batch local steps, so that nothing is random. Means and deviations come from sums that the
    clients would send.
    """
    sizes = np.array([len(labels) for _, labels in clients], dtype=np.float64)
    center, scale = _standard(clients, sizes)
    local = [(_inputs(features, center, scale), labels) for features, labels in clients]
    weights = np.zeros(len(center) + 1)
    for _ in range(ROUNDS):
        learned = np.array([_local(inputs, labels, weights) for inputs, labels in local])
        weights = np.average(learned, axis=0, weights=sizes)
    return Logistic(center, scale, weights)


def _standard(
    clients: Sequence[tuple[FloatArray, FloatArray]], sizes: FloatArray
) -> tuple[FloatArray, FloatArray]:
    total = sum(sizes)
    center = np.sum([features.sum(axis=0) for features, _ in clients], axis=0) / total
    squares = np.sum([np.square(features - center).sum(axis=0) for features, _ in clients], axis=0)
    spread = np.sqrt(squares / total)
    return center, np.where(spread > 0, spread, 1.0)


def _inputs(features: FloatArray, center: FloatArray, scale: FloatArray) -> FloatArray:
    return np.column_stack(((features - center) / scale, np.ones(len(features))))


def _local(inputs: FloatArray, labels: FloatArray, start: FloatArray) -> FloatArray:
    weights = start.copy()
    for _ in range(LOCAL_STEPS):
        wrong = scipy.special.expit(inputs @ weights) - labels
        weights -= LEARNING_RATE * (wrong @ inputs / len(labels) + DECAY * weights)
    return weights
