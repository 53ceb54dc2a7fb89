"""One battery that every sequential detector passes, and its block where there is one."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from detectors import MultiflowAdapter, SequentialDetector, create
from detectors.catalogue import BLOCKS, KNOWN, block_class, create_block
from detectors.errors import NotFiniteError
from detectors.sequential.blocks.block import Signal
from detectors.sequential.cusum import cusum_average_run_length

QUIET, MOVED = 400, 200  # values before and after a change
ANY_CONSTANT = (0.0, 1e-3, -7.0, 1e6)
STREAMS, VALUES = 100, 1_000  # where nothing changes
SPRT_LOOKS = 0.98 * np.log(99) * 2  # Wald's least mean number of values to a decision


class MeanJump:
    """A toy with scikit-multiflow's API: alarms where a value is 5 above the mean so far."""

    def __init__(self, jump: float = 5.0) -> None:
        self.jump = jump
        self.reset()

    def reset(self) -> None:
        self.count, self.mean, self.change, self.warning = 0, 0.0, False, False

    def add_element(self, value: float) -> None:
        departure = value - self.mean
        self.change = self.count > 0 and departure > self.jump
        self.warning = self.count > 0 and departure > self.jump - 1
        self.count += 1
        self.mean += departure / self.count

    def detected_change(self) -> bool:
        return self.change

    def detected_warning_zone(self) -> bool:
        return self.warning


@dataclass(frozen=True)
class Case:
    """A detector, what it takes, and what it promises.

    `outcomes` are 0 and 1 at a rate of 20% that rises to 90%; other values are standard normal, and
    rise by 10. `constants` are streams without any change. At most `alarms_a_value` or
    `alarming_streams` are expected where nothing changes; a change is found within `delay` values.
    """

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    outcomes: bool = False
    constants: tuple[float, ...] = ANY_CONSTANT
    alarms_a_value: float | None = None
    alarming_streams: float | None = None
    delay: int = 10
    values: int = VALUES

    def make(self) -> SequentialDetector:
        if self.name == "multiflow":
            return MultiflowAdapter(MeanJump(**self.parameters))
        return create(self.name, **self.parameters)

    def unchanged(self, rng: np.random.Generator, *shape: int) -> np.ndarray:
        return (rng.random(shape) < 0.2).astype(float) if self.outcomes else rng.normal(size=shape)

    def changing(self, seed: int, *streams: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        before, after = self.unchanged(rng, QUIET, *streams), self.unchanged(rng, MOVED, *streams)
        moved = np.maximum(after, rng.random(after.shape) < 0.875) if self.outcomes else after + 10
        return np.concatenate((before, moved))


STANDARDISED, OUTCOMES = (0.0, 1e-3), (0.0, 1.0)
CASES = [
    Case("adwin", {"clock": 1}, alarms_a_value=0.002),
    Case("adwin", alarms_a_value=0.002 / 32, delay=32),
    Case("page-hinkley", {"delta": 0.5}, alarms_a_value=1 / cusum_average_run_length(50.0, 0.5)),
    Case("cusum", constants=STANDARDISED, alarms_a_value=1 / 465),
    Case("sprt", constants=STANDARDISED, alarms_a_value=0.01 / 0.99 / SPRT_LOOKS),
    Case("ddm", outcomes=True, constants=OUTCOMES, alarming_streams=0.27, delay=80, values=4_000),
    Case("eddm", outcomes=True, constants=OUTCOMES, alarms_a_value=1 / 250, delay=100),
    Case("hddm-a", outcomes=True, constants=OUTCOMES, alarms_a_value=0.001, delay=40),
    Case("hddm-w", outcomes=True, constants=OUTCOMES, alarms_a_value=0.001, delay=40),
    Case("kswin", alarms_a_value=0.005, delay=30),
    Case("mean-eprocess", alarming_streams=0.01),
    Case("multiflow", alarms_a_value=3e-4),
]
IDS = [f"{case.name}-clock-1" if "clock" in case.parameters else case.name for case in CASES]
each = pytest.mark.parametrize("case", CASES, ids=IDS)
each_with_block = pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in BLOCKS], ids=lambda case: case.name
)


def alarms(detector: SequentialDetector, stream: np.ndarray) -> list[int]:
    found = []
    for index, value in enumerate(stream.tolist()):
        detector.update(value)
        if detector.drift_detected:
            found.append(index)
    return found


def test_every_detector_and_every_block_has_a_case() -> None:
    assert {case.name for case in CASES} == {*KNOWN, *BLOCKS, "multiflow"}


@each
def test_a_detector_keeps_the_protocol(case: Case) -> None:
    detector = case.make()
    assert isinstance(detector, SequentialDetector)
    assert detector.drift_detected is False
    assert detector.warning_detected is False


@each
def test_a_constant_stream_does_not_alarm(case: Case) -> None:
    for value in case.constants:
        assert alarms(case.make(), np.full(300, value)) == []


@each
def test_a_change_is_found_and_soon(case: Case) -> None:
    for seed in range(5):
        found = np.array(alarms(case.make(), case.changing(seed)))
        assert ((found >= QUIET) & (found < QUIET + case.delay)).any()


@each
def test_false_alarms_are_as_rare_as_promised(case: Case) -> None:
    values = case.unchanged(np.random.default_rng(11), case.values, STREAMS)
    if case.name in BLOCKS:
        signals = create_block(case.name, STREAMS, **case.parameters).run(values)
        found = np.count_nonzero(signals & Signal.DRIFT, axis=0)
    else:
        found = np.array([len(alarms(case.make(), stream)) for stream in values.T])
    if case.alarms_a_value is not None:
        expected, counted = case.alarms_a_value * values.size, found.sum()
    else:
        assert case.alarming_streams is not None
        expected, counted = case.alarming_streams * STREAMS, np.count_nonzero(found)
    assert counted <= expected + 3 * np.sqrt(expected)


@each
def test_the_same_stream_gives_the_same_alarms_after_a_reset_too(case: Case) -> None:
    stream = case.changing(seed=13)
    detector = case.make()
    first = alarms(detector, stream)
    detector.reset()
    assert (detector.drift_detected, detector.warning_detected) == (False, False)
    assert alarms(detector, stream) == first == alarms(case.make(), stream)


@each
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_refused_and_leaves_no_trace(
    case: Case, value: float
) -> None:
    stream = case.changing(seed=14)
    undisturbed, disturbed = case.make(), case.make()
    assert alarms(undisturbed, stream[:QUIET]) == alarms(disturbed, stream[:QUIET])
    with pytest.raises(NotFiniteError):
        disturbed.update(value)
    assert alarms(disturbed, stream[QUIET:]) == alarms(undisturbed, stream[QUIET:])


@each_with_block
def test_a_block_alarms_where_its_detector_does(case: Case) -> None:
    values = case.changing(15, 4)
    signals = create_block(case.name, 4, **case.parameters).run(values) & Signal.DRIFT
    for stream in range(4):
        assert np.flatnonzero(signals[:, stream]).tolist() == alarms(case.make(), values[:, stream])


@each_with_block
@pytest.mark.parametrize("cut", [0, 1, 137, QUIET + 3])
def test_a_block_goes_on_from_a_snapshot_bit_for_bit(case: Case, cut: int) -> None:
    values = case.changing(16, 7)
    whole, first = (create_block(case.name, 7, **case.parameters) for _ in range(2))
    expected = whole.run(values)
    before = first.run(values[:cut])
    restored = block_class(case.name).restore(first.snapshot())
    after = restored.run(values[cut:])
    assert np.array_equal(np.concatenate((before, after)), expected)
    assert restored.snapshot() == whole.snapshot()
    assert restored.parameters == whole.parameters


@each_with_block
def test_a_reset_stream_of_a_block_starts_afresh(case: Case) -> None:
    values = case.changing(17, 3)
    block = create_block(case.name, 3, **case.parameters)
    block.run(values)
    block.reset(range(3))
    fresh = create_block(case.name, 3, **case.parameters)
    assert np.array_equal(block.run(values), fresh.run(values))
