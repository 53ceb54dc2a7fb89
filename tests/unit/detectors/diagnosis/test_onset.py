import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.diagnosis.onset import onset_of
from detectors.errors import (
    BadParameterError,
    BadWeightError,
    EmptySampleError,
    NotFiniteError,
)

WEIGHTS = st.lists(st.integers(0, 100), min_size=1, max_size=30).filter(any)


@settings(max_examples=100, deadline=None)
@given(weights=WEIGHTS, scale=st.sampled_from([1e-6, 1.0, 1e6]), coverage=st.floats(0.1, 0.99))
def test_the_interval_holds_what_it_says_and_is_the_shortest(weights, scale, coverage):
    mass = np.array(weights) / sum(weights)
    onset = onset_of(np.array(weights) * scale, coverage)
    held = mass[onset.low : onset.high + 1].sum()
    assert onset.low <= onset.high
    assert held == pytest.approx(onset.coverage, abs=1e-9)
    assert held >= coverage - 1e-9
    shorter = onset.high - onset.low
    assert all(mass[i : i + shorter].sum() < coverage for i in range(mass.size) if shorter)
    assert mass[: onset.round + 1].sum() >= 0.5 - 1e-9
    assert mass[: onset.round].sum() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        ([], EmptySampleError),
        ([0.0, 0.0], BadWeightError),
        ([1.0, -1.0], BadWeightError),
        ([np.nan], NotFiniteError),
    ],
)
def test_bad_weights_are_refused(weights, error):
    with pytest.raises(error):
        onset_of(weights)
    with pytest.raises(BadParameterError):
        onset_of([1.0], coverage=1.0)
