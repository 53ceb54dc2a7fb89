"""The domain classifier tells batches apart when they differ, and only then."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import (
    BadParameterError,
    EmptySampleError,
    NotFiniteError,
    ShapeError,
    TooFewError,
)
from detectors.subjects.domain_classifier import domain_classifier


def reports(seed, clients=12, rounds=4, dim=5, shift=0.0, scale=1.0):
    """Clients that differ by far more than their rounds do; the last component moves by `shift`."""
    rng = np.random.default_rng(seed)
    base = 5 * rng.normal(size=(clients, dim))
    names = [f"c{number}" for number in range(clients)]
    before = np.repeat(base, rounds, axis=0) + rng.normal(size=(clients * rounds, dim))
    after = base + scale * rng.normal(size=(clients, dim))
    after[:, -1] += shift
    return before, after, list(np.repeat(names, rounds)), names


def judged(seed, permutations=99, **what):
    before, after, before_clients, after_clients = reports(seed, **what)
    return domain_classifier(
        before,
        after,
        reference_clients=before_clients,
        current_clients=after_clients,
        permutations=permutations,
        seed=seed,
    )


def test_false_alarms_are_as_rare_as_asked_for():
    results = [judged(seed, permutations=39) for seed in range(120)]
    least = [min(each.p_adjusted for each in result.features) for result in results]
    for p_values in ([result.test.p_value for result in results], least):
        rate = np.mean(np.array(p_values) <= 0.2)
        assert abs(rate - 0.2) < 3 * np.sqrt(0.2 * 0.8 / 120)


def test_cross_validation_does_not_flatter():
    assert np.mean([judged(seed, permutations=19).auc for seed in range(40)]) < 0.54


def test_a_shift_far_smaller_than_what_divides_clients_is_found_and_named():
    result = judged(1, clients=40, shift=2.0)
    assert result.test.p_value == 0.01
    assert result.low > 0.5
    assert result.features[0].name == "4"
    assert result.features[0].p_adjusted == 0.01
    assert result.features[0].auc > 0.8
    assert result.features[0].drop == max(each.drop for each in result.features)
    assert result.test.effect > result.test.minimum_detectable_effect


def test_a_change_of_scale_is_found():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(150, 4)), rng.normal(size=(150, 4)) * 1.6
    assert domain_classifier(x, y, permutations=99).test.p_value == 0.01


def test_clients_on_one_side_only_count_as_participation():
    before, after, before_clients, after_clients = reports(5)
    stranger = np.full((3, 5), 1e6)
    plain = domain_classifier(
        before, after, reference_clients=before_clients, current_clients=after_clients
    )
    joined = domain_classifier(
        before,
        np.concatenate((after, stranger)),
        reference_clients=before_clients,
        current_clients=[*after_clients, "x", "y", "z"],
    )
    assert joined == plain


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100), seed=st.integers(0, 99))
def test_units_do_not_matter(scale, shift, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, 3)).round(2), rng.normal(0.5, size=(20, 3)).round(2)
    plain = domain_classifier(x, y, permutations=19, seed=seed)
    moved = domain_classifier(np.exp(x / 2), np.exp(y / 2), permutations=19, seed=seed)
    assert moved.auc == pytest.approx(plain.auc)
    linear = domain_classifier(x * scale + shift, y * scale + shift, permutations=19, seed=seed)
    assert linear.auc == pytest.approx(plain.auc, abs=0.02)  # rounding may make or break ties


def test_the_mann_whitney_auc_of_a_component_is_scipys():
    scipy_stats = pytest.importorskip("scipy.stats")
    before, after, before_clients, after_clients = reports(7, clients=6, shift=1.0)
    result = domain_classifier(
        before,
        after,
        reference_clients=before_clients,
        current_clients=after_clients,
        permutations=19,
    )
    owners = np.array(before_clients)
    for feature in result.features:
        column = int(feature.name)
        aucs = [
            scipy_stats.mannwhitneyu([after[i, column]], before[owners == name, column]).statistic
            / 4
            for i, name in enumerate(after_clients)
        ]
        assert feature.auc == pytest.approx(np.mean(aucs), rel=1e-9)


def test_delongs_interval_covers_the_auc():
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(100, 1)), rng.normal(1.0, size=(100, 1))
        result = domain_classifier(x, y, permutations=19, seed=seed)
        covered += result.low <= 0.7602 <= result.high
    assert covered >= 51


def test_equal_vectors_cannot_be_told_apart():
    result = domain_classifier(np.ones((10, 2)), np.ones((10, 2)), permutations=19)
    assert result.auc == 0.5
    assert result.test.p_value == 1
    assert all(feature.p_adjusted == 1 for feature in result.features)


def test_bad_input_is_refused_by_name():
    good = np.arange(20.0).reshape(10, 2)
    with pytest.raises(ShapeError, match="2 components"):
        domain_classifier(good, np.ones((10, 3)))
    with pytest.raises(NotFiniteError):
        domain_classifier(good, np.full((10, 2), np.nan))
    with pytest.raises(EmptySampleError):
        domain_classifier(good, np.empty((0, 2)))
    with pytest.raises(TooFewError, match="current has 3"):
        domain_classifier(good, good[:3])
    with pytest.raises(TooFewError, match="clients"):
        domain_classifier(good, good, reference_clients=["a"] * 10, current_clients=["a"] * 10)
    with pytest.raises(ShapeError, match="one client a vector"):
        domain_classifier(good, good, reference_clients=["a"] * 10)
    with pytest.raises(ShapeError, match="one name a component"):
        domain_classifier(good, good, names=["one"])
    with pytest.raises(BadParameterError, match="permutations"):
        domain_classifier(good, good, permutations=5)
