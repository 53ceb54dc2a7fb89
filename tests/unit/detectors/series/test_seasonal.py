"""Seasonal differences and what they do to variance and correlation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import BadParameterError, NotFiniteError, ShapeError, TooFewError
from detectors.series.seasonal import difference_correlation, phase_design, seasonal_difference


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=5), st.integers(2, 5))
def test_a_season_alone_leaves_nothing(season, cycles):
    values = np.tile(np.array(season, dtype=float), cycles)
    assert (seasonal_difference(values, len(season)) == 0).all()


def test_many_streams_are_differenced_as_each_alone():
    values = np.random.default_rng(1).normal(size=(20, 3))
    both = seasonal_difference(values, 7)
    assert both.shape == (13, 3)
    assert (both[:, 1] == seasonal_difference(values[:, 1], 7)).all()


@pytest.mark.parametrize("rho", [0.0, 0.7, -0.4])
def test_correlations_are_those_of_simulated_differences(rho):
    rng = np.random.default_rng(2)
    values = rng.normal(size=(40, 20_000))
    values[0] /= np.sqrt(1 - rho**2)
    for now in range(1, 40):
        values[now] += rho * values[now - 1]
    differences = seasonal_difference(values, 5)
    variance = 2 * (1 - rho**5) / (1 - rho**2)
    assert differences.var() == pytest.approx(variance, rel=0.02)
    lags = np.array([0, 1, 4, 5, 6, 10])
    measured = [np.mean(differences[0] * differences[lag]) / variance for lag in lags]
    assert measured == pytest.approx(difference_correlation(rho, 5, lags), abs=0.03)


def test_phases_go_round():
    design = phase_design(3, 2, 4)
    assert design.argmax(axis=1).tolist() == [2, 0, 1, 2]
    assert (design.sum(axis=1) == 1).all()


def test_what_cannot_be_differenced_is_refused():
    for values, period, error in (
        ([1.0, 2.0], 2, TooFewError),
        ([], 1, TooFewError),
        ([1.0, 2.0], 0, BadParameterError),
        ([1.0, np.inf], 1, NotFiniteError),
        (1.0, 1, ShapeError),
    ):
        with pytest.raises(error):
            seasonal_difference(values, period)
    with pytest.raises(BadParameterError):
        difference_correlation(1.0, 7, [1])
