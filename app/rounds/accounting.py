"""Accounting of differential privacy: what a record costs, and what many of them cost together.

A cost is four numbers that add up over records: the epsilon of pure mechanisms, their zero-
concentrated loss rho, the rho of Gaussian ones, and delta. An epsilon-DP mechanism is
epsilon^2/2-zCDP, a Gaussian one of noise sigma to sensitivity s is s^2/(2 sigma^2)-zCDP, and rho
adds up (Bun & Steinke 2016, TCC, propositions 1.4, 1.6, 1.7). From rho to epsilon at a delta it
goes by OpenDP's privacy curve (Canonne, Kamath & Steinke 2020, NeurIPS, proposition 12).
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from math import inf, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("epsilon", "pure_rho", "gaussian_rho", "delta")
Costs = NDArray[np.float64]  # shape (clients, 4), in the order of COLUMNS
BISECTIONS = 30


def cost_of(privacy: Mapping[str, Any]) -> Costs | None:
    """The cost of one record of a push that declares this, shape (4,); None if it costs nothing.

    Under secure aggregation no client's own record arrives, and without noise there is no epsilon
    to add up.
    """
    mechanism = privacy.get("mechanism", "none")
    if mechanism == "none" or privacy.get("secure_aggregation"):
        return None
    epsilon, delta = float(privacy["epsilon"]), float(privacy.get("delta") or 0.0)
    if mechanism == "gaussian":
        # Declared by the classic calibration: sigma = sqrt(2 ln(1.25 / delta)) s / epsilon.
        return np.array([0.0, 0.0, epsilon**2 / (4 * log(1.25 / delta)), 0.0])
    return np.array([epsilon, epsilon**2 / 2, 0.0, delta])


def epsilon_of(spent: Costs, delta: float) -> float:
    """The epsilon at `delta` of a sum of costs, shape (4,): the smaller of two valid bounds."""
    epsilon, pure_rho, gaussian_rho, deltas = (float(value) for value in spent)
    basic = epsilon if gaussian_rho == 0 and deltas <= delta else inf
    return min(basic, epsilon_of_rho(pure_rho + gaussian_rho, delta - deltas))


def beyond(spent: Costs, budget: float, delta: float) -> NDArray[np.bool_]:
    """Which of many sums of costs, shape (clients, 4), pass a budget of epsilon at `delta`."""
    rho, deltas = spent[:, 1] + spent[:, 2], spent[:, 3]
    basic = (spent[:, 2] == 0) & (deltas <= delta) & (spent[:, 0] <= budget)
    values, places = np.unique(deltas, return_inverse=True)
    limits = np.array([rho_within(budget, delta - float(value)) for value in values])
    passed: NDArray[np.bool_] = ~basic & (rho > limits[places])
    return passed


@lru_cache(maxsize=1024)
def rho_within(budget: float, delta: float) -> float:
    """The largest rho (to 9 digits, from below) whose epsilon at `delta` is within a budget."""
    if delta <= 0:
        return 0.0
    low, high = 0.0, 2 * budget + budget**2  # epsilon is never below rho - 1 / (budget + 1)
    while epsilon_of_rho(high, delta) <= budget:
        high *= 2
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if epsilon_of_rho(middle, delta) <= budget else (low, middle)
    return low


@lru_cache(maxsize=4096)
def epsilon_of_rho(rho: float, delta: float) -> float:
    """The epsilon at `delta` of a rho-zCDP mechanism; infinite where delta is used up."""
    if rho == 0:
        return 0.0 if delta >= 0 else inf
    if delta <= 0:
        return inf
    from opendp.mod import OpenDPException  # noqa: PLC0415 - few federations declare noise

    try:
        return float(_curve().map(sqrt(2 * rho)).epsilon(delta))
    except OpenDPException:  # past what its floats can hold, and past any budget
        return inf


@cache
def _curve() -> Any:  # noqa: ANN401 - OpenDP's measurement, which has no public type
    """A Gaussian mechanism of sigma 1: at sensitivity sqrt(2 rho) it is rho-zCDP."""
    # Module by module: OpenDP's prelude imports scikit-learn, which takes seconds.
    from opendp import combinators, domains, measurements, metrics, mod  # noqa: PLC0415 - seldom

    mod.enable_features("contrib")
    space = domains.vector_domain(domains.atom_domain(T=float, nan=False))
    gaussian = measurements.make_gaussian(space, metrics.l2_distance(T=float), 1.0)
    return combinators.make_zCDP_to_approxDP(gaussian)
