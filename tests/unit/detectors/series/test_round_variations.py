"""Many subjects at once: each has the variation that `estimate_variation` finds of it alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Histogram, estimate_variation, estimate_variations
from detectors.errors import BadParameterError, NegativeCountError, NotFiniteError, ShapeError


def rounds_of(seed: int, rounds: int, subjects: int, bins: int, missing: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(bins, 3.0), size=(rounds, subjects))
    counts = rng.poisson(shares * rng.uniform(5, 500, (rounds, subjects, 1))).astype(float)
    counts[rng.uniform(size=(rounds, subjects)) < missing] = 0.0
    return counts


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    rounds=st.integers(2, 9),
    bins=st.integers(2, 12),
    missing=st.sampled_from([0.0, 0.3]),
    categorical=st.booleans(),
)
def test_each_subject_has_the_variation_it_has_alone(seed, rounds, bins, missing, categorical):
    counts = rounds_of(seed, rounds, 10, bins, missing)
    found = estimate_variations(counts, categorical)
    n_current = np.random.default_rng(seed).uniform(1, 1e4, 10)
    values, weights = found.spread(n_current)
    for subject in range(10):
        told = [row for row in counts[:, subject] if row.sum() > 0]
        assert found.rounds[subject] == len(told)
        if len(told) < 2:
            assert np.isinf(values[subject]).all()
            continue
        edges = np.arange(bins + 1.0)
        one = estimate_variation([Histogram(edges, row, categorical) for row in told])
        for name in ("variance", "sampling", "n", "concentration", "tau_squared"):
            bulk = getattr(found, name)[subject]
            assert bulk == pytest.approx(getattr(one, name), rel=1e-8, abs=1e-15), name
        spread = one.spread(n_current[subject])
        assert values[subject] == pytest.approx(spread.values, rel=1e-8)
        assert weights == pytest.approx(spread.weights)


def test_blocks_and_threads_change_nothing():
    counts = rounds_of(5, 6, 5_000, 20, 0.1)
    whole = estimate_variations(counts)
    part = estimate_variations(counts[:, 1_234:1_240])
    assert np.array_equal(whole.variance[1_234:1_240], part.variance)
    assert np.array_equal(whole.concentration[1_234:1_240], part.concentration)


def test_equal_rounds_and_constants_have_no_variance_between_them():
    equal = np.tile([10.0, 20.0, 30.0], (3, 1, 1))
    assert estimate_variations(equal).tau_squared.tolist() == [0.0]
    constant = np.tile([10.0, 0.0], (3, 1, 1))
    assert estimate_variations(constant).variance.tolist() == [0.0]


def test_a_subject_that_never_told_is_known_nothing_of():
    found = estimate_variations(np.zeros((3, 2, 4)))
    assert found.rounds.tolist() == [0, 0]
    assert np.isinf(found.tau_squared).all()
    assert np.isinf(found.spread([5.0, 5.0])[0]).all()
    assert estimate_variations(np.zeros((0, 2, 4))).rounds.tolist() == [0, 0]
    assert estimate_variations(np.zeros((3, 0, 4))).variance.size == 0


def test_what_cannot_be_estimated_is_refused():
    with pytest.raises(ShapeError):
        estimate_variations(np.ones((3, 2)))
    with pytest.raises(ShapeError):
        estimate_variations(np.ones((3, 2, 1)))
    with pytest.raises(NotFiniteError):
        estimate_variations(np.full((3, 2, 4), np.nan))
    with pytest.raises(NegativeCountError):
        estimate_variations(np.full((3, 2, 4), -1.0))
    found = estimate_variations(np.ones((3, 2, 4)))
    with pytest.raises(ShapeError):
        found.spread([1.0])
    for bad in (0.0, np.nan, np.inf):
        with pytest.raises(BadParameterError):
            found.spread([1.0, bad])
