"""The e-process for a mean shift over rounds and streams.

`detectors.sequential.mean_eprocess.MeanEProcess` is the reference. Its bets are 1/4 times 1, 2, 4
and 8, so that one exponential and its squares give the winnings of all.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.sequential.blocks.block import Signal, Signals
from detectors.sequential.mean_eprocess import BETS, LARGEST_SCORE, LEAST_KNOWN, RELATIVE_FLOOR

WENT_UP = int(Signal.DRIFT | Signal.UP)
WENT_DOWN = int(Signal.DRIFT | Signal.DOWN)
COSTS = tuple(math.exp(-bet * bet / 2) for bet in BETS)


@njit(cache=True)
def run_mean_eprocess(
    values: FloatArray,
    present: NDArray[np.bool_],
    signals: Signals,
    count: NDArray[np.int64],
    known: NDArray[np.int64],
    mean: FloatArray,
    squares: FloatArray,
    up: FloatArray,
    down: FloatArray,
    reference_size: int,
    limit: float,
) -> None:
    """Take values of shape (rounds, streams) where present; a drift leaves a fresh stream.

    `up` and `down` have the shape (streams, bets).
    """
    shared, share, unused = -1, 0.0, 1.0
    for row in range(values.shape[0]):
        for i in range(values.shape[1]):
            if not present[row, i]:
                continue
            if known[i] >= LEAST_KNOWN:
                if count[i] != shared:  # streams in step share these logarithms
                    shared = count[i]
                    unused = 1.0 / (1.0 + math.log1p(shared + 1.0))
                    share = math.log1p(1.0 / (shared + 1)) / (1.0 + math.log1p(shared)) * unused
                count[i] += 1
                score = _score(values[row, i], known[i], mean[i], squares[i])
                rose, fell = _settle(up[i], down[i], share, math.exp(BETS[0] * score))
                if unused + (rose + fell) / (2 * len(BETS)) >= limit:
                    signals[row, i] = WENT_UP if rose >= fell else WENT_DOWN
                    count[i], known[i], mean[i] = 0, reference_size, 0.0
                    squares[i] = max(0.0, reference_size - 1.0)
                    up[i], down[i] = 0.0, 0.0
                    continue
            known[i] += 1
            apart = values[row, i] - mean[i]
            mean[i] += apart / known[i]
            squares[i] += apart * (values[row, i] - mean[i])


@njit(cache=True)
def _score(value: float, known: int, mean: float, squares: float) -> float:
    """Return the residual's score, as the reference does."""
    freedom = known - 1.0
    floor = RELATIVE_FLOOR * max(1.0, abs(mean))
    variance = max(squares / freedom, floor * floor)
    apart = value - mean
    ratio = apart * apart / (variance * (1.0 + 1.0 / known))
    score = min(math.sqrt((freedom - 0.5) * math.log1p(ratio / freedom)), LARGEST_SCORE)
    return score if apart >= 0 else -score


@njit(cache=True)
def _settle(up: FloatArray, down: FloatArray, share: float, win: float) -> tuple[float, float]:
    """Settle one stream's bets, the smallest of which wins `win`; return the sums of both sides."""
    rose = fell = 0.0
    lose = 1.0 / win
    for place in range(len(COSTS)):
        up[place] = (up[place] + share) * win * COSTS[place]
        down[place] = (down[place] + share) * lose * COSTS[place]
        rose += up[place]
        fell += down[place]
        win, lose = win * win, lose * lose
    return rose, fell
