import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.clients.movements import UNMOVED, cluster_movements
from detectors.errors import (
    BadParameterError,
    EmptySampleError,
    NotFiniteError,
    OutOfRangeError,
    ShapeError,
)

TRUE = np.array([[0.0, 0.0], [0.05, 0.0], [0.0, -0.08]])


def drawn(seed, groups):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.006, 0.014, (len(groups), 2))
    return TRUE[groups] + errors * rng.normal(size=errors.shape), errors


@pytest.mark.parametrize("clients", [1, 5, 50])
@pytest.mark.parametrize("components", [1, 3])
def test_where_nobody_moved_there_is_no_group(clients, components):
    rng = np.random.default_rng(1)
    found = [
        cluster_movements(rng.normal(size=(clients, components)), np.ones((clients, components)))
        for _ in range(100)
    ]
    assert np.mean([each.clusters > 0 for each in found]) <= 0.05
    assert all(np.array_equal(each.movements[UNMOVED], np.zeros(components)) for each in found)


def test_groups_and_their_number_are_found():
    groups = np.repeat([0, 1, 2], [10, 6, 4])
    right = 0
    for seed in range(20):
        found = cluster_movements(*drawn(seed, groups))
        # The groups come in the order of their first component: (0, -0.08), then (0.05, 0).
        right += found.clusters == 2 and np.mean(found.labels == np.array([0, 2, 1])[groups]) > 0.9
    assert right >= 18


def test_a_noisy_client_is_put_nowhere_for_certain():
    effects, errors = drawn(2, np.repeat([0, 1], [10, 10]))
    effects, errors = np.vstack((effects, [0.03, 0.0])), np.vstack((errors, [0.1, 0.1]))
    assert cluster_movements(effects, errors).memberships[-1].max() < 0.7


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), order=st.permutations(range(12)), power=st.integers(-10, 10))
def test_order_and_unit_do_not_matter(seed, order, power):
    effects, errors = drawn(seed, np.repeat([0, 1, 2], 4))
    plain, scale = cluster_movements(effects, errors), 2.0**power
    other = cluster_movements(effects[order] * scale, errors[order] * scale)
    assert other.movements == pytest.approx(plain.movements * scale, rel=1e-6, abs=1e-6 * scale)
    assert other.memberships == pytest.approx(plain.memberships[order], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    effects=st.lists(st.integers(-1000, 1000).map(float), min_size=1, max_size=10),
    error=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_memberships_are_probabilities(effects, error):
    found = cluster_movements(effects, [error] * len(effects))
    assert found.memberships.sum(axis=-1) == pytest.approx(np.ones(len(effects)))
    assert np.isfinite(found.movements).all()
    assert found.clusters <= 6


@pytest.mark.parametrize(
    ("effects", "errors", "options", "error"),
    [
        ([], [], {}, EmptySampleError),
        ([1.0], [1.0, 1.0], {}, ShapeError),
        ([np.nan], [1.0], {}, NotFiniteError),
        ([1e200], [1.0], {}, OutOfRangeError),
        ([1.0], [0.0], {}, BadParameterError),
        ([1.0], [1.0], {"most": -1}, BadParameterError),
    ],
)
def test_bad_input_is_refused_by_name(effects, errors, options, error):
    with pytest.raises(error):
        cluster_movements(effects, errors, **options)
