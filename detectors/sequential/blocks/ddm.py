"""DDM on many streams."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.kernels.ddm import run_ddm
from detectors.sequential.blocks.block import Columns, Signals
from detectors.sequential.blocks.columns import ColumnBlock
from detectors.sequential.ddm import Ddm
from detectors.sequential.inputs import binary


class DdmBlock(ColumnBlock):
    """`Ddm` on every stream, bit for bit: 32 bytes a stream."""

    NAME: ClassVar[str] = "ddm"

    def __init__(
        self,
        streams: int,
        *,
        warm_start: int = 30,
        warning_threshold: float = 2.0,
        drift_threshold: float = 3.0,
    ) -> None:
        parameters = {
            "warm_start": warm_start,
            "warning_threshold": warning_threshold,
            "drift_threshold": drift_threshold,
        }
        Ddm(
            warm_start=warm_start,
            warning_threshold=warning_threshold,
            drift_threshold=drift_threshold,
        )
        super().__init__(streams, **parameters)

    def _fresh(self, streams: int) -> Columns:
        return {
            "count": np.zeros(streams, dtype=np.int64),
            "rate": np.zeros(streams),
            "least_rate": np.full(streams, np.inf),
            "least_error": np.zeros(streams),
        }

    def _check(self, values: FloatArray) -> None:
        binary(values, "values")

    def _advance(self, values: FloatArray, present: NDArray[np.bool_], signals: Signals) -> None:
        run_ddm(values, present, signals, *self._state.values(), *self.parameters.values())
