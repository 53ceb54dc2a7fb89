"""Blocks whose working state is their canonical columns, advanced by one compiled loop."""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.sequential.blocks.block import Block, Columns, Signals


class ColumnBlock(Block):
    """A block that keeps one array a column, and hands them to its kernel."""

    _state: Columns

    @property
    def streams(self) -> int:
        """How many streams the block holds."""
        return int(next(iter(self._state.values())).shape[0])

    @property
    def nbytes(self) -> int:
        """The bytes of state of all streams."""
        return sum(column.nbytes for column in self._state.values())

    @abstractmethod
    def _advance(self, values: FloatArray, present: NDArray[np.bool_], signals: Signals) -> None:
        """Bring the columns up to date in place and write the signals, zeros so far."""

    def _check(self, values: FloatArray) -> None:
        """Refuse finite values that the detector cannot take; absent ones are 0."""

    def _columns(self) -> Columns:
        return self._state

    def _load(self, columns: Columns) -> None:
        self._state = {name: np.ascontiguousarray(columns[name]) for name in self._fresh(0)}

    def _run(self, values: FloatArray, present: NDArray[np.bool_] | None) -> Signals:
        self._check(values if present is None else np.where(present, values, 0.0))
        signals = np.zeros(values.shape, dtype=np.uint8)
        mask = np.ones(values.shape, dtype=np.bool_) if present is None else present
        self._advance(values, mask, signals)
        return signals
