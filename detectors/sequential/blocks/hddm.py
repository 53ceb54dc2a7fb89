"""HDDM, the A and the W test, on many streams."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.kernels.hddm import run_hddm_a, run_hddm_w
from detectors.sequential.blocks.block import Columns, Signals
from detectors.sequential.blocks.columns import ColumnBlock
from detectors.sequential.hddm import HddmA, HddmW
from detectors.sequential.inputs import unit


class HddmABlock(ColumnBlock):
    """`HddmA` on every stream, bit for bit: 32 bytes a stream, 48 two-sided.

    Signals carry the direction.
    """

    NAME: ClassVar[str] = "hddm-a"

    def __init__(
        self,
        streams: int,
        *,
        drift_confidence: float = 0.001,
        warning_confidence: float = 0.005,
        two_sided_test: bool = False,
    ) -> None:
        self._test = HddmA(
            drift_confidence=drift_confidence,
            warning_confidence=warning_confidence,
            two_sided_test=two_sided_test,
        )
        super().__init__(
            streams,
            drift_confidence=drift_confidence,
            warning_confidence=warning_confidence,
            two_sided_test=two_sided_test,
        )

    def _fresh(self, streams: int) -> Columns:
        sides = 1 + self._test.two_sided_test
        return {
            "count": np.zeros(streams, dtype=np.int64),
            "mean": np.zeros(streams),
            "cut_count": np.zeros((streams, sides), dtype=np.int64),
            "cut_mean": np.zeros((streams, sides)),
        }

    def _check(self, values: FloatArray) -> None:
        unit(values, "values")

    def _advance(self, values: FloatArray, present: NDArray[np.bool_], signals: Signals) -> None:
        drift, warning = self._test.drift_confidence, self._test.warning_confidence
        levels = math.log(1.0 / drift), math.log(2.0 / drift), math.log(2.0 / warning)
        run_hddm_a(values, present, signals, *self._state.values(), *levels)


class HddmWBlock(ColumnBlock):
    """`HddmW` on every stream, bit for bit: 56 bytes a stream, 96 two-sided.

    Signals carry the direction.
    """

    NAME: ClassVar[str] = "hddm-w"

    def __init__(
        self,
        streams: int,
        *,
        drift_confidence: float = 0.001,
        warning_confidence: float = 0.005,
        lambda_val: float = 0.05,
        two_sided_test: bool = False,
    ) -> None:
        self._test = HddmW(
            drift_confidence=drift_confidence,
            warning_confidence=warning_confidence,
            lambda_val=lambda_val,
            two_sided_test=two_sided_test,
        )
        super().__init__(
            streams,
            drift_confidence=drift_confidence,
            warning_confidence=warning_confidence,
            lambda_val=lambda_val,
            two_sided_test=two_sided_test,
        )

    def _fresh(self, streams: int) -> Columns:
        shape = (streams, 1 + self._test.two_sided_test)
        return {
            "mean": np.zeros(streams),
            "squares": np.ones(streams),
            "limit": np.full(shape, np.inf),
            "before": np.zeros(shape),
            "before_squares": np.ones(shape),
            "after": np.zeros(shape),
            "after_squares": np.ones(shape),
        }

    def _check(self, values: FloatArray) -> None:
        unit(values, "values")

    def _advance(self, values: FloatArray, present: NDArray[np.bool_], signals: Signals) -> None:
        test = self._test
        levels = math.log(1 / test.drift_confidence), math.log(1 / test.warning_confidence)
        state = self._state.values()
        run_hddm_w(values, present, signals, *state, test.lambda_val, *levels)
