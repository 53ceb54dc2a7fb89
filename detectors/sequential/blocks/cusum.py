"""CUSUM on many streams."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.kernels.cusum import run_cusum
from detectors.sequential.blocks.block import Columns, Signals
from detectors.sequential.blocks.columns import ColumnBlock
from detectors.sequential.cusum import Cusum


class CusumBlock(ColumnBlock):
    """`Cusum` on every stream, bit for bit: 16 bytes a stream. Signals carry the direction.

    >>> block = CusumBlock(2, k=0.5, h=2.0)
    >>> [int(signal) for signal in block.update([3.0, 0.1])]  # DRIFT and UP; nothing
    [6, 0]
    """

    NAME: ClassVar[str] = "cusum"

    def __init__(self, streams: int, *, k: float = 0.5, h: float = 5.0) -> None:
        Cusum(k=k, h=h)  # refuses what it cannot work with
        self._k, self._h = k, h
        super().__init__(streams, k=k, h=h)

    def _fresh(self, streams: int) -> Columns:
        return {"up": np.zeros(streams), "down": np.zeros(streams)}

    def _advance(self, values: FloatArray, present: NDArray[np.bool_], signals: Signals) -> None:
        state = self._state
        run_cusum(values, present, signals, state["up"], state["down"], self._k, self._h)
