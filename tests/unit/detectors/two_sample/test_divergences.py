"""Divergences: numbers to read, with what sampling alone makes of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from detectors import Histogram, hellinger, jensen_shannon, psi
from detectors.errors import EdgesDifferError, EmptySampleError

of = Histogram.of_categories
EVERY = [psi, jensen_shannon, hellinger]
each = pytest.mark.parametrize("divergence", EVERY)
counts = st.lists(st.integers(0, 60), min_size=5, max_size=5).filter(any)


@settings(max_examples=50, deadline=None)
@given(first=counts, second=counts)
def test_jensen_shannon_is_scipys(first, second):
    ours = jensen_shannon(of(first), of(second)).value
    assert ours == pytest.approx(jensenshannon(first, second), rel=1e-9, abs=1e-7)


def test_hellinger_is_as_defined():
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    expected = np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2)
    assert hellinger(of(p * 10), of(q * 10)).value == pytest.approx(expected)


def test_psi_adds_half_a_count_to_every_bin():
    p, q = np.array([10.5, 0.5]) / 11, np.array([4.5, 6.5]) / 11
    expected = ((p - q) * np.log(p / q)).sum()
    assert psi(of([10, 0]), of([4, 6])).value == pytest.approx(expected)


@each
@settings(max_examples=30, deadline=None)
@given(first=counts, second=counts, order=st.permutations(range(5)))
def test_order_and_sides_do_not_matter(divergence, first, second, order):
    value = divergence(of(first), of(second)).value
    close = pytest.approx(value, abs=1e-7)  # the root of what rounding leaves of a sum to zero
    assert divergence(of(second), of(first)).value == close
    permuted = (of(np.array(side)[list(order)]) for side in (first, second))
    assert divergence(*permuted).value == close


@each
@settings(max_examples=30, deadline=None)
@given(first=counts, second=counts)
def test_every_number_is_finite(divergence, first, second):
    effect = divergence(of(first), of(second))
    numbers = (effect.value, effect.bias, effect.standard_error)
    assert np.isfinite(numbers).all()
    assert min(numbers) >= 0


@each
def test_equal_shares_are_at_no_distance(divergence):
    effect = divergence(of([10, 20, 30]), of([10, 20, 30]))
    assert effect.value == pytest.approx(0, abs=1e-7)


@each
def test_the_bias_is_what_sampling_adds(divergence):
    rng = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    effects = [divergence(*map(of, rng.multinomial(1000, shares, size=2))) for _ in range(300)]
    if divergence is psi:
        mean = np.mean([effect.value for effect in effects])
        assert effects[0].bias == pytest.approx(mean, rel=0.1)
    else:
        square = np.mean([effect.value**2 for effect in effects])
        assert square == pytest.approx(9 / 8 * 2 / 1000, rel=0.1)


@each
def test_the_standard_error_is_about_the_spread(divergence):
    rng = np.random.default_rng(2)
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.3, 0.4])
    effects = [
        divergence(of(rng.multinomial(500, p)), of(rng.multinomial(500, q))) for _ in range(300)
    ]
    spread = np.std([effect.value for effect in effects])
    assert np.mean([effect.standard_error for effect in effects]) == pytest.approx(spread, rel=0.2)


def test_a_quarter_of_psi_is_no_test():
    rng = np.random.default_rng(3)
    pairs = (map(of, rng.multinomial(100, np.full(20, 0.05), size=2)) for _ in range(200))
    beyond = np.mean([psi(*pair).value > 0.25 for pair in pairs])
    assert beyond > 0.5


@each
def test_noised_counts_are_projected_first(divergence):
    noised = of([12.0, -1.5, 9.0], noise_sd=1.0)
    assert np.isfinite(divergence(noised, of([10, 1, 9])).value)


@each
def test_what_cannot_be_compared_is_refused(divergence):
    with pytest.raises(EdgesDifferError):
        divergence(of([1, 2]), of([1, 2, 3]))
    with pytest.raises(EmptySampleError):
        divergence(of([0, 0]), of([1, 2]))
