"""Whatever is done to a block, each stream goes on as it would alone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from detectors.catalogue import BLOCKS, block_class, create_block
from detectors.errors import (
    BadParameterError,
    NotFiniteError,
    OutOfRangeError,
    ShapeError,
    SnapshotError,
)

# Parameters under which short streams of small numbers do drift.
EAGER: dict[str, dict[str, Any]] = {
    "adwin": {"delta": 0.9, "clock": 4, "grace_period": 4, "min_window_length": 2},
    "page-hinkley": {"min_instances": 3, "threshold": 2.0},
    "cusum": {"k": 0.25, "h": 3.0},
    "sprt": {"alpha": 0.1, "beta": 0.2},
    "ddm": {"warm_start": 5, "drift_threshold": 2.0},
    "eddm": {"warm_start": 5},
    "hddm-a": {"drift_confidence": 0.1, "warning_confidence": 0.3},
    "hddm-w": {"drift_confidence": 0.1, "warning_confidence": 0.3},
    "kswin": {"alpha": 0.1, "window_size": 12, "stat_size": 4},
    "mean-eprocess": {"alpha": 0.4, "reference_size": 4},
}
every = pytest.mark.parametrize("name", sorted(BLOCKS))


def values_of(rng: np.random.Generator, rounds: int, streams: int) -> np.ndarray:
    """Zeros and ones, which every detector takes, at a rate that moves."""
    rate = np.repeat(rng.random((-(-rounds // 8), streams)), 8, axis=0)[:rounds]
    return (rng.random((rounds, streams)) < rate).astype(np.float64)


class Streams(RuleBasedStateMachine):
    """A block beside one block of a single stream for each of its streams."""

    name = ""

    @initialize(streams=st.integers(0, 70), seed=st.integers(0, 2**20))
    def begin(self, streams: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.block = self.fresh(streams)
        self.alone = [self.fresh(1) for _ in range(streams)]

    def fresh(self, streams: int) -> Any:
        return create_block(self.name, streams, **EAGER[self.name])

    @rule(rounds=st.integers(1, 24))
    def take(self, rounds: int) -> None:
        values = values_of(self.rng, rounds, len(self.alone))
        signals = self.block.run(values)
        for position, single in enumerate(self.alone):
            assert np.array_equal(signals[:, position], single.run(values[:, [position]])[:, 0])

    @rule()
    def take_some(self) -> None:
        values = values_of(self.rng, 1, len(self.alone))[0]
        present = self.rng.random(values.size) < 0.6
        signals = self.block.update(np.where(present, values, 0.5), present)
        assert not signals[~present].any()
        for position in np.flatnonzero(present):
            assert signals[position] == self.alone[position].update(values[[position]])[0]

    @rule()
    def snapshot_and_restore(self) -> None:
        written = self.block.snapshot()
        self.block = block_class(self.name).restore(written)
        assert self.block.snapshot() == written

    @rule(streams=st.integers(0, 5))
    def append(self, streams: int) -> None:
        self.block.append(streams)
        self.alone += [self.fresh(1) for _ in range(streams)]

    @precondition(lambda self: self.alone)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        gone = data.draw(st.sets(st.integers(0, len(self.alone) - 1), max_size=10))
        self.block.drop(sorted(gone))
        self.alone = [each for place, each in enumerate(self.alone) if place not in gone]

    @precondition(lambda self: self.alone)
    @rule(data=st.data())
    def reset(self, data: st.DataObject) -> None:
        afresh = data.draw(st.sets(st.integers(0, len(self.alone) - 1), max_size=10))
        self.block.reset(sorted(afresh))
        for place in afresh:
            self.alone[place] = self.fresh(1)

    @rule(streams=st.integers(0, 5), rounds=st.integers(1, 20))
    def merge(self, streams: int, rounds: int) -> None:
        other, values = self.fresh(streams), values_of(self.rng, rounds, streams)
        other.run(values)
        self.block.merge(other)
        for position in range(streams):
            self.alone.append(self.fresh(1))
            self.alone[-1].run(values[:, [position]])

    @invariant()
    def holds_as_many(self) -> None:
        if hasattr(self, "block"):
            assert self.block.streams == len(self.alone)


@every
def test_streams_in_a_block_do_not_know_of_each_other(name: str) -> None:
    machine = type(f"Streams_{name}", (Streams,), {"name": name})
    machine.TestCase.settings = settings(
        max_examples=12, stateful_step_count=12, deadline=None, derandomize=True
    )
    machine.TestCase("runTest").runTest()


@every
def test_some_streams_drift_in_this_file(name: str) -> None:
    values = values_of(np.random.default_rng(3), 400, 20)
    assert create_block(name, 20, **EAGER[name]).run(values).any()


@every
def test_equal_values_never_alarm(name: str) -> None:
    for value in (0.0, 1.0):
        signals = create_block(name, 3).run(np.full((300, 3), value))
        # A stream of errors alone is what the error-rate detectors are to warn of.
        assert not (signals & 2).any() or value == 1.0


@every
def test_what_no_stream_can_take_is_refused_and_changes_nothing(name: str) -> None:
    block = create_block(name, 2, **EAGER[name])
    before = block.snapshot()
    for values, error in (
        ([0.0, np.nan], NotFiniteError),
        ([np.inf, 0.0], NotFiniteError),
        ([0.0, 1e101], OutOfRangeError),
        ([0.0], ShapeError),
        ([[0.0, 1.0]], ShapeError),
    ):
        with pytest.raises(error):
            block.update(values)
    with pytest.raises(ShapeError):
        block.update([0.0, 1.0], present=[True])
    for positions in ([2], [-1]):
        with pytest.raises(BadParameterError):
            block.drop(positions)
        with pytest.raises(BadParameterError):
            block.reset(positions)
    with pytest.raises(BadParameterError):
        block.append(-1)
    with pytest.raises(BadParameterError):
        create_block(name, -1)
    assert block.snapshot() == before


@every
def test_only_its_own_kind_can_be_restored_or_merged(name: str) -> None:
    other = "cusum" if name != "cusum" else "sprt"
    for written in (b"", b"no snapshot", create_block(other, 2).snapshot()):
        with pytest.raises(SnapshotError):
            block_class(name).restore(written)
    with pytest.raises(BadParameterError):
        create_block(name, 1).merge(create_block(other, 1))
    with pytest.raises(BadParameterError):
        create_block(name, 1).merge(create_block(name, 1, **EAGER[name]))


@every
def test_a_million_streams_are_a_compact_block(name: str) -> None:
    block = create_block(name, 1000)
    assert block.nbytes <= 1000 * 900
