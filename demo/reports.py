"""What one carrier says in one round: the records of Vigie's wire format, as plain dicts.

Nothing of a single flight is in them: sums, and counts on the edges that all carriers share.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo.fedavg import ClientUpdate, Outcome, Weights, examine
from demo.flights import ORIGINS, Flights

Record = dict[str, Any]
Pseudonym = Callable[[str], str]
"""A carrier's code to its pseudonym; a `vigie_client.Pseudonyms`."""

LABELS = ("on time", "late")
# The probability from which a flight is predicted late.
LATE_FROM = 0.5
SCORE_EDGES = tuple(step / 20 for step in range(21))
HOUR_EDGES = tuple(float(hour) for hour in range(25))
DISTANCE_EDGES = (0.0, 200.0, 400.0, 600.0, 800.0, 1000.0, 1400.0, 1800.0, 2400.0, 3000.0, 5000.0)

# What kind of airline each carrier was in 2013: the one cohort tag of the demo.
COHORT_TAG = "kind"
COHORTS = {
    "mainline": ("AA", "AS", "DL", "HA", "UA", "US"),
    "low-cost": ("B6", "F9", "FL", "VX", "WN"),
    "regional": ("9E", "EV", "MQ", "OO", "YV"),
}
_KIND = {carrier: kind for kind, carriers in COHORTS.items() for carrier in carriers}


def bin_spec() -> Record:
    """The bin spec that the federation's records count on, as it is posted.

    The weekday, though a model input, is not among the features: every round is a week, so the
    calendar sets its distribution.
    """
    return {
        "labels": list(LABELS),
        "score": {"edges": list(SCORE_EDGES), "unit": "probability"},
        "features": {
            "hour": {"kind": "numeric", "edges": list(HOUR_EDGES), "unit": "h"},
            "distance": {"kind": "numeric", "edges": list(DISTANCE_EDGES), "unit": "mi"},
            "origin": {"kind": "categorical", "categories": list(ORIGINS)},
        },
    }


def evaluate_record(pseudonym: Pseudonym, flights: Flights, weights: Weights) -> Record:
    """The carrier's record of how the model did on these flights (phase `evaluate` or `serve`)."""
    started = perf_counter()
    outcome = examine(weights, flights)
    return _evaluated(pseudonym, flights, outcome, perf_counter() - started)


def canary_record(
    pseudonym: Pseudonym, flights: Flights, champion: Weights, candidate: Weights
) -> Record:
    """The champion's record with the candidate's block on the same flights (phase `canary`)."""
    started = perf_counter()
    one, other = examine(champion, flights), examine(candidate, flights)
    record = _evaluated(pseudonym, flights, one, perf_counter() - started)
    performance = _performance(other, flights)
    block = {key: performance[key] for key in ("metrics", "confusion", "score_histogram")}
    # Right before wrong, the champion in the rows.
    agreement = _table(~_correct(one, flights), ~_correct(other, flights))
    return {**record, "canary": {**block, "agreement": agreement.tolist()}}


def fit_record(pseudonym: Pseudonym, update: ClientUpdate) -> Record:
    """The carrier's record of one training round (phase `fit`).

    The metrics are those of the weights that the round began with, on the training flights.
    """
    return {
        **_base(pseudonym, update.flights),
        **_performance(update.outcome, update.flights),
        "update": {"norm": update.norm, "cosine": update.cosine},
        "resources": {"train_ms": update.train_ms},
    }


def _evaluated(pseudonym: Pseudonym, flights: Flights, outcome: Outcome, seconds: float) -> Record:
    return {
        **_base(pseudonym, flights),
        **_performance(outcome, flights),
        "resources": {"evaluate_ms": 1000 * seconds},
    }


def _base(pseudonym: Pseudonym, flights: Flights) -> Record:
    return {
        "client": pseudonym(flights.carrier),
        "cohorts": {COHORT_TAG: _KIND[flights.carrier]},
        "status": "ok",
        "num_examples": len(flights),
        "label_counts": _counts(flights.late.astype(np.int64), len(LABELS)),
        "features": {
            "hour": _histogram(flights.hour, HOUR_EDGES),
            "distance": _histogram(flights.distance, DISTANCE_EDGES),
            # One more place than categories: anything else, of which there is nothing here.
            "origin": _counts(flights.origin, len(ORIGINS) + 1),
        },
    }


def _performance(outcome: Outcome, flights: Flights) -> Record:
    predicted = _predicted_late(outcome)
    return {
        "metrics": {
            "loss_sum": float(outcome.loss.sum()),
            "loss_sumsq": float(np.square(outcome.loss).sum()),
            "correct_count": int(_correct(outcome, flights).sum()),
        },
        "prediction_counts": _counts(predicted.astype(np.int64), len(LABELS)),
        "score_histogram": _histogram(outcome.probability, SCORE_EDGES),
        "confusion": _table(flights.late, predicted).tolist(),
    }


def _predicted_late(outcome: Outcome) -> NDArray[np.bool_]:
    late: NDArray[np.bool_] = outcome.probability >= LATE_FROM
    return late


def _correct(outcome: Outcome, flights: Flights) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = _predicted_late(outcome) == flights.late
    return right


def _table(rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The 2x2 counts of two yes-no answers to the same flights, no before yes."""
    cells = np.bincount(2 * rows.astype(np.int64) + columns, minlength=4)
    return cells.reshape(2, 2).astype(np.int64)


def _counts(codes: NDArray[np.int64], size: int) -> list[int]:
    counts: list[int] = np.bincount(codes, minlength=size).tolist()
    return counts


def _histogram(values: NDArray[np.float64], edges: tuple[float, ...]) -> list[int]:
    """Counts in [edge, next edge); values outside count in the first or last bin."""
    place = np.searchsorted(edges, values, side="right") - 1
    return _counts(np.clip(place, 0, len(edges) - 2), len(edges) - 1)
