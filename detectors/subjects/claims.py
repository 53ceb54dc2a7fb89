"""Whether events come as often as a model claims, summed up over as many looks as one likes.

A group with one to three events a round says nothing in any round. Summed up it does, but a test
that is looked at after every round is wrong in the end. So the evidence is a betting one: what a
gambler has made of one unit of money by betting against the claim at the claim's own odds.
"""

from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite, fraction
from detectors.errors import BadParameterError, NegativeCountError, ShapeError

# What is bet on: log odds, this far from the claimed ones, either way.
BETS = np.array([-1.0, -0.5, -0.25, 0.25, 0.5, 1.0])
POWER = 0.8
LARGEST_GAIN = 700.0  # of a logarithm, whose exponential and its inverse are numbers still


@dataclass(frozen=True, eq=False)
class ClaimEvidence:
    """The evidence against a claim for each of K groups, arrays (K).

    `e_values` have a mean of at most 1 under the claim, whenever one stops; `p_values` are their
    inverses, 1 at most. `effects` are observed over expected events, less 1; 0 where nothing was
    expected. `minimum_detectable_effects` hold for the sums as they stand, with a power of some
    0.7 to 0.8.
    """

    e_values: FloatArray
    p_values: FloatArray
    effects: FloatArray
    minimum_detectable_effects: FloatArray


def claim_evidence(
    events: ArrayLike,
    counts: ArrayLike,
    chances: ArrayLike,
    *,
    dispersion: ArrayLike = 1.0,
    alpha: float = 0.05,
) -> ClaimEvidence:
    """Weigh all events of K groups so far against the chances that were claimed for them.

    `events` is (K); `counts` is (K, B), how many examples were given each of the B `chances`. With
    D = d log odds, the money put on d becomes exp(d events - sum_b counts_b log(1 + chance_b
    (e^d - 1))), whose mean is 1 where every event has its claimed chance given all before it; a
    sixth of the money is put on each of d = -1, -1/2, -1/4, 1/4, 1/2 and 1. Examples of which only
    the mean chance of a bin is known win less on average, never more (Jensen). `dispersion`, one
    for all or (K), is how many times more the sums vary than independent events (1 or more): the
    logarithm of each bet is divided by it, as in a quasi-likelihood, which is no guarantee.

    Raises ShapeError, NotFiniteError, NegativeCountError, BadParameterError.

    >>> found = claim_evidence([64, 50], [[300, 100], [300, 100]], [0.1, 0.2])
    >>> found.effects.round(2).tolist(), (found.e_values > 1).tolist()
    ([0.28, 0.0], [True, False])

    Ville (1939); Vovk & Wang (2021), Ann. Statist. 49, 1736-1754; Henzi & Ziegel (2022),
    Biometrika 109, 647-663 (e-values for forecasts, at any time).
    """
    happened, given, claimed = _checked(events, counts, chances)
    times = np.broadcast_to(finite(dispersion, "dispersion"), happened.shape)
    if (times < 1).any():
        raise BadParameterError("dispersion", float(times.min()), "1 or more")
    level = fraction(alpha, "alpha")
    costs = np.log1p(claimed[:, np.newaxis] * np.expm1(BETS))
    won = (happened[:, np.newaxis] * BETS - given @ costs) / times[:, np.newaxis]
    gains = scipy.special.logsumexp(won, axis=1) - np.log(BETS.size)
    e_values = np.exp(np.clip(gains, -LARGEST_GAIN, LARGEST_GAIN))
    expected = given @ claimed
    spread = np.sqrt(times * (given @ (claimed * (1 - claimed))))
    sds = np.sqrt(2 * np.log(BETS.size / level)) + scipy.special.ndtri(POWER)
    return ClaimEvidence(
        e_values,
        np.minimum(1.0, 1 / e_values),
        np.where(expected > 0, happened / np.where(expected > 0, expected, 1.0) - 1, 0.0),
        np.divide(sds * spread, expected, out=np.full(spread.shape, np.inf), where=expected > 0),
    )


def _checked(
    events: ArrayLike, counts: ArrayLike, chances: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    happened, given = finite(events, "events"), finite(counts, "counts")
    claimed = finite(chances, "chances")
    if happened.ndim != 1:
        raise ShapeError("events", happened.shape, "(groups,)")
    if given.shape != (happened.size, claimed.size):
        raise ShapeError("counts", given.shape, f"({happened.size}, {claimed.size})")
    for name, array in (("events", happened), ("counts", given)):
        if (array < 0).any():
            raise NegativeCountError(name, int(np.argmin(array)))
    if ((claimed <= 0) | (claimed >= 1)).any():
        raise BadParameterError("chances", claimed.tolist(), "above 0 and below 1")
    return happened, given, claimed
