"""What one carrier says in one round: the records of Vigie's wire format, as plain dicts.

Nothing of a single flight is in them: sums, and counts on the edges that all carriers share.
"""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np
from vigie_client import Bins, Summary

from demo.fedavg import ClientUpdate, Outcome, Weights, examine
from demo.flights import ORIGINS, Flights, FloatArray

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


BINS = Bins(bin_spec())


def evaluate_record(pseudonym: Pseudonym, flights: Flights, weights: Weights) -> Record:
    """The carrier's record of how the model did on these flights (phase `evaluate` or `serve`)."""
    started = perf_counter()
    outcome = examine(weights, flights)
    return _record(pseudonym, flights, outcome, resources=_spent("evaluate_ms", started))


def canary_record(
    pseudonym: Pseudonym, flights: Flights, champion: Weights, candidate: Weights
) -> Record:
    """The champion's record with the candidate's block on the same flights (phase `canary`)."""
    started = perf_counter()
    one, other = examine(champion, flights), examine(candidate, flights)
    spent = _spent("evaluate_ms", started)
    return _record(pseudonym, flights, one, candidate=other.probability, resources=spent)


def fit_record(pseudonym: Pseudonym, update: ClientUpdate) -> Record:
    """The carrier's record of one training round (phase `fit`).

    The metrics are those of the weights that the round began with, on the training flights.
    """
    return _record(
        pseudonym,
        update.flights,
        update.outcome,
        update={"norm": update.norm, "cosine": update.cosine},
        resources={"train_ms": update.train_ms},
    )


def _record(
    pseudonym: Pseudonym,
    flights: Flights,
    outcome: Outcome,
    *,
    candidate: FloatArray | None = None,
    update: Mapping[str, float] | None = None,
    resources: Mapping[str, float],
) -> Record:
    summary = Summary(BINS, positive_from=LATE_FROM)
    features = {
        "hour": flights.hour,
        "distance": flights.distance,
        "origin": np.array(ORIGINS)[flights.origin],
    }
    summary.add(outcome.probability, flights.late, features=features, candidate=candidate)
    return summary.record(
        pseudonym(flights.carrier),
        cohorts={COHORT_TAG: _KIND[flights.carrier]},
        update=update,
        resources=resources,
    )


def _spent(what: str, started: float) -> dict[str, float]:
    return {what: 1000 * (perf_counter() - started)}
