"""ADWIN on groups of streams, in step where they can be.

How many buckets of which size a window of n values has depends on n alone, and river starts a
stream afresh after each drift. So neither numbers of buckets nor their places are stored: bucket j
of a size (its j-th ever) lies in slot j mod 6, and streams with equal n do the same at once.
Variances within buckets, which river keeps too, decide no alarm and are left out.

A stream has a place: `counts`, `total` and `variance` have one entry a place, `slots` one column,
with six rows a size. A group is so many places side by side. `exact_cut` repeats river's operations
in river's order, so that alarms agree to the last bit; `_suspicious` only spares most streams that.

What a first update does not need is compiled when it is first needed. Kernels are handed what they
work in: `work` (4, LANES) and `arrived` (MOST_SIZES,). Where something is allocated, numba counts
references at every access, and compiles a quarter of a second longer.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.sequential.blocks.block import Signal, Signals

SLOTS = 6  # five buckets of a size, and the one whose arrival makes two of them merge
LANES = 128  # places in a group: enough for the loops over them to be vectorised
MOST_SIZES = 40
APART, UNTESTED = -1, -2  # a group out of step; one in which a cut is suspected at its last value
DRIFT = int(Signal.DRIFT)
_CAUTION = 1 - 1e-12  # what rounding can take from a threshold
_ROUNDING = 1e-14  # what rounding can add to a difference, relative to its terms


class Rules(NamedTuple):
    """When a cut is looked for, and how sure it has to be."""

    delta: float
    clock: int
    grace: int
    shortest: int


class State(NamedTuple):
    """What is known of all places."""

    order: NDArray[np.uint32]  # the stream at each place that has one
    shared: NDArray[np.int32]  # by group: the count of all its places, below 0 where they differ
    counts: NDArray[np.int32]  # by place; current only where the group's differ
    total: FloatArray
    variance: FloatArray
    slots: FloatArray


@njit(cache=True, nogil=True, error_model="numpy")
def run_together(
    values: FloatArray,
    state: State,
    rules: Rules,
    taken: NDArray[np.int64],
    gathered: FloatArray,
    start: int,
    stop: int,
) -> None:
    """Take rounds of values, (rounds, streams), in the groups from `start` to `stop`.

    `taken[group]` is how many rounds a group has taken; it stops after one in which it looks for
    cuts, which is for `find_suspects`. `gathered` (LANES,) is worked in.
    """
    order, shared, _, total, variance, slots = state
    for group in range(start, stop):
        first = group * LANES
        used = min(LANES, order.shape[0] - first)
        in_order = used == LANES and _in_order(order, first)
        time, n = taken[group], shared[group]
        due = n < 0
        while time < values.shape[0] and not due:
            if in_order:
                stream = order[first]
                row = values[time, stream : stream + LANES]
            else:
                row = gathered
                for lane in range(used):
                    row[lane] = values[time, order[first + lane]]
            _take_together(row, n, first, total, variance, slots)
            n, time = n + 1, time + 1
            due = is_due(n, rules)
        shared[group], taken[group] = n, time


@njit(cache=True, nogil=True, error_model="numpy")
def find_suspects(
    state: State,
    rules: Rules,
    work: FloatArray,
    arrived: NDArray[np.int64],
    start: int,
    stop: int,
) -> None:
    """Take those groups out of step that just came to look for cuts, and may have one."""
    _, shared, counts, total, variance, slots = state
    for group in range(start, stop):
        n = shared[group]
        if n >= 0 and is_due(n, rules):
            first = group * LANES
            if _suspicious(n, first, total, variance, slots, rules, work, arrived):
                _part(group, shared, counts)
                shared[group] = UNTESTED


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def is_due(n: int, rules: Rules) -> bool:
    """Whether a window of n values looks for cuts."""
    return n % rules.clock == 0 and n > rules.grace


@njit(cache=True, nogil=True, error_model="numpy")
def test_suspects(
    state: State,
    signals: Signals,
    rules: Rules,
    taken: NDArray[np.int64],
    work: FloatArray,
    arrived: NDArray[np.int64],
    start: int,
    stop: int,
) -> None:
    """Look into the groups that fell out of step in `find_suspects`."""
    for group in range(start, stop):
        if state.shared[group] != UNTESTED:
            continue
        state.shared[group] = APART
        first = group * LANES
        n = state.counts[first]
        _suspicious(n, first, state.total, state.variance, state.slots, rules, work, arrived)
        for place in range(first, min(first + LANES, state.order.shape[0])):
            if work[3, place - first] >= 0.0:
                _test(place, taken[group] - 1, state, signals, rules, arrived)


@njit(cache=True, nogil=True, error_model="numpy")
def run_alone(
    values: FloatArray,
    present: NDArray[np.bool_],
    state: State,
    signals: Signals,
    rules: Rules,
    taken: NDArray[np.int64],
    arrived: NDArray[np.int64],
    start: int,
    stop: int,
) -> None:
    """Take what is left of the rounds, one place at a time, where streams have a value.

    `present` has the shape of `values`, or (0, 0) where every stream has one in every round.
    """
    everywhere = present.size == 0
    for group in range(start, stop):
        if taken[group] < values.shape[0]:
            _part(group, state.shared, state.counts)
        for time in range(taken[group], values.shape[0]):
            for place in range(group * LANES, min((group + 1) * LANES, state.order.shape[0])):
                stream = state.order[place]
                if everywhere or present[time, stream]:
                    n = state.counts[place] + 1
                    state.counts[place] = n
                    _take_one(values[time, stream], n - 1, place, state)
                    if is_due(n, rules):
                        _test(place, time, state, signals, rules, arrived)


@njit(cache=True, nogil=True, error_model="numpy")
def _test(
    place: int,
    time: int,
    state: State,
    signals: Signals,
    rules: Rules,
    arrived: NDArray[np.int64],
) -> None:
    """Look for a cut; where there is one, signal a drift and forget the window, as river does."""
    if exact_cut(state.counts[place], place, state, rules, arrived):
        signals[time, state.order[place]] = DRIFT
        state.counts[place] = 0
        state.total[place] = 0.0
        state.variance[place] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def exact_cut(n: int, place: int, state: State, rules: Rules, arrived: NDArray[np.int64]) -> bool:
    """River's test of every cut of a window of n values, from the oldest bucket on."""
    sizes = _buckets(n, arrived)
    shortest = rules.shortest
    log_term = math.log(2.0 * math.log(n) / rules.delta)
    spread = state.variance[place] / n
    n0, n1, sum0, sum1 = 0.0, float(n), 0.0, state.total[place]
    for size in range(sizes - 1, -1, -1):
        length = float(1 << size)
        newest = arrived[size] - (1 if size == 0 else 0)
        for bucket in range(2 * _merged(arrived[size]), newest):
            value = state.slots[size * SLOTS + bucket % SLOTS, place]
            n0, n1, sum0, sum1 = n0 + length, n1 - length, sum0 + value, sum1 - value
            if n0 >= shortest and n1 >= shortest:
                weight = 1.0 / (n0 - shortest + 1.0) + 1.0 / (n1 - shortest + 1.0)
                bound = math.sqrt(2.0 * weight * spread * log_term) + 2.0 / 3.0 * log_term * weight
                if abs(sum0 / n0 - sum1 / n1) > bound:
                    return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _suspicious(
    n: int,
    first: int,
    total: FloatArray,
    variance: FloatArray,
    slots: FloatArray,
    rules: Rules,
    work: FloatArray,
    arrived: NDArray[np.int64],
) -> bool:
    """Whether any place of a group might have a cut; those with `work[3]` of 0 or more.

    The test of `exact_cut` without a division or a root for each place and cut, and a little more
    eager, so that no cut is missed.
    """
    older, newer, spread, worst = work[0], work[1], work[2], work[3]
    for lane in range(LANES):
        older[lane], newer[lane], worst[lane] = 0.0, total[first + lane], -1.0
        spread[lane] = math.sqrt(variance[first + lane] / n)
    sizes = _buckets(n, arrived)
    shortest = rules.shortest
    log_term = math.log(2.0 * math.log(n) / rules.delta)
    n0, n1 = 0.0, float(n)
    for size in range(sizes - 1, -1, -1):
        length = float(1 << size)
        newest = arrived[size] - (1 if size == 0 else 0)
        for bucket in range(2 * _merged(arrived[size]), newest):
            values = _slot(size, bucket, first, slots)
            n0, n1 = n0 + length, n1 - length
            weight = 1.0 / max(n0 - shortest + 1.0, 1.0) + 1.0 / max(n1 - shortest + 1.0, 1.0)
            scale = math.sqrt(2.0 * weight * log_term) * _CAUTION
            least = 2.0 / 3.0 * log_term * weight * _CAUTION
            if n0 < shortest or n1 < shortest:
                least = math.inf
            _compare(values, older, newer, spread, worst, 1.0 / n0, 1.0 / n1, scale, least)
    highest = -1.0
    for lane in range(LANES):
        highest = max(highest, worst[lane])
    return highest >= 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _compare(
    values: FloatArray,
    older: FloatArray,
    newer: FloatArray,
    spread: FloatArray,
    worst: FloatArray,
    per_n0: float,
    per_n1: float,
    scale: float,
    least: float,
) -> None:
    """Move a bucket to the older part, and keep by how much the means pass the bound at most."""
    for lane in range(values.shape[0]):
        older[lane] += values[lane]
        newer[lane] -= values[lane]
        mean0, mean1 = older[lane] * per_n0, newer[lane] * per_n1
        rounding = _ROUNDING * (abs(mean0) + abs(mean1))
        excess = abs(mean0 - mean1) + rounding - (spread[lane] * scale + least)
        worst[lane] = max(worst[lane], excess)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _take_together(
    row: FloatArray,
    n: int,
    first: int,
    totals: FloatArray,
    variances: FloatArray,
    slots: FloatArray,
) -> None:
    """Put a value into each window of a group, all of which hold n."""
    total, variance = totals[first : first + LANES], variances[first : first + LANES]
    if n == 0:
        _add(total, row, total)
        _add(variance, row, _slot(0, 0, first, slots))  # a fresh window has the variance 0
        return
    _add_values(row, total, variance, _slot(0, n, first, slots), float(n), n + 1.0)
    count, size = n + 1, 0
    while _completes_a_pair(count):
        pair = count - SLOTS
        count, size = pair // 2 + 1, size + 1
        older, newer = _slot(size - 1, pair, first, slots), _slot(size - 1, pair + 1, first, slots)
        _add(older, newer, _slot(size, count - 1, first, slots))


@njit(cache=True, nogil=True, error_model="numpy")
def _add_values(
    values: FloatArray,
    total: FloatArray,
    variance: FloatArray,
    slot: FloatArray,
    n: float,
    width: float,
) -> None:
    for lane in range(values.shape[0]):
        value = values[lane]
        apart = value - total[lane] / n
        variance[lane] += n * apart * apart / width
        total[lane] += value
        slot[lane] = value


@njit(cache=True, nogil=True, error_model="numpy")
def _add(first: FloatArray, second: FloatArray, target: FloatArray) -> None:
    for lane in range(target.shape[0]):
        target[lane] = first[lane] + second[lane]


@njit(cache=True, nogil=True, error_model="numpy")
def _take_one(value: float, n: int, place: int, state: State) -> None:
    """Put a value into the window at one place, which holds n."""
    slots = state.slots
    if n > 0:
        apart = value - state.total[place] / n
        state.variance[place] += n * apart * apart / (n + 1.0)
    state.total[place] += value
    slots[n % SLOTS, place] = value
    count, row = n + 1, 0
    while _completes_a_pair(count):
        pair = count - SLOTS
        joined = slots[row + pair % SLOTS, place] + slots[row + (pair + 1) % SLOTS, place]
        count, row = pair // 2 + 1, row + SLOTS
        slots[row + (count - 1) % SLOTS, place] = joined


@njit(cache=True, nogil=True, error_model="numpy")
def _part(group: int, shared: NDArray[np.int32], counts: NDArray[np.int32]) -> None:
    """Let each place of a group count for itself."""
    if shared[group] >= 0:
        for place in range(group * LANES, (group + 1) * LANES):
            counts[place] = shared[group]
        shared[group] = APART


@njit(cache=True, nogil=True, error_model="numpy")
def _in_order(order: NDArray[np.uint32], first: int) -> bool:
    for lane in range(1, LANES):  # noqa: SIM110 - numba compiles no generator
        if order[first + lane] - order[first] != lane:
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _slot(size: int, bucket: int, first: int, slots: FloatArray) -> FloatArray:
    return slots[size * SLOTS + bucket % SLOTS, first : first + LANES]


@njit(cache=True, nogil=True, error_model="numpy")
def _buckets(n: int, arrived: NDArray[np.int64]) -> int:
    """Write how many buckets of each size n values ever made; return the number of sizes."""
    sizes = 0
    while n > 0:
        arrived[sizes] = n
        sizes, n = sizes + 1, _merged(n)
    return sizes


@njit(cache=True, nogil=True, error_model="numpy")
def _merged(arrived: int) -> int:
    """How many pairs have merged after so many buckets of a size: one at the 6th, 8th, 10th ..."""
    return (arrived - 4) // 2 if arrived >= SLOTS else 0


@njit(cache=True, nogil=True, error_model="numpy")
def _completes_a_pair(arrived: int) -> bool:
    return arrived >= SLOTS and arrived % 2 == 0
