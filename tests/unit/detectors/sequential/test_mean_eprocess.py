import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from detectors.sequential.blocks.block import Signal
from detectors.sequential.blocks.mean_eprocess import MeanEProcessBlock
from detectors.sequential.mean_eprocess import BETS, MeanEProcess

STREAMS = 4000


def standardised(rng, reference_size, values):
    """Streams of standard normal values in units of a reference's own mean and spread."""
    reference = rng.normal(size=(reference_size, values.shape[1]))
    return (values - reference.mean(axis=0)) / reference.std(axis=0, ddof=1)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
@pytest.mark.parametrize("reference_size", [0, 2, 8, 30])
def test_it_ever_alarms_falsely_no_more_often_than_asked(alpha, reference_size):
    """1,000 looks a stream; what was estimated from the reference is part of the risk."""
    rng = np.random.default_rng(reference_size)
    values = 7 + 3 * rng.normal(size=(1000, STREAMS))
    if reference_size:
        values = standardised(rng, reference_size, rng.normal(size=values.shape))
    block = MeanEProcessBlock(STREAMS, alpha=alpha, reference_size=reference_size)
    ever = (block.run(values) & Signal.DRIFT).any(axis=0).mean()
    assert 0 < ever <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / STREAMS)


def test_its_evidence_is_worth_at_most_one_on_average():
    block = MeanEProcessBlock(20 * STREAMS, alpha=1e-9)
    block.run(np.random.default_rng(5).normal(size=(12, 20 * STREAMS)))
    worth = block.e_values
    assert worth.mean() <= 1 + 3 * worth.std() / np.sqrt(worth.size)
    assert worth.mean() > 0.6


@pytest.mark.parametrize(("reference_size", "quiet"), [(8, 20), (30, 0), (30, 200), (0, 100)])
def test_a_shift_of_three_deviations_is_found_within_ten_values(reference_size, quiet):
    rng = np.random.default_rng(6)
    values = rng.normal(size=(quiet + 10, 500))
    values[quiet:] += 3
    if reference_size:
        values = standardised(rng, reference_size, values)
    signals = MeanEProcessBlock(500, alpha=0.05, reference_size=reference_size).run(values)
    assert (signals[quiet:] & Signal.UP).any(axis=0).mean() > 0.95


@pytest.mark.parametrize(("shift", "way"), [(5.0, "up"), (-5.0, "down")])
def test_it_says_which_way(shift, way):
    detector = MeanEProcess(alpha=0.01, reference_size=30)
    steps = 0
    while not detector.drift_detected:
        assert detector.direction is None
        detector.update(shift)
        steps += 1
    assert (detector.direction.value, steps <= 3) == (way, True)
    detector.update(0.0)
    assert not detector.drift_detected
    assert detector.e_value < 1


@given(
    scale=st.sampled_from([0.001, 1.0, 1024.0]),
    shift=st.floats(-100, 100),
    seed=st.integers(0, 50),
)
def test_without_a_reference_the_unit_does_not_matter(scale, shift, seed):
    plain, moved = MeanEProcess(alpha=1e-6), MeanEProcess(alpha=1e-6)
    for value in np.random.default_rng(seed).normal(0, 1, 30):
        plain.update(value)
        moved.update(shift + scale * value)
    assert moved.e_value == pytest.approx(plain.e_value, rel=1e-6)


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 30, 1000])
def test_the_score_never_passes_the_normal_score(freedom):
    """Wallace (1959); with it, exp(b u - b^2 / 2) has a mean of at most 1."""
    residual = np.logspace(-3, 2, 200)
    score = np.sqrt((freedom - 0.5) * np.log1p(residual**2 / freedom))
    logarithm = scipy.stats.t.logsf(residual, freedom)
    normal_score = -scipy.special.ndtri_exp(logarithm)
    assert (score <= normal_score * (1 + 1e-9) + 1e-12).all()


@pytest.mark.parametrize("freedom", [1, 5, 50])
@pytest.mark.parametrize("bet", BETS)
def test_no_bet_is_expected_to_win(freedom, bet):
    def winnings(residual):
        score = np.sqrt((freedom - 0.5) * np.log1p(residual**2 / freedom))
        density = scipy.stats.t.pdf(residual, freedom)
        return 2 * np.cosh(bet * score) * np.exp(-(bet**2) / 2) * density

    assert scipy.integrate.quad(winnings, 0, np.inf, limit=200)[0] <= 1 + 1e-7


def test_equal_values_are_no_drift_and_a_few_other_ones_are():
    detector = MeanEProcess(alpha=0.01)
    for _ in range(20):
        detector.update(0.1)
        assert not detector.drift_detected
    detector.update(0.1 + 1e-14)  # rounding
    assert not detector.drift_detected
    steps = 0
    while not detector.drift_detected:
        detector.update(0.2)
        steps += 1
    assert steps <= 5


@pytest.mark.parametrize("freedom", [3, 5])
def test_heavy_tails_bring_about_no_more_alarms(freedom):
    values = np.random.default_rng(10).standard_t(freedom, size=(1000, STREAMS))
    signals = MeanEProcessBlock(STREAMS, alpha=0.05).run(values)
    assert (signals & Signal.DRIFT).any(axis=0).mean() <= 0.05


def test_one_outlier_is_no_drift():
    detector = MeanEProcess(alpha=0.01, reference_size=50)
    for value in [0.5, -0.5, 1e6, 0.5, -0.5]:
        detector.update(value)
        assert not detector.drift_detected


def test_the_blocks_evidence_is_that_of_the_class():
    values = np.random.default_rng(9).normal(size=(60, 3))
    block = MeanEProcessBlock(3, reference_size=4)
    block.run(values)
    for stream in range(3):
        detector = MeanEProcess(reference_size=4)
        for value in values[:, stream]:
            detector.update(value)
        assert block.e_values[stream] == pytest.approx(detector.e_value, rel=1e-12)
