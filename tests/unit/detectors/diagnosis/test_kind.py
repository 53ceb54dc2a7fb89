import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.diagnosis.kind import Kind, kind_of_drift
from detectors.errors import (
    BadParameterError,
    EmptySampleError,
    NotFiniteError,
    OutOfRangeError,
    ShapeError,
)

ROUNDS = 30
SERIES = st.lists(st.integers(-60, 60).map(lambda x: x / 10), min_size=1, max_size=25)


def simulated(rng, kind, effect, rounds=ROUNDS):
    """A series of a kind, and its onset."""
    onset, length = int(rng.integers(8, 16)), int(rng.integers(4, 12))
    age = np.arange(rounds) - onset
    reached = np.clip((age + 1) / (length + 1), 0, 1)
    turn = int(rng.integers(3, 8))
    shape = {
        Kind.NONE: np.zeros(rounds),
        Kind.ABRUPT: age >= 0,
        Kind.INCREMENTAL: reached,
        Kind.GRADUAL: rng.random(rounds) < reached,
        Kind.RECURRING: (age >= 0) & ((age < turn) | (age // turn % 2 == 0) & (turn % 2 == 0)),
        Kind.OUTLIER: age == 0,
    }[kind]
    return rng.normal(size=rounds) + effect * shape, onset


def judged(kind, effect, repeats=60):
    rng = np.random.default_rng(list(Kind).index(kind))
    drawn = [simulated(rng, kind, effect) for _ in range(repeats)]
    return [(kind_of_drift(series), onset) for series, onset in drawn]


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        (Kind.NONE, 0.75),
        (Kind.ABRUPT, 0.85),
        (Kind.INCREMENTAL, 0.8),
        (Kind.GRADUAL, 0.5),  # a transition that never wavers is an abrupt drift
        (Kind.RECURRING, 0.85),
        (Kind.OUTLIER, 0.9),
    ],
)
def test_each_kind_is_told_from_the_others(kind, least):
    answers = judged(kind, 5.0)
    assert np.mean([each.kind is kind for each, _ in answers]) >= least
    if kind is not Kind.NONE:
        inside = [each.onset.low <= onset <= each.onset.high for each, onset in answers]
        assert np.mean(inside) >= 0.8
        assert np.median([abs(each.onset.round - onset) for each, onset in answers]) <= 2
        assert np.median([each.effect for each, _ in answers]) == pytest.approx(5, abs=1.0)


def test_probabilities_are_about_as_often_right_as_they_say():
    answers = [
        (max(each.probabilities.values()), each.kind is kind)
        for kind in Kind
        for effect in (2.0, 4.0)
        for each, _ in judged(kind, effect, repeats=30)
    ]
    said, right = np.array(answers).T
    for low, high in ((0.0, 0.6), (0.6, 0.9), (0.9, 1.01)):
        inside = (said >= low) & (said < high)
        assert inside.sum() > 30
        assert right[inside].mean() == pytest.approx(said[inside].mean(), abs=0.15)


def test_a_single_quiet_round_says_little():
    shares = kind_of_drift([0.2]).probabilities
    assert max(shares.values()) < 0.4
    assert min(shares.values()) > 0.04


def test_a_jump_in_the_newest_round_may_be_anything_that_starts_so():
    shares = kind_of_drift([0.1, -0.4, 0.3, 0.2, 6.0]).probabilities
    assert shares[Kind.ABRUPT] == pytest.approx(shares[Kind.OUTLIER], rel=0.01)
    assert shares[Kind.ABRUPT] == pytest.approx(shares[Kind.RECURRING], rel=0.01)
    assert shares[Kind.NONE] < 0.01


@settings(max_examples=40, deadline=None)
@given(series=SERIES)
def test_up_and_down_are_alike_and_probabilities_add_up(series):
    up, down = kind_of_drift(series), kind_of_drift([-value for value in series])
    assert sum(up.probabilities.values()) == pytest.approx(1)
    assert up.probabilities == pytest.approx(down.probabilities, rel=1e-6, abs=1e-12)
    assert up.effect == pytest.approx(-down.effect, abs=1e-6)
    assert 0 <= up.onset.low <= up.onset.high < len(series)


def test_a_prior_can_rule_a_kind_out():
    series = [0.0, 0.3, -0.2, 6.0]
    shares = kind_of_drift(series, prior={Kind.NONE: 3, Kind.ABRUPT: 1}).probabilities
    assert shares[Kind.OUTLIER] == 0
    assert shares[Kind.ABRUPT] > 0.99
    assert sum(shares.values()) == pytest.approx(1)


def test_far_values_are_answered():
    answer = kind_of_drift([0.0, 1e6, 1e6, 1e6])
    assert np.isfinite(list(answer.probabilities.values())).all()
    assert np.isfinite(answer.effect)


@pytest.mark.parametrize(
    ("series", "options", "error"),
    [
        ([], {}, EmptySampleError),
        ([[1.0]], {}, ShapeError),
        ([np.nan], {}, NotFiniteError),
        ([1e200], {}, OutOfRangeError),
        (np.zeros(301), {}, BadParameterError),
        ([1.0], {"prior": {Kind.NONE: 1.0}}, BadParameterError),
        ([1.0], {"prior": {Kind.ABRUPT: -1.0}}, BadParameterError),
        ([1.0], {"coverage": 0.0}, BadParameterError),
    ],
)
def test_bad_input_is_refused_by_name(series, options, error):
    with pytest.raises(error):
        kind_of_drift(series, **options)
