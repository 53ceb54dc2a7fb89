"""The battery for screens: tests that judge many pairs at once, each as it would be alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Histogram, ks_histogram, ks_histograms, ks_many, ks_samples
from detectors.errors import EmptySampleError, NotFiniteError, OutOfRangeError, ShapeError

PAIRS, VALUES = 400, 60
EDGES = np.concatenate(([-24.0], np.linspace(-2.0, 2.0, 9), [24.0]))
Screen = Callable[[np.ndarray, np.ndarray], Any]


def counted(rows: np.ndarray) -> np.ndarray:
    """Counts of samples (pairs, values), bin-major: (bins, pairs)."""
    return np.stack([np.histogram(row, EDGES)[0] for row in rows], axis=1).astype(np.float64)


def alone_in_bins(x: np.ndarray, y: np.ndarray) -> float:
    return ks_histogram(Histogram.of_values(x, EDGES), Histogram.of_values(y, EDGES)).statistic


@dataclass(frozen=True)
class Entry:
    """A screen of samples (pairs, values), and what judges one pair alone."""

    name: str
    screen: Screen
    alone: Callable[[np.ndarray, np.ndarray], float]
    conservative: bool = False


SCREENS = [
    Entry("ks-many", ks_many, lambda x, y: ks_samples(x, y).statistic),
    Entry(
        "ks-histograms",
        lambda x, y: ks_histograms(counted(x), counted(y)),
        alone_in_bins,
        conservative=True,
    ),
]
every = pytest.mark.parametrize("entry", SCREENS, ids=lambda entry: entry.name)


def drawn(seed: int, shift: float = 0.0, pairs: int = PAIRS) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(pairs, VALUES)), rng.normal(shift, size=(pairs, VALUES))


@every
def test_identical_samples_do_not_alarm(entry: Entry) -> None:
    x, _ = drawn(1)
    found = entry.screen(x, x)
    assert (found.statistics == 0).all()
    assert (found.p_values == 1).all()


@every
def test_constant_samples_do_not_alarm(entry: Entry) -> None:
    assert (entry.screen(np.ones((5, 9)), np.ones((5, 12))).p_values == 1).all()


@every
def test_false_alarms_are_as_rare_as_asked_for(entry: Entry) -> None:
    p_values = entry.screen(*drawn(2)).p_values
    for level in (0.05, 0.2):
        band = 3 * np.sqrt(level * (1 - level) / PAIRS)
        # D of 60 values a side comes in steps: the p-values just below are 4.7% and 18.2%.
        assert np.mean(p_values <= level) <= level + band
        assert entry.conservative or np.mean(p_values <= level) >= 0.9 * level - band


@every
def test_a_large_shift_is_found_in_every_pair(entry: Entry) -> None:
    assert (entry.screen(*drawn(3, shift=3.0)).p_values < 1e-6).all()


@every
def test_every_number_is_there_and_finite(entry: Entry) -> None:
    for shift in (0.0, 0.3, 9.0):
        found = entry.screen(*drawn(4, shift))
        for numbers in (found.statistics, found.p_values):
            assert numbers.shape == (PAIRS,)
            assert ((numbers >= 0) & (numbers <= 1)).all()
        assert np.all(np.equal(found.n_reference, VALUES))
        assert np.all(np.equal(found.n_current, VALUES))


@every
def test_each_pair_is_judged_as_it_would_be_alone(entry: Entry) -> None:
    x, y = drawn(5, shift=0.3, pairs=40)
    alone = [entry.alone(one, other) for one, other in zip(x, y, strict=True)]
    assert entry.screen(x, y).statistics == pytest.approx(np.array(alone), rel=1e-9)


@every
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_the_order_of_pairs_and_of_values_does_not_matter(entry: Entry, seed: int) -> None:
    x, y = drawn(seed, shift=0.5, pairs=20)
    rng = np.random.default_rng(seed)
    order, before = rng.permutation(20), entry.screen(x, y)
    after = entry.screen(rng.permuted(x[order], axis=1), rng.permuted(y[order], axis=1))
    assert np.array_equal(after.statistics, before.statistics[order])
    assert np.array_equal(after.p_values, before.p_values[order])


@pytest.mark.parametrize("screen", [ks_many, ks_histograms])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("bad", "error"),
    [(np.nan, NotFiniteError), (np.inf, NotFiniteError), (1e200, OutOfRangeError)],
)
def test_one_bad_number_is_refused_by_name(
    screen: Screen, side: int, bad: float, error: type[Exception]
) -> None:
    pair = [np.arange(1.0, 13).reshape(4, 3), np.arange(1.0, 13).reshape(4, 3)]
    pair[side][2, 1] = bad
    with pytest.raises(error):
        screen(*pair)


def test_what_does_not_fit_together_is_refused_by_name() -> None:
    with pytest.raises(ShapeError):
        ks_many(np.ones((2, 5)), np.ones((3, 5)))
    with pytest.raises(ShapeError):
        ks_histograms(np.ones((4, 2)), np.ones((4, 3)))
    with pytest.raises(EmptySampleError):
        ks_many(np.ones((2, 0)), np.ones((2, 5)))
    with pytest.raises(EmptySampleError):
        ks_histograms([[0, 1], [0, 1]], [[1, 1], [1, 1]])
