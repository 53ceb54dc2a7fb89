"""Sequential detectors on standardised streams: each round moves every stream on by one value.

An alarm in one of the newest rounds warns. It has no p-value that an error budget could be charged
with, so it supports, and never makes a drift alone. What the detectors know is kept between rounds
(`streams.py`), so that a round costs the same however long its history is.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.drift.measurements import Floats
from detectors import Block, Signal, block_class, create_block

# A standardised value past this says no more than that it is far out.
CLIP = 8.0
LEAST_ROUNDS = 2  # that a standard deviation needs
LONG_AGO = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Chosen:
    """A sequential detector with its parameters, and which streams it watches."""

    detector: str
    parameters: Mapping[str, float]
    streams: NDArray[np.bool_]

    @property
    def key(self) -> str:
        """Another text for each detector and parameters."""
        return f"{self.detector} {json.dumps(dict(self.parameters), sort_keys=True)}"


@dataclass(frozen=True, eq=False)
class Standard:
    """What the reference expects of each stream; NaN where it says too little."""

    mean: Floats
    scale: Floats

    @classmethod
    def of(cls, reference: Floats) -> "Standard":
        """From reference values of shape (rounds, streams), NaN where there are none.

        The scale is that of a new value: it carries the uncertainty of the mean.
        """
        told = ~np.isnan(reference)
        rounds = told.sum(axis=0)
        usable = rounds >= LEAST_ROUNDS
        counted = np.maximum(rounds, LEAST_ROUNDS)
        mean = np.where(told, reference, 0.0).sum(axis=0) / counted
        squares = (np.where(told, reference - mean, 0.0) ** 2).sum(axis=0)
        sd = np.sqrt(squares / (counted - 1))
        usable &= sd > 0
        scale = np.where(usable, sd * np.sqrt(1 + 1 / counted), np.nan)
        return cls(np.where(usable, mean, np.nan), scale)

    def scores(self, values: Floats) -> Floats:
        """Values in units of the scale, clipped; NaN where there is none."""
        scores: Floats = np.clip((values - self.mean) / self.scale, -CLIP, CLIP)
        return scores


class _State(msgspec.Struct):
    blocks: dict[str, bytes]
    alarms: dict[str, bytes]
    last: dict[str, bytes]


@dataclass(eq=False)
class Watch:
    """Detectors on K streams; `alarms` are counted since the reference, `last` in rounds ago."""

    blocks: dict[str, Block]
    alarms: dict[str, NDArray[np.int32]]
    last: dict[str, NDArray[np.int32]]

    @classmethod
    def after(cls, reference: Floats, detectors: Sequence[Chosen]) -> Self:
        """Detectors that have seen a reference's scores, shape (rounds, streams)."""
        streams = reference.shape[1]
        blocks = {}
        for chosen in detectors:
            block = create_block(chosen.detector, streams, **chosen.parameters)
            block.run(*_told(reference, chosen))
            blocks[chosen.key] = block
        return cls(blocks, _each(blocks, streams, 0), _each(blocks, streams, LONG_AGO))

    def advance(self, scores: Floats, detectors: Sequence[Chosen]) -> None:
        """Take one round's scores, NaN for streams without a value."""
        for chosen in detectors:
            values, present = _told(scores, chosen)
            signals = self.blocks[chosen.key].update(values, present)
            alarmed = (signals & Signal.DRIFT) > 0
            self.alarms[chosen.key] += alarmed
            ago = self.last[chosen.key]
            ago[present & (ago < LONG_AGO)] += 1
            ago[alarmed] = 0

    def keep(self, streams: NDArray[np.bool_]) -> None:
        """Forget all other streams."""
        for name, block in self.blocks.items():
            block.drop(np.flatnonzero(~streams))
            self.alarms[name], self.last[name] = (
                self.alarms[name][streams],
                self.last[name][streams],
            )

    def snapshot(self) -> bytes:
        """All of it as bytes; the same state gives the same bytes."""
        return msgspec.msgpack.encode(
            _State(
                {name: block.snapshot() for name, block in sorted(self.blocks.items())},
                {name: counts.tobytes() for name, counts in sorted(self.alarms.items())},
                {name: rounds.tobytes() for name, rounds in sorted(self.last.items())},
            )
        )

    @classmethod
    def restore(cls, data: bytes) -> Self:
        """What `snapshot` wrote; whatever comes next is bit for bit what would have come."""
        state = msgspec.msgpack.decode(data, type=_State)
        return cls(
            {
                key: block_class(key.partition(" ")[0]).restore(block)
                for key, block in state.blocks.items()
            },
            _counts(state.alarms),
            _counts(state.last),
        )


def _told(scores: Floats, chosen: Chosen) -> tuple[Floats, NDArray[np.bool_]]:
    present = ~np.isnan(scores) & chosen.streams
    return np.where(present, scores, 0.0), present


def _each(names: Iterable[str], streams: int, value: int) -> dict[str, NDArray[np.int32]]:
    return {name: np.full(streams, value, dtype=np.int32) for name in names}


def _counts(stored: Mapping[str, bytes]) -> dict[str, NDArray[np.int32]]:
    return {name: np.frombuffer(data, dtype=np.int32).copy() for name, data in stored.items()}
