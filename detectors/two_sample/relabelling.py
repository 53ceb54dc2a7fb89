"""The null of a two-sample test by relabelling: what if chance dealt the same values out anew.

Under no drift every way to deal n of the N = n + m pooled values to the reference is as likely as
any other. The gap F - G after each of a set of pooled ranks then depends on n and m alone, not on
the values, so seeded deals are drawn once for each (n, m) and serve all subjects.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import FloatArray

DEALS = 1_999
_SEED = 20_261_121
_ALL_RANKS_UP_TO = 256  # values; beyond, ranks thin out between the ends
_NEAR_ENDS, _EVENLY = 48, 64
_PERMUTED_UP_TO, _AT_ENDS = 4_096, 64
_MOST_VALUES = 10**9 - 1_000  # numpy deals from fewer than 10^9
_TIE = 1e-12
_TAIL_FROM = 20


@dataclass(frozen=True, eq=False)
class Deals:
    """Gaps F - G of seeded deals: `gaps` (DEALS, K) after each of the `ranks` (K,) smallest values.

    `bounds` (K + 1,) are the ranks, from 0, of the values between which each gap is taken to hold,
    from the first value to the last of `total`. The gap after a share h of the values has the
    variance `variance` * total / (total - 1) * h * (1 - h).
    """

    total: int
    variance: float
    ranks: NDArray[np.int64]
    gaps: FloatArray
    sizes: FloatArray  # |gaps|

    @property
    def below(self) -> FloatArray:
        """The share of all values at or below each rank."""
        return self.ranks / self.total

    @property
    def bounds(self) -> NDArray[np.int64]:
        """Half way between ranks; where none was left out these are 0 to total - 1."""
        between = (self.ranks[:-1] + self.ranks[1:]) // 2
        return np.concatenate(([0], between, [self.total - 1]))


@lru_cache(maxsize=4)
def deals_of(n: int, m: int) -> Deals:
    """Deal n + m values of equal weight, at up to 255 ranks.

    These are each of the outermost and evenly spread between: a heavy tail is felt at the outermost
    ranks, where the gap is that of a few values.
    """
    ranks = _ranks(n + m)
    shrink = max(1.0, (n + m) / _MOST_VALUES)
    widths = np.diff(ranks, prepend=0, append=n + m) / shrink
    cells: NDArray[np.int64] = np.maximum(np.rint(widths), 1).astype(np.int64)
    total = int(cells.sum())
    taken = min(max(1, round(n / shrink)), total - 1)
    rng = np.random.default_rng(_SEED)
    dealt = rng.multivariate_hypergeometric(cells, taken, size=DEALS, method="marginals")
    from_x = np.cumsum(dealt[:, :-1], axis=1)
    from_y = np.cumsum(cells[:-1]) - from_x
    gaps = (from_x / taken - from_y / (total - taken)) / np.sqrt(shrink)
    return Deals(n + m, 1 / n + 1 / m, ranks, gaps, np.abs(gaps))


def deals_of_slots(slots: FloatArray) -> Deals:
    """Deal values to weights (N,): each value falls to a slot by chance, and the slots sum to 0.

    That is the null of weighted samples whose weights do not depend on their values. Up to 4,096
    values whole permutations are drawn; above, the slots of the 64 outermost ranks at each end,
    and between them the bridge that a sum of many slots tends to.
    """
    ranks, rng = _ranks(slots.size), np.random.default_rng(_SEED)
    if slots.size <= _PERMUTED_UP_TO:
        permuted = rng.permuted(np.broadcast_to(slots, (DEALS, slots.size)), axis=1)
        gaps = np.cumsum(permuted, axis=1)[:, ranks - 1]
    else:
        gaps = _ends_and_bridge(slots, ranks, rng)
    return Deals(slots.size, float(slots @ slots), ranks, gaps, np.abs(gaps))


def dealt_p_values(
    observed: FloatArray, dealt: FloatArray, log_tail: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Return the p-values (C,) of `observed` (C,) among `dealt` (C, DEALS).

    They are (1 + #{dealt >= observed}) / (1 + DEALS), exact whatever the values are. The far tail
    also follows exp(log_tail), the limit's, on from the 20th largest deal, which is known better
    than the last few: the p-value is the larger of both as far as deals reach, so that heavy
    tails are no alarm, and the smaller one beyond all of them.
    """
    least = observed - _TIE * np.abs(observed)
    reached: NDArray[np.int64] = np.sum(dealt >= least[:, np.newaxis], axis=1)
    chance: FloatArray = (1 + reached) / (1 + DEALS)
    if (reached >= _TAIL_FROM).all():
        return chance
    start = np.partition(dealt, -_TAIL_FROM, axis=1)[:, -_TAIL_FROM]
    with np.errstate(invalid="ignore"):  # -inf less -inf, where both are beyond float64
        fall = np.nan_to_num(log_tail(observed) - log_tail(start))
    followed = _TAIL_FROM / (1 + DEALS) * np.exp(np.minimum(fall, 0.0))
    far = np.where(reached > 0, np.maximum(chance, followed), np.minimum(chance, followed))
    return np.asarray(np.where(reached >= _TAIL_FROM, chance, far), dtype=np.float64)


def _ranks(total: int) -> NDArray[np.int64]:
    if total <= _ALL_RANKS_UP_TO:
        return np.arange(1, total)
    near = np.geomspace(1, total / 2, _NEAR_ENDS)
    evenly = np.arange(1, _EVENLY) * (total / _EVENLY)
    chosen = np.rint(np.concatenate((near, total - near, evenly))).astype(np.int64)
    return np.unique(chosen)


def _ends_and_bridge(
    slots: FloatArray, ranks: NDArray[np.int64], rng: np.random.Generator
) -> FloatArray:
    low, high = (np.cumsum(rng.choice(slots, (DEALS, _AT_ENDS)), axis=1) for _ in range(2))
    inner = ranks[(ranks > _AT_ENDS) & (ranks < slots.size - _AT_ENDS)]
    steps = np.diff(inner, prepend=_AT_ENDS, append=slots.size - _AT_ENDS)
    sd = np.sqrt(slots @ slots / slots.size * steps)
    walk = np.cumsum(rng.normal(0.0, sd, (DEALS, steps.size)), axis=1)
    missing = walk[:, -1:] + low[:, -1:] + high[:, -1:]
    share = (inner - _AT_ENDS) / (slots.size - 2 * _AT_ENDS)
    bridge = low[:, -1:] + walk[:, :-1] - share * missing
    first = ranks[ranks <= _AT_ENDS] - 1
    last = slots.size - ranks[ranks >= slots.size - _AT_ENDS] - 1
    return np.concatenate((low[:, first], bridge, -high[:, last]), axis=1)
