"""Many streams of one detector side by side: a block of state that travels.

A block holds what its detector knows of K streams in arrays with one entry a stream, so that a
million of them cost their bytes and nothing else. It can be written down and read back bit for bit,
grow, shrink, and be put together from shards.
"""

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import IntFlag
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, finite
from detectors.errors import BadParameterError, ShapeError, SnapshotError

Signals: TypeAlias = NDArray[np.uint8]
Columns: TypeAlias = dict[str, NDArray[Any]]
FORMAT = 1


class Signal(IntFlag):
    """What one value brought about in one stream; 0 is nothing."""

    WARNING = 1
    DRIFT = 2
    UP = 4
    DOWN = 8


class Block(ABC):
    """K streams of one detector.

    Subclasses keep their parameters in `parameters` (JSON values, the keywords of the constructor)
    and give their state as canonical columns: arrays whose first axis is the stream.
    """

    NAME: ClassVar[str]

    def __init__(self, streams: int, **parameters: float | int | str) -> None:
        if streams < 0:
            raise BadParameterError("streams", streams, "zero or more")
        self.parameters = parameters
        self._load(self._fresh(streams))

    @property
    @abstractmethod
    def streams(self) -> int:
        """How many streams the block holds."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """The bytes of state of all streams."""

    @abstractmethod
    def _fresh(self, streams: int) -> Columns:
        """Return the columns of streams that have seen nothing."""

    @abstractmethod
    def _columns(self) -> Columns:
        """Return the state as canonical columns."""

    @abstractmethod
    def _load(self, columns: Columns) -> None:
        """Take canonical columns as the state; they may be kept or copied."""

    @abstractmethod
    def _run(self, values: FloatArray, present: NDArray[np.bool_] | None) -> Signals:
        """Take checked values of shape (rounds, streams)."""

    def update(self, values: ArrayLike, present: ArrayLike | None = None) -> Signals:
        """Take one value a stream, and return one `Signal` a stream.

        `present` says which streams have a value in this round (all, by default); what is absent
        leaves its stream as it was, and its entry in `values` may be anything finite. A stream
        that drifted starts afresh by itself, as its detector defines. Raises ShapeError,
        NotFiniteError, OutOfRangeError.
        """
        row = np.asarray(values, dtype=np.float64)
        mask = None if present is None else np.asarray(present, dtype=np.bool_)
        if row.shape != (self.streams,):
            raise ShapeError("values", row.shape, f"({self.streams},), one value a stream")
        signals = self.run(row[np.newaxis], None if mask is None else mask[np.newaxis])
        return signals.reshape(self.streams)

    def run(self, values: ArrayLike, present: ArrayLike | None = None) -> Signals:
        """Take several rounds at once, shape (rounds, streams); signals of the same shape.

        The same as one `update` a row. Raises what `update` raises.
        """
        from detectors.kernels.within import (  # noqa: PLC0415 - numba, only where it is used
            all_within,
        )

        array = np.ascontiguousarray(values, dtype=np.float64)
        if not all_within(array.reshape(-1)):
            finite(array, "values")  # says where
        if array.ndim != 2 or array.shape[1] != self.streams:  # noqa: PLR2004 - rounds by streams
            raise ShapeError("values", array.shape, f"(rounds, {self.streams})")
        if present is None:
            return self._run(array, None)
        mask = np.ascontiguousarray(present, dtype=np.bool_)
        if mask.shape != array.shape:
            raise ShapeError("present", mask.shape, f"{array.shape}, as values")
        return self._run(array, mask)

    def append(self, streams: int) -> None:
        """Add streams that have seen nothing, behind the others."""
        if streams < 0:
            raise BadParameterError("streams", streams, "zero or more")
        self._load(self._join(self._columns(), self._fresh(streams)))

    def drop(self, streams: ArrayLike) -> None:
        """Forget streams by their positions; those behind move up. BadParameterError if unknown."""
        positions = self._positions(streams)
        keep = np.ones(self.streams, dtype=np.bool_)
        keep[positions] = False
        self._load({name: column[keep] for name, column in self._columns().items()})

    def reset(self, streams: ArrayLike) -> None:
        """Let streams, by their positions, start as if they had seen nothing."""
        positions = self._positions(streams)
        columns = self._join(self._columns(), self._fresh(1))
        rows = np.arange(self.streams)
        rows[positions] = self.streams  # where the fresh one stands
        self._load({name: column[rows] for name, column in columns.items()})

    def merge(self, other: Self) -> None:
        """Add the streams of another block of the same detector and parameters, behind these."""
        if type(other) is not type(self) or other.parameters != self.parameters:
            raise BadParameterError("other", other, f"a {self.NAME} block with equal parameters")
        self._load(self._join(self._columns(), other._columns()))

    def snapshot(self) -> bytes:
        """Write the block down; the same state gives the same bytes."""
        head = {"format": FORMAT, "detector": self.NAME, "parameters": self.parameters}
        buffer = io.BytesIO()
        text = np.frombuffer(json.dumps(head, sort_keys=True).encode(), dtype=np.uint8)
        np.savez(buffer, allow_pickle=False, _head=text, **self._columns())
        return buffer.getvalue()

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """Read a block back: whatever comes next is bit for bit what would have come.

        SnapshotError if it is none, or of another detector.
        """
        head, columns = _read(snapshot)
        if head.get("format") != FORMAT or head.get("detector") != cls.NAME:
            raise SnapshotError(f"it is of {head.get('detector')!r}, not of {cls.NAME!r}")
        block = cls(0, **head["parameters"])
        if columns.keys() != block._columns().keys():
            raise SnapshotError(f"its columns are {sorted(columns)}")
        block._load(columns)
        return block

    def _join(self, first: Columns, second: Columns) -> Columns:
        """Put the streams of one set of columns behind those of another."""
        return {name: np.concatenate((first[name], second[name])) for name in first}

    def _positions(self, streams: ArrayLike) -> NDArray[np.int64]:
        positions = np.unique(np.asarray(streams, dtype=np.int64))
        if positions.size and (positions[0] < 0 or positions[-1] >= self.streams):
            raise BadParameterError("streams", "outside", f"positions from 0 to {self.streams - 1}")
        return positions


def _read(snapshot: bytes) -> tuple[Mapping[str, Any], Columns]:
    try:
        with np.load(io.BytesIO(snapshot), allow_pickle=False) as stored:
            columns = dict(stored)
        return json.loads(columns.pop("_head").tobytes()), columns
    except (ValueError, OSError, KeyError, EOFError) as error:
        raise SnapshotError("it cannot be read") from error
