"""Prediction limits that a few bad reference rounds cannot move: median and MAD.

A reference of real rounds has outages in it. A mean and a standard deviation take them in, and
widen until nothing is unusual; the median and the median absolute deviation stand up to anything
done to fewer than half of the rounds. They are less certain than mean and sd, markedly so in small
references, and the limits here carry that.
"""

from functools import lru_cache

import numpy as np
import scipy
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite
from detectors.errors import EmptySampleError, ShapeError, TooFewError
from detectors.series.standardise import RELATIVE_FLOOR
from detectors.series.whitening import SeriesScores, scores_from_tails

LEAST_REFERENCE = 5
NORMAL_MAD = 1.482602218505602  # 1 / the upper quartile of the normal: sd over MAD
SIMULATED, LARGEST_SIMULATED, SEED = 8_000, 400, 20_261
FEWEST, MOST = 0.5, 1e4  # degrees of freedom
NEAR, FAR = 0.05, 0.005  # the p-values at which Student's t is matched


def robust_scores(reference: ArrayLike, values: ArrayLike) -> SeriesScores:
    """Judge each value by itself against the median and MAD of its stream's reference.

    `reference` is (rounds, streams) and `values` (streams,) or (any rounds, streams); vectors are
    one stream. The arrays of the result have the shape of `values`; `effect` is value - median in
    the metric's unit. Rounds are taken as independent and normal but for fewer than half of the
    reference: bad ones there widen the limits, and at most.

    The statistic is (value - median) / (1.4826 MAD), and its tail that of a scaled Student's t
    (see `limits`). Where more than half of a stream's rounds are equal, so that the MAD is 0, its
    standard deviation is used instead, and at least 1e-9 of max(1, |median|). Raises TooFewError
    under five rounds, ShapeError, EmptySampleError, NotFiniteError, OutOfRangeError.

    >>> reference = [0.20, 0.22, 0.18, 0.21, 0.19, 0.95, 0.23, 0.17]
    >>> bool(robust_scores(reference, [0.60]).p_values[0] < 0.01)
    True

    Hampel (1974), J. Am. Stat. Assoc. 69, 383-393; Rousseeuw & Croux (1993), J. Am. Stat. Assoc.
    88, 1273-1283.
    """
    known, new = _aligned(finite(reference, "reference"), finite(values, "values"))
    scale, degrees = limits(known.shape[0])
    centre = np.median(known, axis=0)
    spread = NORMAL_MAD * np.median(np.abs(known - centre), axis=0)
    floor = RELATIVE_FLOOR * np.maximum(1.0, np.abs(centre))
    spread = np.where(spread > floor, spread, np.maximum(known.std(axis=0, ddof=1), floor))
    effect = np.asarray(new - centre).reshape(np.shape(values))
    statistic = np.asarray((new - centre) / (spread * scale)).reshape(np.shape(values))
    return scores_from_tails(
        np.asarray(scipy.special.stdtr(degrees, statistic), dtype=np.float64),
        np.asarray(scipy.special.stdtr(degrees, -statistic), dtype=np.float64),
        effect,
    )


@lru_cache(maxsize=512)
def limits(rounds: int) -> tuple[float, float]:
    """Return s and nu such that (value - median) / (1.4826 MAD) is about s times t with nu df.

    They are matched at two-sided p-values of 5% and 0.5% to the mean over 8,000 seeded normal
    references of the exact tail given each; past 400 rounds s^2 = 1 + pi / (2 n), nu = n / 2.72,
    from the asymptotic variances of median and MAD. In the far tail t is the heavier: the MAD of n
    values is small as seldom as the root mean square of about n / 2 of them.
    """
    if rounds < LEAST_REFERENCE:
        raise TooFewError("reference", rounds, LEAST_REFERENCE)
    if rounds > LARGEST_SIMULATED:
        return float(np.sqrt(1 + np.pi / (2 * rounds))), rounds / 2.7202
    near, far = _simulated_limit(rounds, NEAR), _simulated_limit(rounds, FAR)
    degrees = float(
        scipy.optimize.brentq(
            lambda nu: _t_limit(nu, FAR) / _t_limit(nu, NEAR) - far / near, FEWEST, MOST
        )
    )
    return near / _t_limit(degrees, NEAR), degrees


def _t_limit(degrees: float, level: float) -> float:
    return float(scipy.special.stdtrit(degrees, 1 - level / 2))


def _simulated_limit(rounds: int, level: float) -> float:
    """Return c with P(|value - median| > c 1.4826 MAD) = level, over the seeded references."""
    centre, spread = _references(rounds)

    def excess(limit: float) -> float:
        tails = scipy.special.ndtr(-limit * spread - centre)
        tails += scipy.special.ndtr(-limit * spread + centre)
        return float(np.mean(tails)) - level

    return float(scipy.optimize.brentq(excess, 0.1, 1e6))


@lru_cache(maxsize=2)
def _references(rounds: int) -> tuple[FloatArray, FloatArray]:
    draws = np.random.default_rng([SEED, rounds]).normal(size=(SIMULATED, rounds))
    centre = np.median(draws, axis=1)
    return centre, NORMAL_MAD * np.median(np.abs(draws - centre[:, np.newaxis]), axis=1)


def _aligned(known: FloatArray, new: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both as (rounds, streams)."""
    if known.ndim not in {1, 2}:
        raise ShapeError("reference", known.shape, "(rounds,) or (rounds, streams)")
    if known.size == 0:
        raise EmptySampleError("reference")
    columns = known.reshape(known.shape[0], -1)
    rows = new.reshape(-1, 1) if known.ndim == 1 else np.atleast_2d(new)
    if new.ndim not in {known.ndim - 1, known.ndim} or rows.shape[1] != columns.shape[1]:
        raise ShapeError("values", new.shape, f"(rounds, {columns.shape[1]}), or one round")
    return columns, rows
