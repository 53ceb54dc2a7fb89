"""Attribution drift: calibrated, dcor's distance, and the right feature named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import NotFiniteError, ShapeError, TooFewError, TooLargeError
from detectors.subjects import importance
from detectors.subjects.importance import importance_drift, importance_shares


def vectors(seed, clients=12, rounds=4, swap=False):
    rng = np.random.default_rng(seed)
    base = rng.dirichlet(np.array([8, 4, 2, 1, 1]), size=clients)
    names = [f"c{number}" for number in range(clients)]
    after = base[:, [1, 0, 2, 3, 4]] if swap else base
    known = np.concatenate([rng.dirichlet(60 * b + 0.1, size=rounds) for b in base])
    new = np.concatenate([rng.dirichlet(60 * b + 0.1, size=1) for b in after])
    return (
        known,
        new,
        {
            "reference_clients": list(np.repeat(names, rounds)),
            "current_clients": names,
        },
    )


def test_false_alarms_are_as_rare_as_asked_for():
    results = []
    for seed in range(150):
        known, new, clients = vectors(seed)
        results.append(importance_drift(known, new, **clients, permutations=39, seed=seed))
    least = [min(each.p_adjusted for each in result.features) for result in results]
    for p_values in ([result.test.p_value for result in results], least):
        rate = np.mean(np.array(p_values) <= 0.2)
        assert abs(rate - 0.2) < 3 * np.sqrt(0.2 * 0.8 / 150)


def test_two_features_that_swap_their_importance_are_found_and_named():
    known, new, clients = vectors(1, swap=True)
    names = ["age", "income", "x", "y", "z"]
    drift = importance_drift(known, new, **clients, names=names, permutations=199)
    assert drift.test.p_value == pytest.approx(0.005)
    assert {each.name for each in drift.features[:2]} == {"age", "income"}
    assert all(each.p_adjusted < 0.05 for each in drift.features[:2])
    assert drift.kendall < 1
    assert drift.kendall_top < drift.kendall  # the top two swapped
    assert drift.moved_share == pytest.approx(-min(each.change for each in drift.features), rel=0.2)


def test_the_statistic_is_dcors_energy_distance_of_the_shares():
    dcor = pytest.importorskip("dcor")
    rng = np.random.default_rng(2)
    x, y = rng.gamma(2, size=(30, 4)), rng.gamma(3, size=(20, 4))
    result = importance_drift(x, y, permutations=19)
    expected = dcor.energy_distance(importance_shares(x), importance_shares(y))
    assert result.test.statistic == pytest.approx(expected, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(factors=st.lists(st.floats(1e-3, 1e6), min_size=24, max_size=24), seed=st.integers(0, 50))
def test_the_number_of_examples_behind_a_sum_cancels(factors, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 3))
    scales = np.array(factors).reshape(2, 12, 1)
    plain = importance_drift(x, y, permutations=19)
    scaled = importance_drift(x * scales[0], y * scales[1], permutations=19)
    assert scaled.test.statistic == pytest.approx(plain.test.statistic, rel=1e-6, abs=1e-9)


def test_equal_vectors_have_not_moved():
    result = importance_drift(np.ones((8, 3)), np.ones((9, 3)), permutations=19)
    assert (result.test.statistic, result.test.p_value) == (0, 1)
    assert result.moved_share == pytest.approx(0, abs=1e-15)
    assert result.kendall is None
    assert result.kendall_top is None


def test_a_model_without_any_importance_has_a_defined_answer():
    result = importance_drift(np.zeros((8, 3)), np.ones((8, 3)), permutations=19)
    assert result.test.p_value == pytest.approx(0.05)


def test_bad_input_is_refused_by_name(monkeypatch):
    good = np.ones((8, 3))
    with pytest.raises(ShapeError):
        importance_drift(good, np.ones((8, 2)))
    with pytest.raises(NotFiniteError):
        importance_drift(good, good * np.inf)
    with pytest.raises(TooFewError):
        importance_drift(good, good[:2])
    monkeypatch.setattr(importance, "MEMORY_LIMIT", 100)
    with pytest.raises(TooLargeError):
        importance_drift(good, good)
