import numpy as np
import pytest
import scipy.stats

from detectors.errors import BadParameterError
from detectors.sequential.blocks.block import Signal
from detectors.sequential.blocks.kswin import KswinBlock
from detectors.sequential.kswin import Kswin, largest_gap, least_gap, p_value


@pytest.mark.parametrize("size", [1, 2, 30, 200])
def test_the_p_value_of_every_gap_is_scipys(size):
    first = np.arange(size, dtype=float)
    assert p_value(1, size) == 1  # which scipy's sum misses by rounding
    for gap in range(2, size + 1):
        expected = scipy.stats.ks_2samp(first, first + gap - 0.5, method="exact").pvalue
        assert p_value(gap, size) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("alpha", "size"), [(0.005, 30), (1e-4, 30), (0.5, 8), (0.9, 100)])
def test_the_least_gap_is_the_first_that_is_rare_and_wide_enough(alpha, size):
    gap = least_gap(alpha, size)
    assert p_value(gap, size) <= alpha
    assert gap / size > 0.1
    assert p_value(gap - 1, size) > alpha or (gap - 1) / size <= 0.1


def test_no_gap_of_two_values_is_that_rare():
    assert least_gap(1e-6, 2) == 3
    detector = Kswin(alpha=1e-6, stat_size=2, window_size=4)
    for value in [0, 0, 0, 9, 9, 9]:
        detector.update(value)
        assert not detector.drift_detected


def test_the_gap_is_scipys_distance_with_ties_too():
    rng = np.random.default_rng(1)
    for _ in range(50):
        first, second = rng.integers(0, 5, (2, 12)) + rng.integers(0, 2, (2, 1))
        distance = scipy.stats.ks_2samp(first, second).statistic
        assert largest_gap(first, second) == pytest.approx(12 * distance)


def test_streams_that_start_later_have_the_draws_from_their_start():
    values = np.random.default_rng(2).integers(0, 9, (400, 1)).astype(float)
    settings = {"alpha": 0.2, "window_size": 30, "stat_size": 10, "seed": 9}
    first = KswinBlock(1, **settings)
    alone = first.run(values)
    late = KswinBlock(1, **settings)
    late.run(np.random.default_rng(3).normal(size=(77, 1)))
    late.append(1)
    both = late.run(np.hstack((values, values)))
    assert (both[:, 1:] == alone).all()
    assert (alone & Signal.DRIFT).any()


def test_a_change_of_spread_alone_is_found():
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(0, 1, (150, 50)), rng.normal(0, 30, (60, 50))])
    signals = KswinBlock(50).run(values)
    assert (signals[150:] & Signal.DRIFT).any(axis=0).mean() > 0.9


def test_sizes_that_cost_too_much_are_refused():
    with pytest.raises(BadParameterError, match="stat_size"):
        Kswin(stat_size=10_001, window_size=30_000)
    with pytest.raises(BadParameterError, match="window_size"):
        KswinBlock(1, window_size=70_000)
