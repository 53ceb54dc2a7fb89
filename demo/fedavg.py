"""A small FedAvg server: logistic regression, trained where the flights are.

Each round, every carrier starts from the server's weights, takes some passes of stochastic gradient
descent over its own flights, and sends weights back; the server averages them by number of
flights (McMahan et al., 2017, "Communication-Efficient Learning of Deep Networks from Decentralized
Data", algorithm 1, with all clients in every round). One thing is added: a coefficient is averaged
over the flights that have its column, not over all of them. Else a carrier's own coefficient, which
nobody else moves, would be diluted to its share of the flights in every round and never arrive.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from demo.flights import NUM_COLUMNS, Flights, FloatArray, Year, encode

ROUNDS = 20
LOCAL_EPOCHS = 2
BATCH = 256
# Decays as 1 / sqrt(round), so that the last rounds settle.
LEARNING_RATE = 0.5
SEED = 2013


@dataclass(frozen=True)
class Weights:
    """The model's coefficients on the columns of `demo.flights.encode`; shape (`NUM_COLUMNS`,)."""

    values: FloatArray

    @property
    def sha256(self) -> str:
        """SHA-256 of the coefficients as little-endian float64, in hex."""
        return hashlib.sha256(self.values.astype("<f8").tobytes()).hexdigest()

    @classmethod
    def zeros(cls) -> "Weights":
        """The model that knows nothing: probability 0.5 everywhere."""
        return cls(np.zeros(NUM_COLUMNS))


@dataclass(frozen=True)
class Outcome:
    """What a model did on n flights: `probability` of being late, and `loss` (nats), each (n,)."""

    probability: FloatArray
    loss: FloatArray


@dataclass(frozen=True)
class ClientUpdate:
    """What one carrier tells of one round, beside its weights.

    `outcome` is that of the server's weights as the round began. `norm` is the Euclidean length
    of the carrier's change, `cosine` the one between it and the averaged change (0 if either is 0).
    """

    flights: Flights
    outcome: Outcome
    norm: float
    cosine: float
    train_ms: float


@dataclass(frozen=True)
class FitRound:
    """A finished round: its number from 1, the averaged weights, what each carrier told."""

    number: int
    weights: Weights
    updates: tuple[ClientUpdate, ...]


def examine(weights: Weights, flights: Flights) -> Outcome:
    """Probabilities and log loss of the model on these flights."""
    return _outcome(weights.values, encode(flights), flights.late.astype(np.float64))


def train(
    year: Year,
    weeks: Iterable[int],
    *,
    initial: Weights | None = None,
    rounds: int = ROUNDS,
    seed: int = SEED,
) -> Iterator[FitRound]:
    """Run FedAvg on the carriers that fly in `weeks`, one `FitRound` at a time.

    Starts from `initial` when given (a warm start), else from zeros. The last round's weights are
    the model. The same arguments give the same weights, whatever the machine is doing.

    Raises:
        ValueError: if `rounds` is below 1 or nobody flies in these weeks.
    """
    clients = [_Client(flights) for flights in year.flying(weeks)]
    if rounds < 1 or not clients:
        raise ValueError(
            f"Training needs at least 1 round and 1 carrier with flights; got {rounds} rounds and "
            f"{len(clients)} carriers. Give weeks between 0 and 52."
        )
    weights = initial or Weights.zeros()
    for number in range(1, rounds + 1):
        finished = _round(clients, weights, number, seed)
        weights = finished.weights
        yield finished


class _Client:
    """A carrier's side: its flights stay here, and weights come and go."""

    def __init__(self, flights: Flights) -> None:
        self.flights = flights
        self.inputs = encode(flights)
        self.late = flights.late.astype(np.float64)
        # How many flights have each column, the same length as the weights.
        self.support = np.count_nonzero(self.inputs, axis=0).astype(np.float64)

    def change(self, start: FloatArray, step: float, rng: np.random.Generator) -> FloatArray:
        """How far the local passes over the flights move the weights."""
        weights = start.copy()
        for _ in range(LOCAL_EPOCHS):
            order = rng.permutation(len(self.late))
            for at in range(0, len(order), BATCH):
                batch = order[at : at + BATCH]
                inputs = self.inputs[batch]
                wrong = _sigmoid(inputs @ weights) - self.late[batch]
                weights -= step * (wrong @ inputs) / len(batch)
        return weights - start


def _round(clients: list[_Client], weights: Weights, number: int, seed: int) -> FitRound:
    step = LEARNING_RATE / float(np.sqrt(number))
    changes, spent = [], []
    for place, client in enumerate(clients):
        started = perf_counter()
        rng = np.random.default_rng([seed, number, place])
        changes.append(client.change(weights.values, step, rng))
        spent.append(1000 * (perf_counter() - started))
    average = _average(changes, [client.support for client in clients])
    updates = tuple(
        ClientUpdate(
            client.flights,
            _outcome(weights.values, client.inputs, client.late),
            float(np.linalg.norm(change)),
            _cosine(change, average),
            train_ms,
        )
        for client, change, train_ms in zip(clients, changes, spent, strict=True)
    )
    return FitRound(number, Weights(weights.values + average), updates)


def _average(changes: list[FloatArray], supports: list[FloatArray]) -> FloatArray:
    """Each coefficient's mean change, weighted by support; 0 where no flight has the column."""
    support = np.array(supports)
    total: FloatArray = (support * np.array(changes)).sum(axis=0)
    average: FloatArray = total / np.maximum(support.sum(axis=0), 1)
    return average


def _outcome(weights: FloatArray, inputs: FloatArray, late: FloatArray) -> Outcome:
    logit = inputs @ weights
    # log(1 + exp(z)) - y z: the log loss, finite for every z.
    return Outcome(_sigmoid(logit), np.logaddexp(0, logit) - late * logit)


def _sigmoid(logit: FloatArray) -> FloatArray:
    # By tanh, which does not overflow.
    return 0.5 + 0.5 * np.tanh(0.5 * logit)


def _cosine(one: FloatArray, other: FloatArray) -> float:
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length else 0.0
