"""A shift that lasts: the median of the newest rounds against a prediction limit.

One bad round, however bad, cannot move the median of three; that a single outlier is no drift is
thus a property of the statistic. The reference's mean and standard deviation are estimates from few
rounds, and the p-value carries their uncertainty, as Student's t does for a single value.
"""

from collections.abc import Callable
from functools import lru_cache
from math import comb

import numpy as np
import scipy
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, fraction, sample
from detectors.errors import BadParameterError, NoSpreadError, TooFewError
from detectors.result import SUBJECT, TwoSampleResult

NAME = "median-shift"
LEAST_REFERENCE = 4
_MEAN_NODES, _SPREAD_NODES = 48, 200
_WIDEST = 60.0
_MOST_TERMS = 16


def median_shift(
    reference: ArrayLike, latest: ArrayLike, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Test whether the median of the `latest` rounds left what the `reference` rounds predict.

    `reference` holds n >= 4 values, one a round, taken as independent and normal; `latest` an odd
    number of values. `statistic` is (median - mean) / sd of the reference, signed; `effect` is
    median - mean in the subject's unit, signed; the p-value is two-sided and exact for normal
    rounds. The minimum detectable effect is the shift, common to the latest rounds, that is found
    at `alpha` with `power`. Raises TooFewError, BadParameterError for an even number of latest
    values, NoSpreadError where the reference has no variance, EmptySampleError, NotFiniteError.

    >>> reference = [0.20, 0.22, 0.18, 0.21, 0.19, 0.20, 0.23, 0.17]
    >>> round(median_shift(reference, [0.35, 0.21, 0.34]).effect, 3)
    0.14

    The prediction limit for a future median of order 3: Gibbons (1994), Statistical Methods for
    Groundwater Monitoring, chapter 1; US EPA (2009), Unified Guidance, sections 18.2 and 19.4.
    """
    known, new = sample(reference, "reference"), sample(latest, "latest")
    fraction(alpha, "alpha"), fraction(power, "power")
    if known.size < LEAST_REFERENCE:
        raise TooFewError("reference", known.size, LEAST_REFERENCE)
    if new.size % 2 == 0:
        raise BadParameterError("latest", new.size, "an odd number of rounds")
    mean, sd = float(known.mean()), float(known.std(ddof=1))
    if sd <= np.finfo(np.float64).eps * max(abs(mean), 1.0):
        raise NoSpreadError("reference")
    effect = float(np.median(new)) - mean
    return TwoSampleResult(
        detector=NAME,
        statistic=effect / sd,
        p_value=median_shift_p(effect / sd, known.size, new.size),
        effect=effect,
        effect_unit=SUBJECT,
        minimum_detectable_effect=sd * detectable_median(known.size, new.size, alpha, power),
        n_reference=float(known.size),
        n_current=float(new.size),
    )


def median_shift_p(statistic: float, rounds: int, latest: int) -> float:
    """Two-sided p-value of a median `statistic` reference sds from the mean of `rounds` rounds.

    With M ~ N(0, 1 / n) and S^2 ~ chi^2_{n-1} / (n - 1), it is 2 E[P(median of k > |c| S + M)],
    integrated over 48 Gauss-Hermite nodes of M and 200 quantiles of S.
    """
    return min(1.0, 2 * _exceedance(abs(statistic), 0.0, rounds, latest))


def _exceedance(limit: float, shift: float, rounds: int, latest: int) -> float:
    """P(median of `latest` values, moved by `shift` true sds, is above mean + limit * sd)."""
    means, weights, spreads = _nodes(rounds)
    threshold = means[:, np.newaxis] + limit * spreads
    above = scipy.special.ndtr(shift - threshold)
    return float(weights @ _most_of(above, (latest + 1) // 2).mean(axis=1))


def _most_of(chance: FloatArray, half: int) -> FloatArray:
    """P(`half` or more of 2 half - 1 values are), where each is with `chance`: betainc(half, half).

    The polynomial takes a tenth of scipy's time, and its terms have one sign.
    """
    if half > _MOST_TERMS:
        return np.asarray(scipy.special.betainc(half, half, chance), dtype=np.float64)
    total = np.zeros_like(chance)
    for term in range(half - 1, -1, -1):
        total = total * (1 - chance) + comb(half - 1 + term, term)
    return total * chance**half


@lru_cache(maxsize=256)
def detectable_median(rounds: int, latest: int, alpha: float, power: float) -> float:
    """The shift, in reference sds, that is found at `alpha` with `power`; infinite past 60."""
    limit = _root(lambda c: median_shift_p(c, rounds, latest) - alpha)
    return _root(lambda shift: power - _exceedance(limit, shift, rounds, latest))


def _root(falling: Callable[[float], float]) -> float:
    """Where a function that falls from above 0 crosses it; infinite where it does not by 60."""
    if falling(_WIDEST) > 0:
        return float("inf")
    return float(scipy.optimize.brentq(falling, 0.0, _WIDEST, xtol=1e-6))


@lru_cache(maxsize=64)
def _nodes(rounds: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(_MEAN_NODES)
    quantiles = (np.arange(_SPREAD_NODES) + 0.5) / _SPREAD_NODES
    chi_squared = scipy.special.chdtri(rounds - 1, 1 - quantiles)
    return nodes / np.sqrt(rounds), weights / weights.sum(), np.sqrt(chi_squared / (rounds - 1))
