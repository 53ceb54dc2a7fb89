"""SPRT on many streams."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.kernels.sprt import run_sprt
from detectors.sequential.blocks.block import Columns, Signal, Signals
from detectors.sequential.blocks.columns import ColumnBlock
from detectors.sequential.inputs import binary
from detectors.sequential.sprt import Family, Sprt


class SprtBlock(ColumnBlock):
    """`Sprt` on every stream, bit for bit: 9 bytes a stream. Signals carry the direction."""

    NAME: ClassVar[str] = "sprt"

    def __init__(
        self,
        streams: int,
        *,
        null: float = 0.0,
        alternative: float = 1.0,
        sd: float = 1.0,
        alpha: float = 0.01,
        beta: float = 0.01,
        family: str = Family.GAUSSIAN.value,
    ) -> None:
        self._test = Sprt(
            null=null, alternative=alternative, sd=sd, alpha=alpha, beta=beta, family=family
        )
        super().__init__(
            streams,
            null=null,
            alternative=alternative,
            sd=sd,
            alpha=alpha,
            beta=beta,
            family=str(family),
        )

    @property
    def decisions(self) -> NDArray[np.uint8]:
        """The `Decision` of each stream's last value."""
        decisions: NDArray[np.uint8] = self._state["decision"].copy()
        return decisions

    def _fresh(self, streams: int) -> Columns:
        return {"log_ratio": np.zeros(streams), "decision": np.zeros(streams, dtype=np.uint8)}

    def _check(self, values: FloatArray) -> None:
        if self._test.family is Family.BERNOULLI:
            binary(values, "values")

    def _advance(self, values: FloatArray, present: NDArray[np.bool_], signals: Signals) -> None:
        test, state = self._test, self._state
        run_sprt(
            values,
            present,
            signals,
            state["log_ratio"],
            state["decision"],
            test.slope,
            test.intercept,
            test.rejects_at,
            test.accepts_at,
            int(Signal.DRIFT | (Signal.UP if test.slope > 0 else Signal.DOWN)),
        )
