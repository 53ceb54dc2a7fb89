"""Many pairs of categorical counts at once, and Kolmogorov-Smirnov with rounds as the unit."""

import numpy as np
import pytest

from detectors import (
    Histogram,
    energy_categories,
    energy_histogram,
    estimate_variation,
    estimate_variations,
    ks_histogram,
    ks_histograms,
)
from detectors.errors import EmptySampleError, NegativeCountError, NotFiniteError, ShapeError

PAIRS, ROUNDS = 40, 6


def rounds_and_current(seed: int, n: int, bins: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(bins, 2.0), size=PAIRS)
    rounds = rng.poisson(shares * n, size=(ROUNDS, PAIRS, bins)) + 1.0
    moved = shares * np.exp(rng.normal(0, 0.2, shares.shape))
    return rounds, rng.poisson(moved * n) + 1.0


def categories(counts: np.ndarray) -> Histogram:
    return Histogram.of_categories(counts)


@pytest.mark.parametrize("bins", [2, 3, 7, 30])
@pytest.mark.parametrize("n", [100, 5_000])
@pytest.mark.parametrize("vary", [False, True])
def test_each_pair_of_categories_is_judged_as_it_would_be_alone(bins, n, vary):
    rounds, current = rounds_and_current(bins, n, bins)
    reference = rounds.sum(axis=0)
    found = energy_categories(
        reference,
        current,
        variations=estimate_variations(rounds, categorical=True) if vary else None,
    )
    for pair in range(PAIRS):
        variation = estimate_variation([categories(r) for r in rounds[:, pair]]) if vary else None
        one = energy_histogram(
            categories(reference[pair]), categories(current[pair]), variation=variation
        )
        assert found.statistics[pair] == pytest.approx(one.statistic, rel=1e-8)
        assert found.effects[pair] == pytest.approx(one.effect, rel=1e-8)
        # Above 2% by three moments and below by all eigenvalues, as the other is everywhere; what
        # sampling adds to the fourth cumulant, the other alone knows.
        assert found.p_values[pair] == pytest.approx(one.p_value, rel=0.15 if n > 100 else 0.5)
        detectable = found.minimum_detectable_effects[pair]
        assert detectable == pytest.approx(one.minimum_detectable_effect, rel=1e-8)
    assert found.n_current == pytest.approx(current.sum(axis=1))


@pytest.mark.parametrize(("bins", "n"), [(2, 100), (5, 1_000), (30, 300), (10, 100_000)])
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_the_false_alarm_rate_is_what_was_asked(bins, n, alpha):
    rng = np.random.default_rng(bins)
    shares = rng.dirichlet(np.ones(bins), size=20_000)
    p_values = energy_categories(rng.multinomial(4 * n, shares), rng.multinomial(n, shares))
    rate = np.mean(p_values.p_values <= alpha)
    assert 0.75 * alpha < rate < 1.25 * alpha


@pytest.mark.parametrize("concentration", [100.0, 1e6])
def test_rounds_that_vary_do_not_alarm(concentration):
    rng = np.random.default_rng(9)
    mean = rng.dirichlet(np.full(6, 3.0), size=2_000)
    gammas = rng.standard_gamma(np.broadcast_to(mean * concentration, (9, *mean.shape)))
    rounds = rng.multinomial(2_000, gammas / gammas.sum(axis=2, keepdims=True)).astype(float)
    reference, current = rounds[:8].sum(axis=0), rounds[8]
    energy = energy_categories(
        reference, current, variations=estimate_variations(rounds[:8], categorical=True)
    )
    ks = ks_histograms(reference.T, current.T, variations=estimate_variations(rounds[:8]))
    for p_values in (energy.p_values, ks.p_values):
        assert np.mean(p_values <= 0.05) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 2_000)
    unaware = energy_categories(reference, current).p_values
    assert np.mean(unaware <= 0.05) > 0.9 or concentration > 100


@pytest.mark.parametrize("n", [100, 5_000])
def test_ks_with_rounds_as_the_unit_is_no_bolder_than_alone(n):
    rounds, current = rounds_and_current(3, n, 12)
    reference, edges = rounds.sum(axis=0), np.arange(13.0)
    found = ks_histograms(reference.T, current.T, variations=estimate_variations(rounds))
    for pair in range(PAIRS):
        variation = estimate_variation([Histogram(edges, row) for row in rounds[:, pair]])
        one = ks_histogram(
            Histogram(edges, reference[pair]), Histogram(edges, current[pair]), variation=variation
        )
        assert found.statistics[pair] == pytest.approx(one.statistic, rel=1e-8)
        assert found.p_values[pair] >= one.p_value * 0.98
        assert found.p_values[pair] <= min(1.0, 10 * one.p_value)


def test_without_two_rounds_nothing_is_said():
    counts = np.array([[5.0, 5.0, 9.0]])
    unknown = estimate_variations(counts[np.newaxis], categorical=True)
    moved = np.array([[90.0, 1.0, 1.0]])
    assert energy_categories(counts, moved, variations=unknown).p_values.item() == pytest.approx(1)
    gaps = ks_histograms(counts.T, moved.T, variations=unknown)
    assert gaps.p_values.item() == pytest.approx(1)
    assert np.isinf(gaps.minimum_detectable_effects()).all()
    shifts = energy_categories(counts, moved, variations=unknown)
    assert np.isinf(shifts.minimum_detectable_effects).all()


def test_the_order_of_categories_changes_nothing():
    _, current = rounds_and_current(4, 300, 8)
    order = np.random.default_rng(0).permutation(8)
    plain = energy_categories(current, current[::-1])
    mixed = energy_categories(current[:, order], current[::-1][:, order])
    assert mixed.p_values == pytest.approx(plain.p_values, rel=1e-9)


def test_no_pairs_are_no_answer():
    assert energy_categories(np.ones((0, 3)), np.ones((0, 3))).p_values.size == 0


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ([1.0, 2.0], ShapeError),
        ([[1.0]], ShapeError),
        ([[1.0, 2.0], [1.0, 2.0]], ShapeError),
        ([[np.nan, 1.0]], NotFiniteError),
        ([[-1.0, 3.0]], NegativeCountError),
        ([[0.0, 0.0]], EmptySampleError),
    ],
)
def test_what_cannot_be_compared_is_refused(bad, error):
    for pair in ((bad, [[1.0, 2.0]]), ([[1.0, 2.0]], bad)):
        with pytest.raises(error):
            energy_categories(*pair)
    one = estimate_variations(np.ones((3, 2, 2)))
    with pytest.raises(ShapeError):
        energy_categories([[1.0, 2.0]], [[1.0, 2.0]], variations=one)
