"""Page-Hinkley on many streams, with river's alarms."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors import parallel
from detectors.arrays import FloatArray
from detectors.kernels.page_hinkley import Rules, State, run
from detectors.sequential.blocks.block import Block, Columns, Signals
from detectors.sequential.blocks.parameters import require_page_hinkley

LEAST_STREAMS = 50_000  # fewer are not worth a thread
BEFORE_ANY = -1.0  # river's highest sum of decreases before the first value


class PageHinkleyBlock(Block):
    """`PageHinkley` on every stream: the same alarms as river.drift.PageHinkley, to the last bit.

    44 bytes a stream. Signals carry the direction, upwards where both sides pass the threshold at
    once. After a drift a stream starts afresh.

    >>> block = PageHinkleyBlock(2, min_instances=1, threshold=1.0)
    >>> for value in (0.0, 0.0, 9.0):
    ...     signals = block.update([value, 0.0])
    >>> [int(signal) for signal in signals]  # DRIFT and UP; nothing
    [6, 0]

    Page (1954), Biometrika 41, 100-115.
    """

    NAME: ClassVar[str] = "page-hinkley"

    def __init__(
        self,
        streams: int,
        *,
        min_instances: int = 30,
        delta: float = 0.005,
        threshold: float = 50.0,
        alpha: float = 0.9999,
    ) -> None:
        self._rules = Rules(min_instances, delta, threshold, alpha)
        require_page_hinkley(**self._rules._asdict())
        super().__init__(streams, **self._rules._asdict())

    @property
    def streams(self) -> int:
        """How many streams the block holds."""
        return self._state.counts.size

    @property
    def nbytes(self) -> int:
        """The bytes of state of all streams."""
        return sum(column.nbytes for column in self._state)

    def _fresh(self, streams: int) -> Columns:
        return State(
            counts=np.zeros(streams, dtype=np.int32),
            mean=np.zeros(streams),
            increase=np.zeros(streams),
            decrease=np.zeros(streams),
            lowest=np.full(streams, np.inf),
            highest=np.full(streams, BEFORE_ANY),
        )._asdict()

    def _columns(self) -> Columns:
        return self._state._asdict()

    def _load(self, columns: Columns) -> None:
        self._state = State(**{name: np.ascontiguousarray(columns[name]) for name in State._fields})

    def _run(self, values: FloatArray, present: NDArray[np.bool_] | None) -> Signals:
        signals = np.zeros(values.shape, dtype=np.uint8)
        there = np.ones(values.shape, dtype=np.bool_) if present is None else present

        def work(start: int, stop: int) -> None:
            run(values, there, self._state, signals, self._rules, start, stop)

        parallel.in_parts(work, self.streams, least=LEAST_STREAMS)
        return signals
