"""Intervals and evidence that stay valid however often one looks: for a mean over clients.

A canary is looked at after each of its rounds, and each look is at the same clients with more
examples. So a look's error budget is spent before it: look number l has the share 1 / (l (l + 1)),
and all looks together 1. Nothing is assumed of how the looks depend on each other; at each of
them, the values are taken as independent and their mean as normal, as Student's t has it.
"""

import math

import scipy.special

from detectors.arrays import finite, fraction
from detectors.errors import NotFiniteError
from detectors.sequential.inputs import at_least

LARGEST = 1e100  # whose square is finite
LARGEST_EXPONENT = 700.0  # whose exponential, and its double, are finite


def look_share(look: int) -> float:
    """Return the share of the error budget that look number `look` has, the first being 1.

    The shares 1/2, 1/6, 1/12, ... add to 1 over all looks. BadParameterError under 1.
    """
    at_least(look, 1, "look")
    return 1 / (look * (look + 1))


def half_width(standard_error: float, freedom: int, look: int, alpha: float) -> float:
    """Return how far a confidence sequence reaches from the estimate, either way, at a look.

    With probability 1 - alpha at least, the intervals of all looks hold the mean. Student's t with
    `freedom` degrees of freedom at the level alpha * look_share(look). BadParameterError,
    NotFiniteError, OutOfRangeError.

    >>> round(half_width(1.0, 15, 1, 0.05), 3)  # 2.131 for one look that was fixed beforehand
    2.49

    Robbins (1970), Ann. Math. Statist. 41, 1397-1409 (confidence sequences); Lan & DeMets (1983),
    Biometrika 70, 659-663 (an error budget spent over looks).
    """
    finite([standard_error], "standard_error")
    at_least(freedom, 1, "freedom")
    level = fraction(alpha, "alpha") * look_share(look)
    return -float(scipy.special.stdtrit(freedom, level / 2)) * standard_error


def e_value_below(statistic: float, clients: int, look: int = 1) -> float:
    """Return the e-value against "the mean is not below" the value that `statistic` is taken at.

    `statistic` is Student's t of n `clients`: (mean - value) / standard error. The e-value is the
    mixture likelihood ratio of t over effects (mean less value, in standard deviations of one
    client) from the lower half of N(0, 1), exact whatever the spread; times the look's share,
    which makes the largest over all looks exceed 1 / alpha with probability alpha at most. With
    a = 1 + n and v = n - 1 it is

        2 F_n(-t n / sqrt(a (v + t^2 / a))) sqrt(1 / a) ((1 + t^2 / v) / (1 + t^2 / (v a)))^(n / 2)

    times the share, F_n being Student's distribution with n degrees of freedom.
    BadParameterError under two clients, NotFiniteError for NaN; an infinite t is a very large one.

    >>> e_value_below(-4.0, 16) > 20 > 1 > e_value_below(0.0, 16)
    True

    Lai (1976), Ann. Statist. 4, 265-280 (the mixture); Wang & Ramdas (2025), Sequential Analysis
    44 (as an e-value); Vovk & Wang (2021), Ann. Statist. 49, 1736-1754 (averages).
    """
    if math.isnan(statistic):
        raise NotFiniteError("statistic", 0)
    freedom = at_least(clients, 2, "clients") - 1
    t, a = min(max(statistic, -LARGEST), LARGEST), 1.0 + clients
    square = t * t
    lean = -t * clients / math.sqrt(a * (freedom + square / a))
    below = 2 * float(scipy.special.stdtr(clients, lean))
    growth = math.log1p(square / freedom) - math.log1p(square / (freedom * a))
    logarithm = (clients * growth - math.log(a)) / 2 + math.log(look_share(look))
    return below * math.exp(min(logarithm, LARGEST_EXPONENT))
