import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors.clients.rates import effective_counts, mid_p, noised_p, rate_variance

SIZES = st.integers(1, 60)


@settings(max_examples=60, deadline=None)
@given(n_a=SIZES, n_b=SIZES, data=st.data())
def test_mid_p_is_fishers_tails_less_half_of_what_was_seen(n_a, n_b, data):
    a, b = data.draw(st.integers(0, n_a)), data.draw(st.integers(0, n_b))
    table = [[b, n_b - b], [a, n_a - a]]
    seen = stats.hypergeom(n_a + n_b, a + b, n_b).pmf(b) / 2
    tails = [stats.fisher_exact(table, side).pvalue - seen for side in ("less", "greater")]
    assert float(mid_p(a, n_a, b, n_b)) == pytest.approx(
        min(2 * min(tails), 1), rel=1e-9, abs=1e-12
    )
    assert float(mid_p(b, n_b, a, n_a)) == pytest.approx(float(mid_p(a, n_a, b, n_b)), rel=1e-9)


def test_a_billion_examples_are_like_normal_ones():
    n, a, b = 1e9, 2e8, 2e8 + 50_000
    z = (b - a) / np.sqrt(2 * n * 0.2 * 0.8)
    assert float(mid_p(a, n, b, n)) == pytest.approx(2 * stats.norm.sf(z), rel=1e-2)


def test_few_examples_beside_a_billion_are_nearly_binomial():
    # The share of a billion is as good as known, and Fisher's tails go over to the binomial's.
    binomial = stats.binom(50, 0.25)
    exact = 2 * (binomial.sf(20) + binomial.pmf(20) / 2)
    assert float(mid_p(2.5e11, 1e12, 20, 50)) == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize("table", [(40_000, 90_000, 45, 80), (3, 70_000, 9, 80_000)])
def test_tails_summed_are_the_librarys(table, monkeypatch):
    summed = float(mid_p(*table))
    monkeypatch.setattr("detectors.clients.rates.LIBRARY_TO", 1e6)
    assert summed == pytest.approx(float(mid_p(*table)), rel=1e-7)  # the library's digits


@pytest.mark.parametrize(("rate", "n_a", "n_b"), [(0.01, 300, 70), (0.2, 70, 70), (0.5, 5000, 20)])
def test_noised_p_values_are_uniform_where_nothing_changed(rate, n_a, n_b):
    rng = np.random.default_rng(5)
    repeats, sd = 4000, np.sqrt(2)
    a, b = rng.binomial(n_a, rate, repeats), rng.binomial(n_b, rate, repeats)
    noise = rng.laplace(size=(4, repeats))
    sides = (a + noise[0], n_a + noise[0] + noise[1], b + noise[2], n_b + noise[2] + noise[3])
    p_values = noised_p(*sides, sd, sd)
    for level in (0.01, 0.05):
        band = 3 * np.sqrt(level * (1 - level) / repeats)
        assert np.mean(p_values <= level) <= level + band
        assert np.mean(p_values <= level) >= level / 2 - band


def test_noised_p_values_have_the_tails_of_laplace_noise():
    gaps, n = np.array([10_000.0, 20_000.0]), 1e6
    p_values = noised_p(0.0, n, gaps, n, 1000.0, 1000.0)
    # Far out the sum of two Laplace noises falls by exp(-sqrt(2)) per standard deviation.
    assert np.diff(np.log(p_values)) == pytest.approx(-10 * np.sqrt(2), rel=0.1)


def test_little_noise_is_no_noise():
    exact = mid_p(100, 1000, 140, 1000)
    assert float(noised_p(100, 1000, 140, 1000, 1e-3, 1e-3)) == pytest.approx(
        float(exact), rel=0.05
    )


def test_a_side_without_examples_says_nothing():
    assert mid_p([0, 3], [0, 9], [3, 0], [9, 0]).tolist() == [1, 1]
    assert noised_p([0.2, 3], [0.1, 9], [3, -1], [9, -2], 1.0, 1.0).tolist() == [1, 1]


def test_exact_counts_count_in_full_and_noised_ones_as_much_as_they_tell():
    hits, n = effective_counts([3.0, 30.0], [10.0, 100.0], 0.0)
    assert (hits.tolist(), n.tolist()) == ([3.0, 30.0], [10.0, 100.0])
    hits, n = effective_counts(300.0, 1000.0, 20.0)
    assert float(hits / n) == pytest.approx(0.3)
    assert 0.3 * 0.7 / float(n) == pytest.approx(float(rate_variance(0.3, 1000.0, 20.0)), rel=0.02)
    hits, n = effective_counts([-5.0, 1.0, 12.0], [1000.0, -3.0, 10.0], 3.0)
    assert (hits >= 0).all()
    assert (hits <= n).all()
    assert n[0] > 100, "noise that hides a rate near 0 does not make the examples worthless"
    assert n[1] == 0
