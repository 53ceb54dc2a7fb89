"""Since when: what the evidence says about the first round of a change."""

from dataclasses import dataclass

import numpy as np

from detectors.arrays import FloatArray, fraction, sample
from detectors.errors import BadWeightError


@dataclass(frozen=True)
class Onset:
    """The first changed round, counted from 0 in the series that was judged.

    `round` is the posterior median; `low` and `high` bound the shortest set of consecutive rounds
    that holds the onset with a probability of `coverage` at least.
    """

    round: int
    low: int
    high: int
    coverage: float


def onset_of(weights: FloatArray, coverage: float = 0.9) -> Onset:
    """Summarise posterior weights, one a round, zero or more; they need not add to one.

    Raises BadWeightError, EmptySampleError, NotFiniteError, BadParameterError.

    >>> onset_of(np.array([0.0, 0.05, 0.8, 0.15])).round
    2
    """
    fraction(coverage, "coverage")
    mass = sample(weights, "weights")
    if (mass < 0).any() or mass.sum() <= 0:
        raise BadWeightError("weights")
    mass = mass / mass.sum()
    cumulative = np.concatenate(([0.0], np.cumsum(mass)))
    middle = int(np.searchsorted(cumulative[1:], 0.5))
    low, high = _shortest(cumulative, coverage)
    return Onset(
        min(middle, mass.size - 1), low, high, float(cumulative[high + 1] - cumulative[low])
    )


def _shortest(cumulative: FloatArray, coverage: float) -> tuple[int, int]:
    """Return the shortest run of rounds with the coverage; the most probable of equal ones."""
    rounds = cumulative.size - 1
    held = cumulative[1:] - cumulative[:-1, np.newaxis]  # [low, high]
    width = np.arange(rounds) - np.arange(rounds)[:, np.newaxis]
    enough = (width >= 0) & (held >= coverage - 1e-12)
    cost = np.where(enough, width - 0.5 * held, np.inf)
    low, high = np.unravel_index(int(np.argmin(cost)), cost.shape)
    return int(low), int(high)
