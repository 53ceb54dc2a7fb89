"""ADWIN on many streams, with river's alarms."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors import parallel
from detectors.arrays import FloatArray
from detectors.kernels.adwin import (
    APART,
    LANES,
    MOST_SIZES,
    SLOTS,
    Rules,
    State,
    find_suspects,
    run_alone,
    run_together,
    test_suspects,
)
from detectors.sequential.blocks.block import Block, Columns, Signals
from detectors.sequential.blocks.parameters import require_adwin

LEAST_GROUPS = 16  # fewer are not worth a thread
EVERYWHERE = np.zeros((0, 0), dtype=np.bool_)


class AdwinBlock(Block):
    """`Adwin` on every stream: the same alarms as river.drift.ADWIN, to the last bit.

    Streams with equally many values since their last drift are worked on side by side, wherever
    they stand in the block, and alarm as each alone would. State grows with the logarithm of the
    longest window: 20 bytes a stream, and 48 for each doubling of it beyond five values (308 up to
    260 values, 500 up to 4,000). After a drift a stream starts afresh.

    >>> block = AdwinBlock(1000, delta=0.002)
    >>> signals = block.run(np.zeros((64, 1000)))
    >>> signals.any(), block.nbytes // 1000 < 300
    (np.False_, True)

    Bifet & Gavalda (2007), SIAM Int. Conf. on Data Mining, 443-448.
    """

    NAME: ClassVar[str] = "adwin"

    def __init__(
        self,
        streams: int,
        *,
        delta: float = 0.002,
        clock: int = 32,
        min_window_length: int = 5,
        grace_period: int = 10,
    ) -> None:
        require_adwin(
            delta=delta,
            clock=clock,
            min_window_length=min_window_length,
            grace_period=grace_period,
        )
        self._rules = Rules(delta, clock, grace_period, min_window_length)
        super().__init__(
            streams,
            delta=delta,
            clock=clock,
            min_window_length=min_window_length,
            grace_period=grace_period,
        )

    @property
    def streams(self) -> int:
        """How many streams the block holds."""
        return self._state.order.size

    @property
    def nbytes(self) -> int:
        """The bytes of state of all streams."""
        return sum(array.nbytes for array in self._state)

    @property
    def widths(self) -> NDArray[np.int64]:
        """How many values each stream's window holds, 0 right after a drift."""
        return self._columns()["counts"].astype(np.int64)

    @property
    def means(self) -> FloatArray:
        """The mean of each stream's window, 0 when it is empty."""
        columns = self._columns()
        return np.asarray(columns["total"] / np.maximum(columns["counts"], 1), dtype=np.float64)

    def _fresh(self, streams: int) -> Columns:
        return {
            "counts": np.zeros(streams, dtype=np.int32),
            "total": np.zeros(streams),
            "variance": np.zeros(streams),
            "slots": np.zeros((streams, SLOTS)),
        }

    def _columns(self) -> Columns:
        state = self._state
        shared = np.repeat(state.shared, LANES)
        by_place = {
            "counts": np.where(shared >= 0, shared, state.counts),
            "total": state.total,
            "variance": state.variance,
            "slots": state.slots.T,
        }
        return {name: self._by_stream(column) for name, column in by_place.items()}

    def _by_stream(self, column: NDArray[Any]) -> NDArray[Any]:
        used = column[: self.streams]
        ordered = np.empty_like(used, order="C")
        ordered[self._state.order] = used
        return ordered

    def _load(self, columns: Columns) -> None:
        """Put streams with equal counts side by side, so that most groups are in step."""
        order = np.argsort(columns["counts"], kind="stable").astype(np.uint32)
        # Places beyond the last stream do as the last one does.
        fill = np.pad(order, (0, -order.size % LANES), mode="edge" if order.size else "constant")
        by_place = {name: column[fill] for name, column in columns.items()}
        by_place["slots"] = np.ascontiguousarray(by_place["slots"].T)
        self._arrange(order, **by_place)

    def _arrange(
        self,
        order: NDArray[np.uint32],
        counts: NDArray[np.int32],
        total: FloatArray,
        variance: FloatArray,
        slots: FloatArray,
    ) -> None:
        groups = counts.reshape(-1, LANES)
        alike = (groups == groups[:, :1]).all(axis=1)
        shared = np.where(alike, groups[:, 0], -1).astype(np.int32)
        self._state = State(order, shared, counts, total, variance, slots)
        self._longest = int(counts.max(initial=0))
        self._rounds_in_order = 0

    def _run(self, values: FloatArray, present: NDArray[np.bool_] | None) -> Signals:
        signals = np.zeros(values.shape, dtype=np.uint8)
        bounds = self._checks(len(values))
        self._make_room(len(values))
        for part in map(slice, bounds, bounds[1:]):
            self._advance(values[part], None if present is None else present[part], signals[part])
        return signals

    def _checks(self, rounds: int) -> list[int]:
        """Divide rounds where most streams look for cuts: after those, order may pay."""
        clock = self._rules.clock
        first = clock - self._longest % clock
        return [0, *range(first, rounds, clock), rounds]

    def _advance(
        self, values: FloatArray, present: NDArray[np.bool_] | None, signals: Signals
    ) -> None:
        """Take so few rounds that no group looks for cuts twice."""
        taken = np.zeros(self._state.shared.size, dtype=np.int64)
        if present is None:
            self._together(values, taken)
        if (taken < len(values)).any() or (self._state.shared < APART).any():
            self._alone(values, EVERYWHERE if present is None else present, signals, taken)
        self._rounds_in_order += len(values)
        if present is None and self._worth_reordering():
            self._reorder()

    def _together(self, values: FloatArray, taken: NDArray[np.int64]) -> None:
        """Advance the groups in step: to where they look for cuts, and past it."""

        def take(start: int, stop: int) -> None:
            run_together(values, self._state, self._rules, taken, np.zeros(LANES), start, stop)

        def look(start: int, stop: int) -> None:
            work, arrived = np.empty((4, LANES)), np.empty(MOST_SIZES, dtype=np.int64)
            find_suspects(self._state, self._rules, work, arrived, start, stop)

        groups = taken.size
        parallel.in_parts(take, groups, least=LEAST_GROUPS)
        if self._any_due():
            parallel.in_parts(look, groups, least=LEAST_GROUPS)
            if (taken < len(values)).any():
                parallel.in_parts(take, groups, least=LEAST_GROUPS)

    def _alone(
        self,
        values: FloatArray,
        present: NDArray[np.bool_],
        signals: Signals,
        taken: NDArray[np.int64],
    ) -> None:
        """Advance each stream of the groups that are not in step, or not any more."""

        def take(start: int, stop: int) -> None:
            state, rules = self._state, self._rules
            work, arrived = np.empty((4, LANES)), np.empty(MOST_SIZES, dtype=np.int64)
            test_suspects(state, signals, rules, taken, work, arrived, start, stop)
            run_alone(values, present, state, signals, rules, taken, arrived, start, stop)

        parallel.in_parts(take, taken.size, least=LEAST_GROUPS)

    def _any_due(self) -> bool:
        shared, rules = self._state.shared, self._rules
        return bool(((shared > rules.grace) & (shared % rules.clock == 0)).any())

    def _reorder(self) -> None:
        """Put streams with equal counts side by side again, as `_load` does, by moving places."""
        state = self._state
        shared = np.repeat(state.shared, LANES)
        counts = np.where(shared >= 0, shared, state.counts)
        places = np.argsort(counts[: self.streams], kind="stable")
        fill = np.pad(places, (0, -places.size % LANES), mode="edge")
        self._arrange(
            state.order[places],
            counts[fill],
            state.total[fill],
            state.variance[fill],
            state.slots[:, fill],
        )

    def _worth_reordering(self) -> bool:
        """Whether most groups that fell out of step would be in step again."""
        apart = self._state.shared < 0
        if self._rounds_in_order < self._rules.clock or not apart.any():
            return False
        counts = self._state.counts.reshape(-1, LANES)[apart]
        return bool(2 * np.unique(counts).size < np.count_nonzero(apart))

    def _make_room(self, rounds: int) -> None:
        """Add slots for the sizes of buckets that windows may need after so many more rounds."""
        self._longest += rounds
        missing = SLOTS * sizes_of(self._longest) - len(self._state.slots)
        if missing > 0:
            slots = np.pad(self._state.slots, ((0, missing), (0, 0)))
            self._state = self._state._replace(slots=slots)

    def _join(self, first: Columns, second: Columns) -> Columns:
        width = max(columns["slots"].shape[1] for columns in (first, second))
        return super()._join(_widened(first, width), _widened(second, width))


def sizes_of(longest: int) -> int:
    """Return how many sizes of buckets a window of so many values has, at least 1.

    >>> [sizes_of(n) for n in (1, 5, 6, 260)]
    [1, 1, 2, 6]
    """
    count = 1
    while longest >= SLOTS:
        longest, count = (longest - 4) // 2, count + 1
    return count


def _widened(columns: Columns, width: int) -> Columns:
    missing = width - columns["slots"].shape[1]
    return columns | {"slots": np.pad(columns["slots"], ((0, 0), (0, missing)))}
