"""The tail of a weighted sum of squared normals: its saddle point is found, whatever the weights.

How good the tail itself is, is tested in `test_agreement.py`.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.two_sample import quadratic
from detectors.two_sample.quadratic import quadratic_tail

AWAY_FROM_MEAN = [1e-9, 1e-3, 0.3, 0.98, 1.02, 1.5, 3.0, 30.0, 1e4]


def by_halving(x: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """The readable reference: the root lies between 1 / x and k / x."""
    low, high = -np.log(x), np.log(ratios.size) - np.log(x)
    for _ in range(48):
        middle = (low + high) / 2
        slopes = (ratios / (1 - ratios + ratios * np.exp(middle)[:, np.newaxis])).sum(axis=1)
        low, high = np.where(slopes > x, middle, low), np.where(slopes > x, high, middle)
    return np.exp((low + high) / 2)


def spectra() -> list[np.ndarray]:
    rng = np.random.default_rng(20_261_121)
    one_of_all_sizes = np.logspace(-9, 9, 200)
    one_and_a_crowd = np.append(1.0, np.full(999, 1e-3))
    steep = [1 / np.arange(1.0, 500) ** power for power in (0.5, 1.0, 2.0, 4.0)]
    skewed = [rng.exponential(size=size) ** 4 for size in (2, 19, 63)]
    return [np.ones(1), np.ones(1_000) * 1e-30, one_of_all_sizes, one_and_a_crowd, *steep, *skewed]


@pytest.mark.parametrize("eigenvalues", spectra())
def test_the_tail_is_that_of_a_root_found_by_halving(
    eigenvalues: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = eigenvalues.sum() * np.array(AWAY_FROM_MEAN)
    found = quadratic_tail(points, eigenvalues)
    monkeypatch.setattr(quadratic, "_saddle_point", by_halving)
    assert found == pytest.approx(quadratic_tail(points, eigenvalues), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("eigenvalues", spectra())
def test_the_tail_falls_smoothly_across_the_mean(eigenvalues: np.ndarray) -> None:
    deviation = np.sqrt(2 * eigenvalues @ eigenvalues)
    points = eigenvalues.sum() + deviation * np.linspace(-0.3, 0.3, 401)
    falls = -np.diff(quadratic_tail(points, eigenvalues))
    assert (falls > 0).all()
    assert falls.max() < 3 * falls.min()


@settings(max_examples=30, deadline=None)
@given(
    eigenvalues=st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=30),
    scale=st.floats(1e-9, 1e9),
)
def test_the_tail_has_no_unit(eigenvalues: list[float], scale: float) -> None:
    values = np.array(eigenvalues)
    points = values.sum() * np.array(AWAY_FROM_MEAN)
    tail = quadratic_tail(points, values)
    assert (tail >= 0).all()
    assert (tail <= 1).all()
    scaled = quadratic_tail(points * scale, values * scale)
    assert scaled == pytest.approx(tail, rel=1e-6, abs=1e-300)


def test_steps_converge_long_before_they_are_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.logspace(-12, 6, 50)
    whole = [quadratic_tail(points * values.sum(), values) for values in spectra()]
    monkeypatch.setattr(quadratic, "_MOST_STEPS", 16)
    for tail, values in zip(whole, spectra(), strict=True):
        assert np.array_equal(quadratic_tail(points * values.sum(), values), tail)
