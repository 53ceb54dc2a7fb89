"""ADWIN and Page-Hinkley on many streams raise river's alarms, value for value."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import drift

from detectors import parallel
from detectors.catalogue import create_block
from detectors.kernels.adwin import LANES
from detectors.sequential.blocks.adwin import AdwinBlock, sizes_of
from detectors.sequential.blocks.block import Signal

RIVER = {"adwin": drift.ADWIN, "page-hinkley": drift.PageHinkley}
PARAMETERS: list[tuple[str, dict[str, Any]]] = [
    ("adwin", {}),
    ("adwin", {"delta": 0.3, "clock": 1}),
    ("adwin", {"delta": 0.05, "clock": 7, "grace_period": 40, "min_window_length": 12}),
    ("adwin", {"delta": 0.9, "clock": 3, "grace_period": 1, "min_window_length": 1}),
    ("page-hinkley", {}),
    ("page-hinkley", {"threshold": 5.0, "delta": 0.05, "min_instances": 10}),
    ("page-hinkley", {"threshold": 3.0, "alpha": 0.9, "delta": 0.0, "min_instances": 1}),
]
with_each = pytest.mark.parametrize(("name", "parameters"), PARAMETERS)


def alarms_of_river(name: str, parameters: dict[str, Any], values: np.ndarray) -> list[int]:
    detector, alarms = RIVER[name](**parameters), []
    for time, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            alarms.append(time)
    return alarms


def moving(kind: str, rounds: int, streams: int) -> np.ndarray:
    """Streams whose level moves now and then, at different times."""
    rng = np.random.default_rng(sum(map(ord, kind)))
    times = np.arange(rounds)[:, np.newaxis]
    level = sum(
        rng.choice([0, 0, 0.4, -0.3], streams) * (times >= rng.integers(0, rounds, streams))
        for _ in range(3)
    )
    if kind == "bernoulli":
        return (rng.random((rounds, streams)) < np.clip(0.4 + level, 0, 1)).astype(np.float64)
    if kind == "metric":
        return 0.8 + 0.02 * (rng.normal(size=(rounds, streams)) + 5 * level)
    return rng.normal(size=(rounds, streams)) + 3 * level


@with_each
@pytest.mark.parametrize("kind", ["normal", "bernoulli", "metric"])
def test_alarms_are_rivers(name: str, parameters: dict[str, Any], kind: str) -> None:
    values = moving(kind, 1200, LANES + 6)
    signals = create_block(name, values.shape[1], **parameters).run(values)
    found = [np.flatnonzero(column).tolist() for column in signals.T]
    assert found == [alarms_of_river(name, parameters, column) for column in values.T]
    assert kind == "metric" or any(found)


@with_each
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_alarms_are_rivers_on_any_numbers(
    name: str, parameters: dict[str, Any], data: st.DataObject
) -> None:
    number = st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, 1.0])
    values = np.array(data.draw(st.lists(number, min_size=1, max_size=150)))
    found = np.flatnonzero(create_block(name, 1, **parameters).run(values[:, np.newaxis]))
    assert found.tolist() == alarms_of_river(name, parameters, values)


def test_window_and_mean_are_rivers_too() -> None:
    values = moving("normal", 900, 40)
    block = AdwinBlock(40)
    block.run(values)
    for stream in range(40):
        detector = drift.ADWIN()
        for value in values[:, stream].tolist():
            detector.update(value)
        assert (block.widths[stream], block.means[stream]) == (detector.width, detector.estimation)


def test_a_long_window_has_room() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(40_000, 2))
    values[30_000:, 1] += 0.2
    block = AdwinBlock(2)
    found = [np.flatnonzero(column).tolist() for column in block.run(values).T]
    assert found == [alarms_of_river("adwin", {}, column) for column in values.T]
    assert block.widths[0] == 40_000
    assert sizes_of(40_000) == 13


def test_streams_that_fell_out_of_step_are_put_in_order_again() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(640, 20 * LANES))
    values[100:, ::3] += 2.0  # a third of all streams drifts at once, in every group
    block = AdwinBlock(values.shape[1])
    signals = block.run(values)
    assert np.count_nonzero(block._state.shared < 0) <= 3
    for stream in (0, 1, 3, 999):
        expected = alarms_of_river("adwin", {}, values[:, stream])
        assert np.flatnonzero(signals[:, stream]).tolist() == expected


@pytest.mark.parametrize("name", ["adwin", "page-hinkley"])
def test_the_number_of_threads_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = moving("normal", 40, 120_000)
    snapshots = []
    for threads in (1, 3):
        monkeypatch.setitem(parallel.in_parts.__kwdefaults__, "threads", threads)
        block = create_block(name, values.shape[1])
        block.run(values)
        snapshots.append(block.snapshot())
    assert snapshots[0] == snapshots[1]


def test_known_answers() -> None:
    rng = random.Random(12345)
    mixed = rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000)
    draws = np.random.RandomState(12345)
    bits = np.concatenate((draws.binomial(1, 0.2, 1000), draws.binomial(1, 0.8, 1000)))
    for name, parameters, values, first in (
        ("adwin", {}, mixed, 1023),
        ("page-hinkley", {}, mixed, 1006),
        ("adwin", {}, bits, 1055),
        ("adwin", {"clock": 1}, bits, 1044),
    ):
        column = np.array(values, dtype=np.float64)[:, np.newaxis]
        signals = create_block(name, 1, **parameters).run(column)
        assert np.flatnonzero(signals)[0] == first


def test_page_hinkley_says_which_way() -> None:
    values = np.zeros((200, 3))
    values[100:] = [5.0, -5.0, 0.0]
    signals = create_block("page-hinkley", 3).run(values)
    up, down, still = (set(column[column > 0].tolist()) for column in signals.T)
    assert up == {Signal.DRIFT | Signal.UP}
    assert down == {Signal.DRIFT | Signal.DOWN}
    assert still == set()
