"""EDDM on many streams."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.kernels.eddm import run_eddm
from detectors.sequential.blocks.block import Columns, Signals
from detectors.sequential.blocks.columns import ColumnBlock
from detectors.sequential.eddm import Eddm
from detectors.sequential.inputs import binary


class EddmBlock(ColumnBlock):
    """`Eddm` on every stream, bit for bit: 49 bytes a stream."""

    NAME: ClassVar[str] = "eddm"

    def __init__(
        self, streams: int, *, warm_start: int = 30, alpha: float = 0.95, beta: float = 0.9
    ) -> None:
        Eddm(warm_start=warm_start, alpha=alpha, beta=beta)  # refuses what it cannot work with
        super().__init__(streams, warm_start=warm_start, alpha=alpha, beta=beta)

    def _fresh(self, streams: int) -> Columns:
        return {
            "count": np.zeros(streams, dtype=np.int64),
            "errors": np.zeros(streams, dtype=np.int64),
            "last_error": np.zeros(streams, dtype=np.int64),
            "mean": np.zeros(streams),
            "squares": np.zeros(streams),
            "largest": np.full(streams, -1.0),
            "warning": np.zeros(streams, dtype=np.uint8),
        }

    def _check(self, values: FloatArray) -> None:
        binary(values, "values")

    def _advance(self, values: FloatArray, present: NDArray[np.bool_], signals: Signals) -> None:
        run_eddm(values, present, signals, *self._state.values(), *self.parameters.values())
