"""The e-process for a mean shift on many streams."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.kernels.mean_eprocess import run_mean_eprocess
from detectors.sequential.blocks.block import Columns, Signals
from detectors.sequential.blocks.columns import ColumnBlock
from detectors.sequential.mean_eprocess import BETS, MeanEProcess


class MeanEProcessBlock(ColumnBlock):
    """`MeanEProcess` on every stream, up to rounding: 96 bytes a stream.

    The bound `alpha` on ever alarming falsely holds for each stream. Signals carry the direction.
    """

    NAME: ClassVar[str] = "mean-eprocess"

    def __init__(self, streams: int, *, alpha: float = 0.01, reference_size: int = 0) -> None:
        self._test = MeanEProcess(alpha=alpha, reference_size=reference_size)
        super().__init__(streams, alpha=alpha, reference_size=reference_size)

    @property
    def e_values(self) -> FloatArray:
        """The evidence against no shift so far, one a stream; 1 just after a drift."""
        unused: FloatArray = 1 / (1 + np.log1p(self._state["count"]))
        money: FloatArray = (self._state["up"] + self._state["down"]).sum(axis=1)
        return unused + money / (2 * len(BETS))

    def _fresh(self, streams: int) -> Columns:
        size = self._test.reference_size
        return {
            "count": np.zeros(streams, dtype=np.int64),
            "known": np.full(streams, size, dtype=np.int64),
            "mean": np.zeros(streams),
            "squares": np.full(streams, max(0.0, size - 1.0)),
            "up": np.zeros((streams, len(BETS))),
            "down": np.zeros((streams, len(BETS))),
        }

    def _advance(self, values: FloatArray, present: NDArray[np.bool_], signals: Signals) -> None:
        test = self._test
        state = self._state.values()
        run_mean_eprocess(values, present, signals, *state, test.reference_size, test.limit)
