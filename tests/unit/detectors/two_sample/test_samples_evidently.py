"""What Evidently's score of a column means, beside a p-value."""

import warnings

import numpy as np
import pandas as pd
import pytest

from detectors.two_sample.wasserstein import wasserstein_samples


def wasserstein_score(reference: np.ndarray, current: np.ndarray) -> float:
    """The drift score that Evidently's default test for over 1,000 rows gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations.stattests import wasserstein_stat_test
        from evidently.legacy.core import ColumnType

        found = wasserstein_stat_test(
            pd.Series(reference), pd.Series(current), ColumnType.Numerical, 0.1
        )
    return float(found.drift_score)


def test_evidentlys_wasserstein_score_is_a_distance_and_no_p_value():
    """It is in standard deviations of the reference: 0 for equal tables, without end for others."""
    rng = np.random.default_rng(9)
    reference = rng.normal(10.0, 4.0, size=2000)
    for shift in (0.0, 2.0, 8.0):
        distance = wasserstein_samples(reference, reference + shift).effect
        score = wasserstein_score(reference, reference + shift)
        assert score == pytest.approx(distance / reference.std(), rel=1e-9, abs=1e-12)
    assert score > 1
    assert wasserstein_samples(reference, reference + shift).p_value < 1e-50


def test_at_its_threshold_small_samples_drift_by_chance_alone():
    """A tenth of a deviation is what sampling moves 150 rows by; the p-value knows how many."""
    rng = np.random.default_rng(10)
    scores, p_values = [], []
    for _ in range(40):
        reference, current = rng.normal(size=150), rng.normal(size=150)
        scores.append(wasserstein_score(reference, current))
        p_values.append(wasserstein_samples(reference, current).p_value)
    assert np.mean(np.array(scores) >= 0.1) > 0.5
    assert np.mean(np.array(p_values) <= 0.05) < 0.2
