"""KSWIN on many streams."""

import random
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.errors import BadParameterError
from detectors.kernels.kswin import run_kswin
from detectors.sequential.blocks.block import Columns, Signals
from detectors.sequential.blocks.columns import ColumnBlock
from detectors.sequential.kswin import Kswin

LARGEST_WINDOW = 65_536  # positions are 16 bits


class KswinBlock(ColumnBlock):
    """`Kswin` on every stream, bit for bit: 8 (window_size + 1) bytes a stream.

    Every stream has the draws of random.Random(seed), begun afresh after each of its drifts, so
    that streams in step share them; tests of independent streams stay independent. The draws are
    kept, 2 stat_size bytes for each value of the longest stretch without a drift, and made again
    after a restore.
    """

    NAME: ClassVar[str] = "kswin"

    def __init__(
        self,
        streams: int,
        *,
        alpha: float = 0.005,
        window_size: int = 100,
        stat_size: int = 30,
        seed: int = 0,
    ) -> None:
        if window_size > LARGEST_WINDOW:
            raise BadParameterError("window_size", window_size, f"{LARGEST_WINDOW} at most")
        self._test = Kswin(alpha=alpha, window_size=window_size, stat_size=stat_size, seed=seed)
        self._random = random.Random(seed)  # noqa: S311 - a seeded draw, no secret
        self._draws = np.empty((0, stat_size), dtype=np.uint16)
        super().__init__(
            streams, alpha=alpha, window_size=window_size, stat_size=stat_size, seed=seed
        )

    def _fresh(self, streams: int) -> Columns:
        return {
            "seen": np.zeros(streams, dtype=np.int64),
            "window": np.zeros((streams, self._test.window_size)),
        }

    def _advance(self, values: FloatArray, present: NDArray[np.bool_], signals: Signals) -> None:
        seen, window = self._state["seen"], self._state["window"]
        last = int(seen.max(initial=0)) + values.shape[0]
        self._draw(last - self._test.window_size + 1)
        run_kswin(values, present, signals, seen, window, self._draws, self._test.least_gap)

    def _draw(self, tests: int) -> None:
        """Have the draws of so many tests, twice as many as before at least when there are more."""
        have = self._draws.shape[0]
        if tests <= have:
            return
        older, size = self._test.window_size - self._test.stat_size, self._test.stat_size
        more = [self._random.sample(range(older), size) for _ in range(max(tests, 2 * have) - have)]
        self._draws = np.concatenate((self._draws, np.array(more, dtype=np.uint16)))
