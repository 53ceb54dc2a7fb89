"""Intervals and evidence that stay valid however often one looks: for a mean over clients.

A canary is looked at after each of its rounds, and each look is at the same clients with more
examples. What the estimate's error is at a look, s, makes the information 1 / s^2. What later looks
add to an estimate is independent of what earlier ones said, whatever part of its error lies between
clients and stays, and whatever part lies within them and shrinks: so (estimate - mean) / s^2 moves
like Brownian motion, whose time is the information. Robbins' mixture bounds that motion at all
times together. The error is estimated from few clients, so Student's t is turned into the normal
score of the same probability first.

`information` is always relative to that of the first look: 1 there. The mixture's prior weight is
`PRIOR` there, which keeps the bound within 2.8 to 3.3 standard errors (one-sided at 5%) while the
information grows four-hundredfold; choosing it by the first look's error spends nothing, since that
says how much is known and not what.

Robbins (1970), Ann. Math. Statist. 41, 1397-1409 (the mixture); Scharfstein, Tsiatis & Robins
(1997), J. Am. Stat. Assoc. 92, 1342-1350 (information as time); Waudby-Smith, Arbour, Sinha,
Kennedy & Ramdas (2024), Ann. Statist. 52, 2613-2640 (confidence sequences in large samples).
"""

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import LARGEST, FloatArray, finite, fraction
from detectors.errors import BadParameterError, NotFiniteError

PRIOR = 4.0  # the mixture's variance, in units of the first look's squared standard error
LEAST_TAIL = 1e-300  # below it a score is as large as it can be
LARGEST_EXPONENT = 600.0  # whose exponential, and its double, are finite


def half_width(
    standard_error: ArrayLike, freedom: ArrayLike, information: ArrayLike, alpha: float
) -> FloatArray:
    """Return how far a confidence sequence reaches from the estimate, either way, at each look.

    With probability 1 - alpha at least, the intervals of all looks hold the mean. With q = PRIOR
    times the information, the bound is z^2 = 2 (1 + q) / q log(sqrt(1 + q) / alpha) as a normal
    score, and Student's t with `freedom` degrees of freedom (more than 0) of the same probability.
    The arguments are broadcast. BadParameterError, NotFiniteError, OutOfRangeError.

    >>> round(float(half_width(1.0, 15, 1.0, 0.05)), 3)  # 2.131 for one look fixed beforehand
    3.72
    """
    error, prior = finite(standard_error, "standard_error"), _prior(information)
    level = fraction(alpha, "alpha")
    score = np.sqrt(2 * (1 + prior) / prior * np.log(np.sqrt(1 + prior) / level))
    tail = np.maximum(scipy.special.ndtr(-score), LEAST_TAIL)
    reach = -scipy.special.stdtrit(_positive(freedom, "freedom"), tail)
    # So far out that it overflows; a wider interval would say no more.
    held = np.where(np.isfinite(reach), np.minimum(reach, LARGEST), LARGEST)
    return np.asarray(held * error, dtype=np.float64)


def e_value_below(statistic: ArrayLike, freedom: ArrayLike, information: ArrayLike) -> FloatArray:
    """Return the e-values against "the mean is not below" the value that `statistic` is taken at.

    `statistic` is Student's t, (estimate - value) / standard error, with `freedom` degrees of
    freedom. Were the mean not below, the largest over all looks would reach x with a chance of
    1 / x at most. With z its normal score and q as in `half_width`, the e-value is the mixture
    likelihood ratio over means from the lower half of a normal distribution:

        2 / sqrt(1 + q) exp(z^2 q / (2 (1 + q))) Phi(-z sqrt(q / (1 + q))).

    BadParameterError, NotFiniteError for NaN; an infinite t is a very large one.

    >>> float(e_value_below(-6.0, 15, 1.0)) > 20 > 1 > float(e_value_below(0.0, 15, 1.0))
    True

    Wald (1945), Ann. Math. Statist. 16, 117-186 (mixtures); Ramdas, Grunwald, Vovk & Shafer
    (2023), Statist. Sci. 38, 576-601 (e-processes).
    """
    t = np.asarray(statistic, dtype=np.float64)
    if np.isnan(t).any():
        raise NotFiniteError("statistic", int(np.argmax(np.isnan(t))))
    prior = _prior(information)
    score = normal_score(t, _positive(freedom, "freedom"))
    share = prior / (1 + prior)
    growth = np.minimum(score * score * share / 2, LARGEST_EXPONENT)
    leaning = scipy.special.log_ndtr(-score * np.sqrt(share))
    return np.asarray(2 / np.sqrt(1 + prior) * np.exp(growth + leaning), dtype=np.float64)


def normal_score(statistic: ArrayLike, freedom: ArrayLike) -> FloatArray:
    """Return what a standard normal variable exceeds as often as Student's t does `statistic`."""
    t, known = np.asarray(statistic, dtype=np.float64), np.asarray(freedom, dtype=np.float64)
    tail = np.maximum(scipy.special.stdtr(known, -np.abs(t)), LEAST_TAIL)
    return np.asarray(np.copysign(scipy.special.ndtri(tail), t), dtype=np.float64)


def _prior(information: ArrayLike) -> FloatArray:
    return PRIOR * _positive(information, "information")


def _positive(values: ArrayLike, name: str) -> FloatArray:
    array = finite(values, name)
    if (array <= 0).any():
        raise BadParameterError(name, float(array.min()), "above 0")
    return array
