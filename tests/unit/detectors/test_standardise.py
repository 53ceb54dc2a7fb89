import numpy as np
import pytest
import scipy.stats

from detectors import Standardiser, mean_shift
from detectors.errors import BadParameterError, NotFiniteError, TooFewError

LEVEL, REPEATS = 0.05, 2000
BAND = 3 * np.sqrt(LEVEL * (1 - LEVEL) / REPEATS)


def autoregressive(rng: np.random.Generator, n: int, rho: float) -> np.ndarray:
    values = [rng.normal() / np.sqrt(1 - rho**2)]
    for _ in range(n - 1):
        values.append(rho * values[-1] + rng.normal())
    return np.array(values)


@pytest.mark.parametrize("n", [3, 8, 30])
def test_scores_carry_the_uncertainty_of_mean_and_sd(n):
    rng = np.random.default_rng(n)
    false = [
        Standardiser.fit(rng.normal(size=n)).score(rng.normal()).p_value for _ in range(REPEATS)
    ]
    assert np.mean(np.array(false) <= LEVEL) == pytest.approx(LEVEL, abs=BAND)


def test_the_detectable_shift_is_found_with_the_power_asked_for():
    rng = np.random.default_rng(1)
    found, effects = 0, []
    for _ in range(REPEATS):
        reference = Standardiser(0.0, 1.0, 10000)
        shift = reference.minimum_detectable_effect(alpha=LEVEL, power=0.8, values=3)
        effects.append(shift)
        found += reference.mean_shift(rng.normal(shift, size=3)).p_value <= LEVEL
    assert found / REPEATS == pytest.approx(0.8, abs=0.03)


def test_a_single_value_is_judged_as_its_mean():
    reference = Standardiser.fit([1.0, 2.0, 4.0, 5.0])
    assert reference.score(9.0) == reference.mean_shift([9.0])


def test_the_statistic_is_the_prediction_t():
    values = np.array([0.2, 0.22, 0.19, 0.21, 0.2])
    score = Standardiser.fit(values).score(0.3)
    expected = (0.3 - values.mean()) / (values.std(ddof=1) * np.sqrt(1.2))
    assert score.statistic == pytest.approx(expected)
    assert score.p_value == pytest.approx(2 * scipy.stats.t.sf(expected, 4))
    assert score.effect == pytest.approx(0.3 - values.mean())


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_prewhitening_keeps_false_alarms_down(rho):
    rng = np.random.default_rng(2)
    p_values = []
    for _ in range(400):
        values = autoregressive(rng, 61, rho)
        reference = Standardiser.fit(values[:60], prewhiten=True)
        p_values.append(reference.score(values[60], previous=values[59]).p_value)
    assert np.mean(np.array(p_values) <= LEVEL) <= 0.085


def test_rho_is_estimated_with_little_bias():
    rng = np.random.default_rng(3)
    rhos = [Standardiser.fit(autoregressive(rng, 50, 0.5), prewhiten=True).rho for _ in range(500)]
    assert np.mean(rhos) == pytest.approx(0.5, abs=0.03)


def test_few_values_are_not_prewhitened():
    assert Standardiser.fit(np.arange(7.0), prewhiten=True).rho == 0
    assert Standardiser.fit(np.arange(30.0)).rho == 0


def test_equal_values_leave_a_floor():
    reference = Standardiser.fit([0.2, 0.2, 0.2])
    assert reference.score(0.2).p_value == pytest.approx(1)
    assert reference.score(0.3).p_value < 1e-6
    assert Standardiser.fit([0.2, 0.2, 0.2], sd_floor=0.1).score(0.3).p_value > 0.3


def test_a_shift_of_the_mean_is_reported_in_the_metrics_unit():
    result = mean_shift([0.2, 0.22, 0.18, 0.21], [0.4, 0.42])
    assert result.effect == pytest.approx(0.41 - 0.2025)
    assert (result.n_reference, result.n_current) == (4, 2)


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(TooFewError):
        Standardiser.fit([1.0])
    with pytest.raises(NotFiniteError):
        Standardiser.fit([1.0, 2.0]).score(float("nan"))
    with pytest.raises(BadParameterError):
        Standardiser.fit([1.0, 2.0], sd_floor=-1.0)
    with pytest.raises(BadParameterError):
        Standardiser.fit([1.0, 2.0]).minimum_detectable_effect(values=0)


@pytest.mark.parametrize("rho", [0.0, 0.6])
@pytest.mark.parametrize("previous", [None, 0.3])
def test_consecutive_values_are_scored_as_one_after_the_other(rho, previous):
    values = np.random.default_rng(3).normal(size=20)
    reference = Standardiser(0.1, 1.3, 12, rho)
    found = reference.scores(values, previous)
    before = [previous, *values[:-1]]
    for at, (value, last) in enumerate(zip(values, before, strict=True)):
        one = reference.score(value, last)
        assert found.statistics[at] == pytest.approx(one.statistic, rel=1e-12)
        assert found.p_values[at] == pytest.approx(one.p_value, rel=1e-12)
        assert found.effects[at] == pytest.approx(one.effect, rel=1e-12)
