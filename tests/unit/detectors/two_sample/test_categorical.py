"""Categorical tests: scipy's where they compute the same, exact where counts are few."""

from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Histogram, chi_square, g_test
from detectors.errors import BadParameterError, EdgesDifferError, EmptySampleError

of = Histogram.of_categories
TESTS = [(chi_square, "pearson"), (g_test, "log-likelihood")]
each = pytest.mark.parametrize(("test", "scipys"), TESTS, ids=["chi-square", "g"])


@each
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**20), categories=st.integers(2, 12))
def test_large_counts_are_scipys(test, scipys, seed, categories):
    rng = np.random.default_rng(seed)
    table = rng.integers(20, 200, size=(2, categories))
    ours = test(of(table[0]), of(table[1]))
    theirs = scipy.stats.chi2_contingency(table, correction=False, lambda_=scipys)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


@each
def test_two_by_two_is_fishers_where_the_orders_agree(test, scipys):
    for table in ([[8, 2], [1, 5]], [[3, 0], [0, 3]], [[6, 1], [2, 5]]):
        theirs = scipy.stats.fisher_exact(table).pvalue
        assert test(of(table[0]), of(table[1])).p_value == pytest.approx(theirs, rel=1e-9)


@each
def test_small_tables_are_enumerated(test, scipys):
    """Against every assignment of the examples to sides, one by one."""
    first, second = np.array([3, 1, 0]), np.array([0, 2, 2])
    labels = np.repeat(np.arange(3), first + second)
    observed = test(of(first), of(second))
    beyond = whole = 0
    for sides in product((0, 1), repeat=labels.size):
        chosen = np.array(sides, dtype=bool)
        if chosen.sum() != first.sum():
            continue
        table = [np.bincount(labels[mask], minlength=3) for mask in (chosen, ~chosen)]
        whole += 1
        beyond += test(of(table[0]), of(table[1])).statistic >= observed.statistic * (1 - 1e-9)
    assert observed.p_value == pytest.approx(beyond / whole, rel=1e-9)


@each
@pytest.mark.parametrize(("n", "categories"), [(8, 3), (20, 6), (40, 25)])
def test_false_alarms_are_no_more_than_asked_for(test, scipys, n, categories):
    rng = np.random.default_rng([n, categories])
    shares = rng.dirichlet(np.ones(categories))
    pairs = (rng.multinomial(n, shares, size=2) for _ in range(300))
    p_values = np.array([test(of(x), of(y)).p_value for x, y in pairs])
    for level in (0.05, 0.2):
        assert np.mean(p_values <= level) <= level + 3 * np.sqrt(level * (1 - level) / 300)


@each
def test_a_category_that_one_side_never_saw_counts(test, scipys):
    before, after = of([500, 500, 0]), of([450, 450, 100])
    assert test(before, after).p_value < 1e-9
    assert test(before, after).effect == pytest.approx(0.1)


@each
def test_a_category_that_nobody_saw_does_not(test, scipys):
    with_it, without = (of([30, 40, 0]), of([45, 25, 0])), (of([30, 40]), of([45, 25]))
    assert test(*with_it) == test(*without)


@each
@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(5)))
def test_the_order_of_categories_does_not_matter(test, scipys, order):
    p, q = np.array([40, 30, 20, 10, 9]), np.array([25, 30, 20, 25, 11])
    before, after = test(of(p), of(q)), test(of(p[list(order)]), of(q[list(order)]))
    assert after.p_value == pytest.approx(before.p_value, rel=1e-9)
    assert after.minimum_detectable_effect == pytest.approx(before.minimum_detectable_effect)


@each
def test_the_minimum_detectable_effect_is_found_as_often_as_it_says(test, scipys):
    rng = np.random.default_rng(5)
    shares, n = np.array([0.4, 0.35, 0.25]), 400
    moved = shares + test(of(shares * n), of(shares * n)).minimum_detectable_effect * np.array(
        [1, -1, 0]
    )
    pairs = ((rng.multinomial(n, shares), rng.multinomial(n, moved)) for _ in range(400))
    found = np.mean([test(of(x), of(y)).p_value <= 0.05 for x, y in pairs])
    assert found == pytest.approx(0.8, abs=0.07)


@each
def test_taking_the_reference_for_known_alarms_too_often(test, scipys):
    """What a one-sample test does, Evidently's chi-square among them."""
    rng = np.random.default_rng(6)
    shares = np.full(8, 1 / 8)
    pairs = [rng.multinomial(400, shares, size=2) for _ in range(400)]
    known = np.mean([scipy.stats.chisquare(y, x).pvalue <= 0.05 for x, y in pairs])
    ours = np.mean([test(of(x), of(y)).p_value <= 0.05 for x, y in pairs])
    assert known > 0.2
    assert ours <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


@each
def test_what_cannot_be_tested_is_refused(test, scipys):
    with pytest.raises(EdgesDifferError):
        test(of([1, 2]), of([1, 2, 3]))
    with pytest.raises(EmptySampleError):
        test(of([0, 0]), of([1, 2]))
    with pytest.raises(BadParameterError, match="energy_histogram"):
        test(of([1, 2]), of([1, 2], noise_sd=1.0))
    with pytest.raises(BadParameterError):
        test(of([1, 2]), of([1, 2]), alpha=1.5)


@each
def test_one_category_says_nothing(test, scipys):
    result = test(of([9, 0]), of([4, 0]))
    assert (result.statistic, result.p_value, result.minimum_detectable_effect) == (0, 1, 1)


@each
def test_weighted_counts_are_judged_by_their_totals(test, scipys):
    result = test(of([1.5, 2.5]), of([3.25, 0.75]))
    assert 0 < result.p_value < 1


@each
def test_a_billion_rows_are_counts_like_any_others(test, scipys):
    result = test(of([6e8, 4e8]), of([6e8 + 2e5, 4e8 - 2e5]))
    assert result.p_value < 1e-6
    assert result.effect == pytest.approx(2e-4)
