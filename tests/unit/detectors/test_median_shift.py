"""The prediction limit for a median: exact size, power as promised, deaf to one outlier."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import median_shift
from detectors.errors import BadParameterError, NoSpreadError, NotFiniteError, TooFewError
from detectors.series.median_shift import median_shift_p

REFERENCE = [0.20, 0.22, 0.18, 0.21, 0.19, 0.20, 0.23, 0.17]


@pytest.mark.parametrize(("rounds", "latest"), [(5, 3), (8, 3), (8, 1), (12, 3), (30, 5)])
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_the_false_alarm_rate_is_what_was_asked(rounds: int, latest: int, alpha: float) -> None:
    rng = np.random.default_rng(20131)
    runs = 4000
    draws = rng.normal(size=(runs, rounds + latest))
    means = draws[:, :rounds].mean(axis=1)
    sds = draws[:, :rounds].std(axis=1, ddof=1)
    scores = (np.median(draws[:, rounds:], axis=1) - means) / sds
    alarms = np.mean([median_shift_p(float(score), rounds, latest) <= alpha for score in scores])
    band = 4 * np.sqrt(alpha * (1 - alpha) / runs)
    assert abs(alarms - alpha) < band


def test_a_single_round_is_student_t() -> None:
    from scipy import stats

    ours = median_shift_p(2.0, 8, 1)
    assert ours == pytest.approx(2 * stats.t.sf(2.0 / np.sqrt(1 + 1 / 8), 7), rel=2e-3)


def test_the_minimum_detectable_effect_is_found_with_the_power_promised() -> None:
    rng = np.random.default_rng(4)
    runs, rounds = 3000, 8
    # In units of the true sd: the detectable effect of a reference whose sd is exactly 1.
    unit = np.array(REFERENCE) / np.std(REFERENCE, ddof=1)
    detectable = median_shift(unit, [unit.mean()] * 3).minimum_detectable_effect
    draws = rng.normal(size=(runs, rounds + 3))
    draws[:, rounds:] += detectable
    found = np.mean([median_shift(row[:rounds], row[rounds:]).p_value <= 0.05 for row in draws])
    assert abs(found - 0.8) < 0.03


def test_one_bad_round_however_bad_moves_nothing() -> None:
    calm = median_shift(REFERENCE, [0.20, 0.21, 0.19])
    storm = median_shift(REFERENCE, [0.20, 0.21, 9.99])
    assert calm.p_value > 0.5
    assert storm.p_value > 0.5


def test_a_lasting_shift_is_found_with_its_sign() -> None:
    up, down = median_shift(REFERENCE, [0.30, 0.31, 0.29]), median_shift(REFERENCE, [0.1] * 3)
    assert up.p_value < 0.01
    assert up.effect == pytest.approx(0.10)
    assert down.p_value < 0.01
    assert down.effect == pytest.approx(-0.10)


@given(shift=st.floats(-1e3, 1e3), scale=st.floats(1e-2, 1e2), order=st.permutations(range(8)))
def test_shift_scale_and_order_change_no_p_value(
    shift: float, scale: float, order: list[int]
) -> None:
    latest = [0.25, 0.27, 0.24]
    plain = median_shift(REFERENCE, latest)
    moved = median_shift(
        [shift + scale * REFERENCE[at] for at in order], [shift + scale * x for x in latest]
    )
    assert moved.p_value == pytest.approx(plain.p_value, rel=1e-5, abs=1e-9)
    assert moved.effect == pytest.approx(scale * plain.effect, rel=1e-5, abs=1e-9)


def test_what_cannot_be_answered_is_refused_by_name() -> None:
    with pytest.raises(TooFewError):
        median_shift([1.0, 2.0, 3.0], [1.0])
    with pytest.raises(NoSpreadError):
        median_shift([1.0] * 8, [1.0] * 3)
    with pytest.raises(BadParameterError):
        median_shift(REFERENCE, [1.0, 2.0])
    with pytest.raises(NotFiniteError):
        median_shift(REFERENCE, [1.0, float("nan"), 2.0])
