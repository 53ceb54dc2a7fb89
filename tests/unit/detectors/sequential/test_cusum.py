import numpy as np
import pytest

from detectors.errors import BadParameterError
from detectors.sequential.blocks.block import Signal
from detectors.sequential.blocks.cusum import CusumBlock
from detectors.sequential.cusum import Cusum, cusum_average_run_length, cusum_threshold


def first_drifts(values, **parameters):
    """The number of values until each stream's first drift; the length where there is none."""
    drifted = CusumBlock(values.shape[1], **parameters).run(values) & Signal.DRIFT > 0
    return np.where(drifted.any(axis=0), drifted.argmax(axis=0) + 1, values.shape[0])


@pytest.mark.parametrize(("k", "run_length"), [(0.5, 100.0), (0.5, 400.0), (0.25, 200.0)])
def test_false_alarms_come_as_rarely_as_asked(k, run_length):
    values = np.random.default_rng(1).normal(size=(int(12 * run_length), 2000))
    lengths = first_drifts(values, k=k, h=cusum_threshold(run_length, k))
    band = 4 * run_length / np.sqrt(lengths.size) + 0.04 * run_length  # Monte Carlo, Siegmund
    assert lengths.mean() == pytest.approx(run_length, abs=band)


@pytest.mark.parametrize(("shift", "way"), [(1.0, Signal.UP), (-1.0, Signal.DOWN)])
def test_a_shift_is_found_as_soon_as_the_run_length_says(shift, way):
    values = np.random.default_rng(2).normal(shift, 1, size=(200, 2000))
    lengths = first_drifts(values, k=0.5, h=5.0)
    assert lengths.mean() == pytest.approx(cusum_average_run_length(5.0, 0.5, shift), rel=0.05)
    signals = CusumBlock(2000, k=0.5, h=5.0).run(values)
    assert (signals[signals > 0] == Signal.DRIFT | way).all()


@pytest.mark.parametrize(
    ("h", "shift", "exact"),
    [(4.0, 0.0, 168), (4.0, 1.0, 8.38), (5.0, 0.0, 465), (5.0, 0.5, 38.0), (5.0, 1.0, 10.4)],
)
def test_run_lengths_are_those_of_the_table(h, shift, exact):
    """Montgomery (2012), table 9.3, k = 1/2."""
    assert cusum_average_run_length(h, 0.5, shift) == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("k", [0.0, 1e-9, 0.25, 0.5, 1.5])
@pytest.mark.parametrize("run_length", [20.0, 465.0, 1e6, 1e100])
def test_the_threshold_gives_the_run_length_back(k, run_length):
    h = cusum_threshold(run_length, k)
    assert cusum_average_run_length(h, k) == pytest.approx(run_length, rel=1e-9)


def test_the_flags_tell_which_way_and_go_with_the_next_value():
    detector = Cusum(k=0.5, h=2.0)
    detector.update(-3.0)
    assert (detector.drift_detected, detector.direction.value) == (True, "down")
    detector.update(0.0)
    assert (detector.drift_detected, detector.direction, detector.down) == (False, None, 0.0)


@pytest.mark.parametrize("parameters", [{"k": -0.1}, {"k": np.nan}, {"h": 0.0}, {"h": np.inf}])
def test_bad_parameters_are_refused(parameters):
    with pytest.raises(BadParameterError):
        Cusum(**parameters)
    with pytest.raises(BadParameterError):
        CusumBlock(1, **parameters)


@pytest.mark.parametrize("run_length", [0.5, np.nan, np.inf])
def test_a_run_length_that_no_threshold_has_is_refused(run_length):
    with pytest.raises(BadParameterError, match="average_run_length"):
        cusum_threshold(run_length, 0.5)
