"""Every block does on each stream what the readable class does on one."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detectors import create
from detectors.catalogue import block_class, create_block
from detectors.errors import (
    BadParameterError,
    NotBinaryError,
    NotFiniteError,
    OutOfRangeError,
    OutsideUnitError,
)
from detectors.sequential.blocks.block import Signal

NORMAL = ["cusum", "sprt", "kswin", "mean-eprocess"]
BINARY = ["ddm", "eddm", "hddm-a", "hddm-w"]
EAGER = {
    "cusum": {"k": 0.25, "h": 3.0},
    "sprt": {"null": 2.0, "alternative": 1.0, "alpha": 0.1, "beta": 0.2},
    "kswin": {"alpha": 0.05, "window_size": 16, "stat_size": 6, "seed": 5},
    "mean-eprocess": {"alpha": 0.4, "reference_size": 5},
    "ddm": {"warm_start": 8, "drift_threshold": 2.5},
    "eddm": {"warm_start": 6},
    "hddm-a": {"drift_confidence": 0.05, "warning_confidence": 0.3, "two_sided_test": True},
    "hddm-w": {"drift_confidence": 0.05, "warning_confidence": 0.3, "two_sided_test": True},
}
DIRECTIONS = {None: 0, "up": Signal.UP, "down": Signal.DOWN}


def expected(name, values, present):
    """The signals of one stream, from the readable class."""
    detector, signals = create(name, **EAGER[name]), []
    for value, there in zip(values, present, strict=True):
        if there:
            detector.update(value)
        signals.append(signal_of(detector) if there else 0)
    return signals


def signal_of(detector):
    warned, drifted = detector.warning_detected, detector.drift_detected
    return (
        Signal.WARNING * warned
        | Signal.DRIFT * drifted
        | DIRECTIONS[getattr(detector, "direction", None)]
    )


def wandering(name, rounds, streams, seed):
    """Values whose mean moves every fifty rounds, and who has one in each."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.random((rounds // 50, streams)), 50, axis=0)
    noise = rng.random if name in BINARY else rng.normal
    values = noise(size=level.shape)
    values = (values < level).astype(float) if name in BINARY else values + 4 * level
    return values, rng.random(values.shape) < 0.8


@pytest.mark.parametrize("name", NORMAL + BINARY)
def test_a_block_signals_what_each_stream_alone_would(name):
    values, present = wandering(name, 500, 6, seed=1)
    signals = create_block(name, 6, **EAGER[name]).run(np.where(present, values, 77.0), present)
    for stream in range(6):
        assert signals[:, stream].tolist() == expected(name, values[:, stream], present[:, stream])
    assert (signals & Signal.DRIFT).any()


@pytest.mark.parametrize("name", NORMAL + BINARY)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_block_agrees_on_any_values_and_gaps(name, data):
    shape = data.draw(st.tuples(st.integers(1, 60), st.integers(1, 3)))
    element = st.sampled_from([0.0, 1.0]) if name in BINARY else st.floats(-20, 20, width=16)
    values = data.draw(hnp.arrays(np.float64, shape, elements=element))
    present = data.draw(hnp.arrays(np.bool_, shape, fill=st.just(True)))
    signals = create_block(name, shape[1], **EAGER[name]).run(values, present)
    for stream in range(shape[1]):
        assert signals[:, stream].tolist() == expected(name, values[:, stream], present[:, stream])


@pytest.mark.parametrize("name", NORMAL + BINARY)
def test_after_a_restore_all_goes_on_bit_for_bit(name):
    values, present = wandering(name, 400, 5, seed=2)
    block = create_block(name, 5, **EAGER[name])
    block.run(values[:170], present[:170])
    restored = block_class(name).restore(block.snapshot())
    ours, theirs = (one.run(values[170:], present[170:]) for one in (block, restored))
    assert (ours == theirs).all()
    assert block.snapshot() == restored.snapshot()
    assert restored.nbytes == block.nbytes > 0


@pytest.mark.parametrize("name", NORMAL + BINARY)
def test_streams_that_join_or_leave_change_nothing_for_the_others(name):
    values, present = wandering(name, 200, 4, seed=3)
    whole = create_block(name, 4, **EAGER[name]).run(values, present)
    block = create_block(name, 3, **EAGER[name])
    first = block.run(values[:90, :3], present[:90, :3])
    block.append(1)
    block.drop([0])
    second = block.run(values[90:, 1:], present[90:, 1:])
    assert (first == whole[:90, :3]).all()
    assert (second[:, :2] == whole[90:, 1:3]).all()
    alone = create_block(name, 1, **EAGER[name]).run(values[90:, 3:], present[90:, 3:])
    assert (second[:, 2:] == alone).all()


@pytest.mark.parametrize("name", NORMAL + BINARY)
def test_no_streams_and_no_rounds_are_no_trouble(name):
    assert create_block(name, 0).run(np.zeros((3, 0))).shape == (3, 0)
    assert create_block(name, 2).run(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("name", NORMAL + BINARY)
@pytest.mark.parametrize(
    ("value", "error"),
    [(np.nan, NotFiniteError), (np.inf, NotFiniteError), (-1e300, OutOfRangeError)],
)
def test_what_is_no_number_is_refused_and_leaves_no_trace(name, value, error):
    detector, block = create(name), create_block(name, 2)
    before = block.snapshot()
    with pytest.raises(error):
        detector.update(value)
    with pytest.raises(error):
        block.update([0.0, value])
    assert block.snapshot() == before


@pytest.mark.parametrize("name", NORMAL)
def test_the_largest_values_give_no_warning_and_no_nan(name):
    block = create_block(name, 1)
    rng = random.Random(1)
    block.run([[rng.choice([-1e100, 0.0, 1e100])] for _ in range(300)])
    assert all(np.isfinite(column).all() for column in block._columns().values())


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("ddm", 0.5, NotBinaryError),
        ("eddm", 2.0, NotBinaryError),
        ("hddm-a", 1.01, OutsideUnitError),
        ("hddm-w", -0.01, OutsideUnitError),
    ],
)
def test_what_is_no_outcome_is_refused_unless_absent(name, value, error):
    with pytest.raises(error, match="position 0"):
        create(name).update(value)
    block = create_block(name, 2)
    with pytest.raises(error, match="position 1"):
        block.update([0.0, value])
    assert block.update([0.0, value], [True, False]).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("ddm", {"warm_start": 0}),
        ("ddm", {"warm_start": 2.5}),
        ("ddm", {"warm_start": np.nan}),
        ("ddm", {"warning_threshold": 4.0}),
        ("ddm", {"drift_threshold": np.inf}),
        ("eddm", {"alpha": 0.8}),
        ("eddm", {"beta": 0.0}),
        ("hddm-a", {"drift_confidence": 1.0}),
        ("hddm-a", {"warning_confidence": 0.0001}),
        ("hddm-w", {"lambda_val": 0.0}),
        ("hddm-w", {"lambda_val": 1.0}),
        ("kswin", {"alpha": 0.0}),
        ("kswin", {"stat_size": 1}),
        ("kswin", {"seed": -1}),
        ("kswin", {"window_size": 59}),
        ("kswin", {"window_size": 70_000, "stat_size": 20_000}),
        ("mean-eprocess", {"alpha": 1.0}),
        ("mean-eprocess", {"reference_size": 1}),
        ("mean-eprocess", {"reference_size": -3}),
    ],
)
def test_bad_parameters_are_refused(name, parameters):
    with pytest.raises(BadParameterError):
        create(name, **parameters)
    with pytest.raises(BadParameterError):
        create_block(name, 1, **parameters)
