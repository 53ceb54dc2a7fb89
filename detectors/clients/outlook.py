"""How far a canary is from a decision, were its estimate true and its variance as it is now.

What more rounds of the same clients cannot shrink is how much clients differ from each other. So
the error is split in two: within clients, from how their rounds vary, and between them, the rest.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from detectors.arrays import FloatArray
from detectors.clients.paired import Looks
from detectors.sequential.confidence_sequence import half_width

MOST_ROUNDS = 1000
FACTORS = np.geomspace(1.05, 100.0, 95)  # how many times as many clients


@dataclass(frozen=True)
class Outlook:
    """`rounds_more` of the same clients, of their usual size, until a decision.

    None where no number of them leads to one; then `clients` is about how many clients would, and
    None where a hundred times as many would not.
    """

    rounds_more: int | None
    clients: int | None


def outlook_of(
    loss: Looks, n: FloatArray, differences: FloatArray, *, margin: float, alpha: float
) -> Outlook:
    """What it takes from the last look on, for the rule of `compare_canary`.

    `n` and `differences` are what the looks at `loss` were made of. With a single look nothing is
    known of how clients' rounds vary; then all of the error is taken to shrink with rounds.
    """
    estimate, variance = float(loss.estimate[-1]), float(loss.standard_error[-1]) ** 2
    first = float(loss.standard_error[0]) ** 2
    within = min(_within(n, differences), 1.0) * variance
    more = np.arange(1, MOST_ROUNDS + 1)
    later = variance - within * (1 - len(n) / (len(n) + more))
    halves = _halves(later, float(loss.freedom[-1]), first, alpha)
    decided = _decided(estimate, halves, margin)
    if decided.any():
        return Outlook(int(more[np.argmax(decided)]), None)
    return Outlook(None, _clients(loss, variance, margin, alpha))


def _clients(loss: Looks, variance: float, margin: float, alpha: float) -> int | None:
    freedom = float(loss.clients[-1]) * FACTORS - 1
    halves = _halves(variance / FACTORS, freedom, variance, alpha)
    decided = _decided(float(loss.estimate[-1]), halves, margin)
    return ceil(loss.clients[-1] * FACTORS[np.argmax(decided)]) if decided.any() else None


def _halves(
    variance: FloatArray, freedom: FloatArray | float, first: float, alpha: float
) -> FloatArray:
    information = np.clip(first / np.maximum(variance, 1e-300), 1e-9, 1e9)
    return half_width(np.sqrt(variance), freedom, information, alpha)


def _decided(estimate: float, halves: FloatArray, margin: float) -> np.ndarray:
    promoted = (estimate + halves < margin) & (estimate < 0)
    return promoted | (estimate - halves > 0)


def _within(n: FloatArray, differences: FloatArray) -> float:
    """Which share of the variance lies within clients, by how their looks vary; 1 if unknown."""
    told = n > 0
    total = n.sum(axis=0)
    freedom = float((told.sum(axis=0) - 1).clip(min=0).sum())
    if freedom == 0:
        return 1.0
    means = np.divide(differences, n, out=np.zeros_like(n), where=told)
    own = np.divide(differences.sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    per_example = float((n * np.square(means - own) * told).sum()) / freedom
    clients = total > 0
    spread = float(np.var(own[clients], ddof=1))
    expected = float(np.mean(per_example / total[clients]))
    return expected / spread if spread > 0 else 1.0
