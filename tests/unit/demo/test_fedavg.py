import numpy as np
import pytest

from demo import fedavg, flights
from demo.fedavg import Weights, examine, train
from demo.flights import NUM_COLUMNS, Flights, Year

WEEKS = range(8)


@pytest.fixture(scope="module")
def year() -> Year:
    return flights.load()


@pytest.fixture(scope="module")
def rounds(year):
    return list(train(year, WEEKS))


def mean_loss(weights, year, weeks) -> float:
    losses = [examine(weights, part).loss for part in year.flying(weeks)]
    return float(np.concatenate(losses).mean())


def pooled_fit(year, weeks):
    """The best weights of all flights together, by Newton's method."""
    parts = year.flying(weeks)
    inputs = np.concatenate([flights.encode(part) for part in parts])
    late = np.concatenate([part.late for part in parts])
    weights = np.zeros(NUM_COLUMNS)
    ridge = 0.1 * np.eye(NUM_COLUMNS)
    for _ in range(8):
        p = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (p - late) + ridge @ weights
        curve = inputs.T @ (inputs * (p * (1 - p))[:, None]) + ridge
        weights -= np.linalg.solve(curve, slope)
    return Weights(weights)


def test_the_federated_model_is_as_good_as_the_pooled_one(year, rounds):
    best = mean_loss(pooled_fit(year, WEEKS), year, WEEKS)
    assert best == pytest.approx(0.5093, abs=0.0005)
    assert 0 <= mean_loss(rounds[-1].weights, year, WEEKS) - best < 0.001


def test_same_seed_same_weights_other_seed_others(year, rounds):
    again = list(train(year, WEEKS))[-1].weights
    other = list(train(year, WEEKS, seed=1))[-1].weights
    assert again.sha256 == rounds[-1].weights.sha256 != other.sha256
    assert mean_loss(other, year, WEEKS) == pytest.approx(mean_loss(again, year, WEEKS), abs=0.001)


def test_every_carrier_that_flies_tells_of_every_round(year, rounds):
    assert [finished.number for finished in rounds] == list(range(1, fedavg.ROUNDS + 1))
    told = {update.flights.carrier for update in rounds[0].updates}
    assert told == {part.carrier for part in year.flying(WEEKS)}
    for update in rounds[0].updates:
        assert update.norm > 0
        assert -1 <= update.cosine <= 1
        assert update.train_ms > 0


def test_the_first_round_tells_of_the_weights_it_began_with(rounds):
    for update in rounds[0].updates:
        np.testing.assert_allclose(update.outcome.loss, np.log(2))


def test_a_warm_start_begins_where_it_is_told(year, rounds):
    warm = next(train(year, range(18, 26), initial=rounds[-1].weights))
    united = next(update for update in warm.updates if update.flights.carrier == "UA")
    expected = examine(rounds[-1].weights, year.of("UA", range(18, 26)))
    np.testing.assert_allclose(united.outcome.loss, expected.loss)


def test_a_carrier_that_is_away_keeps_its_coefficient(year, rounds):
    # SkyWest (OO) flies in week 4 but not in weeks 0 and 1; its column stands at the same place.
    column = NUM_COLUMNS - len(flights.CARRIERS) + flights.CARRIERS.index("OO")
    before = rounds[-1].weights
    after = list(train(year, range(2), initial=before))[-1].weights
    assert before.values[column] != 0
    assert after.values[column] == before.values[column]
    assert after.values[0] != before.values[0]


def test_extreme_weights_give_finite_losses():
    huge = Weights(np.full(NUM_COLUMNS, 1e4))
    nobody_knows = np.array([0.0, 23.9])
    some = Flights(
        "UA",
        hour=nobody_knows,
        distance=np.array([0.0, 5000.0]),
        weekday=np.array([0, 6]),
        origin=np.array([0, 2]),
        late=np.array([True, False]),
    )
    outcome = examine(huge, some)
    assert np.isfinite(outcome.loss).all()
    assert ((outcome.probability >= 0) & (outcome.probability <= 1)).all()


@pytest.mark.parametrize(("weeks", "rounds"), [((), 5), (range(8), 0)])
def test_training_on_nothing_is_refused(year, weeks, rounds):
    with pytest.raises(ValueError, match="at least 1 round and 1 carrier"):
        next(train(year, weeks, rounds=rounds))
