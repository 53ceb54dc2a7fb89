import json

import numpy as np
import pytest

from app.rounds.schemas import BinSpecIn, ClientRecord
from demo import flights
from demo.fedavg import Weights, examine, train
from demo.flights import CARRIERS, Year
from demo.reports import (
    COHORTS,
    DISTANCE_EDGES,
    bin_spec,
    canary_record,
    evaluate_record,
    fit_record,
)

PSEUDONYM = "c_" + "0" * 31


def pseudonym(carrier: str) -> str:
    return f"{PSEUDONYM}{CARRIERS.index(carrier):x}"


@pytest.fixture(scope="module")
def year() -> Year:
    return flights.load()


@pytest.fixture(scope="module")
def rounds(year):
    return list(train(year, range(8), rounds=3))


@pytest.fixture(scope="module")
def week(year):
    return year.of("UA", [9])


def test_the_service_accepts_the_bin_spec():
    spec = BinSpecIn.model_validate(bin_spec())
    assert set(spec.features) == {"hour", "distance", "origin"}
    assert np.all(np.diff(DISTANCE_EDGES) > 0)


def test_the_service_accepts_every_kind_of_record(year, rounds):
    old, new = rounds[0].weights, rounds[-1].weights
    records = [evaluate_record(pseudonym, part, old) for part in year.flying([9])]
    records += [canary_record(pseudonym, part, old, new) for part in year.flying([9])]
    records += [fit_record(pseudonym, update) for update in rounds[0].updates]
    for record in records:
        ClientRecord.model_validate(json.loads(json.dumps(record, allow_nan=False)))


def test_counts_and_sums_are_those_of_the_flights(week, rounds):
    weights = rounds[-1].weights
    record = evaluate_record(pseudonym, week, weights)
    outcome = examine(weights, week)
    assert record["num_examples"] == len(week) == sum(record["label_counts"])
    assert record["label_counts"][1] == week.late.sum()
    assert record["metrics"]["loss_sum"] == pytest.approx(outcome.loss.sum())
    assert record["metrics"]["loss_sumsq"] == pytest.approx((outcome.loss**2).sum())
    expected, _ = np.histogram(outcome.probability, bins=20, range=(0, 1))
    assert record["score_histogram"] == expected.tolist()
    for counts in record["features"].values():
        assert sum(counts) == len(week)


def test_the_confusion_agrees_with_the_counts_beside_it(week):
    # Weights that call about half of the flights late, so that every cell is filled.
    weights = Weights(np.eye(1, flights.NUM_COLUMNS, k=1)[0])
    record = evaluate_record(pseudonym, week, weights)
    confusion = np.array(record["confusion"])
    assert (confusion > 0).all()
    assert confusion.sum(axis=1).tolist() == record["label_counts"]
    assert confusion.sum(axis=0).tolist() == record["prediction_counts"]
    assert np.trace(confusion) == record["metrics"]["correct_count"]


def test_agreement_is_paired_champion_against_candidate(week):
    champion = Weights(np.eye(1, flights.NUM_COLUMNS, k=1)[0])
    never_late = Weights(np.eye(1, flights.NUM_COLUMNS, k=0)[0] * -10)
    record = canary_record(pseudonym, week, champion, never_late)
    (both, champion_only), (candidate_only, neither) = record["canary"]["agreement"]
    assert both + champion_only == record["metrics"]["correct_count"]
    assert both + candidate_only == record["canary"]["metrics"]["correct_count"]
    assert both + champion_only + candidate_only + neither == len(week)
    # On time flights are all right for a candidate that never says late.
    assert champion_only == record["confusion"][1][1]
    assert candidate_only == record["confusion"][0][1]


def test_a_value_on_an_edge_or_outside_has_a_bin(rounds):
    odd = flights.Flights(
        "UA",
        hour=np.array([0.0, 23.99, 12.0]),
        distance=np.array([200.0, 9999.0, -1.0]),
        weekday=np.zeros(3, dtype=np.int64),
        origin=np.zeros(3, dtype=np.int64),
        late=np.array([True, False, False]),
    )
    counts = evaluate_record(pseudonym, odd, rounds[0].weights)["features"]["distance"]
    assert (counts[0], counts[1], counts[-1], sum(counts)) == (1, 1, 1, 3)


def test_a_cohort_is_large_enough_to_be_seen_and_every_carrier_has_one():
    assert all(len(carriers) >= 5 for carriers in COHORTS.values())
    assert sorted(sum(COHORTS.values(), ())) == sorted(CARRIERS)


def test_no_record_names_its_carrier(week, rounds):
    record = evaluate_record(pseudonym, week, rounds[0].weights)
    assert record["client"] == pseudonym("UA")
    assert '"UA"' not in json.dumps(record)
