"""The p-filter: against a search over all thresholds, its promise in every layer; e-values."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import BadParameterError, NotFiniteError, ShapeError
from detectors.multiplicity.hierarchical import hierarchical, simes
from detectors.multiplicity.within_round import benjamini_hochberg, e_benjamini_hochberg

SMALL = st.one_of(st.floats(0, 1), st.floats(0, 0.02))


def searched(p: np.ndarray, layers: list[np.ndarray], level: float) -> np.ndarray:
    """The definition: the greatest thresholds level k / G at which all layers hold."""
    groups = [np.unique(labels) for labels in layers]
    best = np.zeros(p.size, dtype=bool)
    grids = [[level * k / len(g) for k in range(1, len(g) + 1)] for g in groups]
    for thresholds in itertools.product(*grids):
        rejected = np.ones(p.size, dtype=bool)
        for labels, t in zip(layers, thresholds, strict=True):
            rejected &= np.array([simes(p[labels == label]) <= t for label in labels])
        counts = [len(set(labels[rejected])) for labels in layers]
        if rejected.any() and all(
            len(g) * t <= level * count * (1 + 1e-12)
            for g, t, count in zip(groups, thresholds, counts, strict=True)
        ):
            best |= rejected
    return best


@settings(deadline=None, max_examples=60)
@given(p_values=st.lists(SMALL, min_size=6, max_size=6))
def test_what_is_rejected_is_what_a_search_finds(p_values):
    p = np.array(p_values)
    cohorts, clients = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    crossing = np.array([0, 1, 0, 1, 0, 1])
    answer = hierarchical(p, {"cohort": cohorts, "client": clients, "device": crossing}, 0.1)
    expected = searched(p, [cohorts, clients, crossing], 0.1)
    assert answer.rejected.tolist() == expected.tolist()
    assert answer.groups["client"] == tuple(sorted(set(clients[expected].tolist())))


@settings(deadline=None)
@given(st.lists(SMALL, min_size=1, max_size=30))
def test_one_layer_of_single_tests_is_benjamini_hochberg(p_values):
    answer = hierarchical(p_values, {"test": range(len(p_values))}, 0.05)
    # Not at the level itself, where rounding decides.
    q = benjamini_hochberg(p_values)
    clear = np.abs(q - 0.05) > 1e-12
    assert (answer.rejected == (q <= 0.05))[clear].all()


@settings(deadline=None, max_examples=30)
@given(p_values=st.lists(SMALL, min_size=8, max_size=8), order=st.permutations(range(8)))
def test_the_order_of_tests_does_not_matter(p_values, order):
    p, clients = np.array(p_values), np.repeat(["a", "b", "c", "d"], 2)
    turn = list(order)
    before = hierarchical(p, {"client": clients}, 0.05)
    after = hierarchical(p[turn], {"client": clients[turn]}, 0.05)
    assert after.rejected.tolist() == before.rejected[turn].tolist()
    assert after.groups == before.groups


def test_the_rate_holds_in_every_layer():
    rng = np.random.default_rng(5)
    clients = np.repeat(np.arange(40), 5)
    cohorts = clients // 8
    drifted = (clients < 5) & (np.arange(200) % 5 < 3)
    layers = {"cohort": cohorts, "client": clients, "test": np.arange(200)}
    real = {name: set(labels[drifted].tolist()) for name, labels in layers.items()}
    shares = {name: [] for name in layers}
    for _ in range(150):
        p = np.where(drifted, rng.random(200) * 1e-3, rng.random(200))
        groups = hierarchical(p, layers, 0.1).groups
        for name, found in groups.items():
            shares[name].append(len(set(found) - real[name]) / max(len(found), 1))
        assert len(groups["test"]) > 5
    for share in shares.values():
        assert np.mean(share) <= 0.1 + 3 * np.std(share) / np.sqrt(len(share))


def test_levels_may_differ_by_layer():
    layers = {"cohort": ["n", "n", "s"], "client": [1, 2, 3]}
    answer = hierarchical([0.01, 0.9, 0.9], layers, {"cohort": 0.05, "client": 0.01})
    assert answer.groups == {"cohort": (), "client": ()}
    assert hierarchical([0.01, 0.9, 0.9], layers, 0.05).groups["cohort"] == ("n",)


def test_nothing_in_nothing_out():
    answer = hierarchical([], {"client": []}, 0.05)
    assert answer.rejected.size == 0
    assert answer.groups == {"client": ()}
    assert simes([]) == 1


def test_simes_by_hand():
    assert simes([0.04, 0.5, 0.02]) == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("p_values", "layers", "level", "error"),
    [
        ([0.1], {}, 0.05, BadParameterError),
        ([0.1], {"client": [1, 2]}, 0.05, ShapeError),
        ([1.1], {"client": [1]}, 0.05, BadParameterError),
        ([np.nan], {"client": [1]}, 0.05, NotFiniteError),
        ([0.1], {"client": [1]}, 1.0, BadParameterError),
        ([0.1], {"client": [1]}, {"cohort": 0.1}, BadParameterError),
    ],
)
def test_what_cannot_be_judged_is_refused(p_values, layers, level, error):
    with pytest.raises(error):
        hierarchical(p_values, layers, level)


def test_e_values_by_hand():
    # m / level = 60: the largest needs 60, two need 30 each, three 20 each.
    assert e_benjamini_hochberg([59.0, 1.0, 1.0], 0.05).tolist() == [False] * 3
    assert e_benjamini_hochberg([31.0, 1.0, 30.0], 0.05).tolist() == [True, False, True]
    assert e_benjamini_hochberg([], 0.05).size == 0
    with pytest.raises(BadParameterError):
        e_benjamini_hochberg([-1.0], 0.05)


def test_e_values_keep_the_rate_however_they_depend():
    rng = np.random.default_rng(6)
    shares = []
    for _ in range(400):
        null = np.repeat(np.exp(3 * rng.normal() - 4.5), 50)  # one e-value, fifty times
        found = e_benjamini_hochberg(np.concatenate((null, np.full(10, 500.0))), 0.1)
        shares.append(found[:50].sum() / max(found.sum(), 1))
    assert np.mean(shares) <= 0.1
