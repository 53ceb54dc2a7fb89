"""Is the candidate better? A canary judged after each of its rounds, and what to do about it.

Losses are compared (lower is better), always candidate less champion. A canary is looked at again
and again, so what is recommended rests on intervals that hold at all looks together.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import scipy
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite, fraction
from detectors.clients.outlook import Outlook, outlook_of
from detectors.clients.paired import Looks, paired_looks
from detectors.errors import BadParameterError, EmptySampleError, NegativeCountError, ShapeError

LEAST_CLIENTS = 3


class Recommendation(StrEnum):
    """What the evidence says to do; a person decides."""

    PROMOTE = "promote"
    KEEP_COLLECTING = "keep_collecting"
    REJECT = "reject"


@dataclass(frozen=True, eq=False)
class CanaryComparison:
    """The evidence laid side by side.

    `loss` and `errors` hold the differences per example at every look, candidate less champion, in
    nats and as a rate of wrong answers; both are None under 3 clients. `p_mcnemar` pools all
    examples as if independent and is therefore secondary; None without agreement counts.
    `outlook` is how far from a decision it is; None once there is one.
    """

    clients: int
    examples: float
    loss: Looks | None
    errors: Looks | None
    p_mcnemar: float | None
    margin: float
    alpha: float
    outlook: Outlook | None
    recommendation: Recommendation

    @property
    def sufficient_evidence(self) -> bool:
        """Whether three clients at least measured both versions."""
        return self.loss is not None


def compare_canary(
    n: ArrayLike,
    champion_loss_sum: ArrayLike,
    candidate_loss_sum: ArrayLike,
    champion_correct: ArrayLike,
    candidate_correct: ArrayLike,
    agreement: ArrayLike | None = None,
    *,
    margin: float = 0.0,
    alpha: float = 0.05,
) -> CanaryComparison:
    """Compare a candidate with the champion from per-client sums over the same examples.

    The arrays have the shape (R, K), a row for what each look added and a column a client, or (K)
    for a single look: examples, sums of losses, counts of right answers. `agreement` has the shape
    (K, 2, 2), over all looks: [[both right, champion only], [candidate only, both wrong]]. First
    looks at fewer than 3 clients are put together with the next.

    The rule, on the mean loss per example and its confidence sequence (`paired_looks`), which all
    looks together break with probability `alpha` at most, so each way to err with about half of it:

    - `reject` if the whole interval lies above 0: worse beyond chance;
    - `promote` if the whole interval lies below `margin` (the loss that would still be put up
      with, in its unit) and the estimate below 0: better, and at worst not much worse;
    - `keep_collecting` otherwise, and always under 3 clients.

    Raises EmptySampleError, ShapeError, NotFiniteError, NegativeCountError, BadParameterError.

    >>> n, champion, candidate = [100, 200, 150], [60, 118, 92], [45, 89, 69]
    >>> compare_canary(n, champion, candidate, [70, 140, 99], [75, 150, 107]).recommendation.value
    'promote'

    For the sources see `detectors.clients.paired` and `detectors.sequential.confidence_sequence`.
    """
    _check_levels(margin, alpha)
    size = _rows(n, "n")
    if not (size > 0).any():
        raise EmptySampleError("n")
    if (size < 0).any():
        raise NegativeCountError("n", int(np.argmax(size < 0)))
    losses = _difference(champion_loss_sum, candidate_loss_sum, size.shape, "loss_sum")
    # Wrong answers: what the champion alone had right less what the candidate alone had.
    errors = -_difference(champion_correct, candidate_correct, size.shape, "correct")
    p_mcnemar = None if agreement is None else _mcnemar(agreement, size.shape[1])
    clients = int((size.sum(axis=0) > 0).sum())
    loss = wrong = outlook = None
    recommendation = Recommendation.KEEP_COLLECTING
    if clients >= LEAST_CLIENTS:
        added, (losses, errors) = _from_first_look(size, losses, errors)
        loss, wrong = paired_looks(added, losses), paired_looks(added, errors)
        recommendation = recommend(loss, margin, alpha)
        if recommendation is Recommendation.KEEP_COLLECTING:
            outlook = outlook_of(loss, added, losses, margin=margin, alpha=alpha)
    return CanaryComparison(
        clients, float(size.sum()), loss, wrong, p_mcnemar, margin, alpha, outlook, recommendation
    )


def recommend(loss: Looks, margin: float, alpha: float) -> Recommendation:
    """What the last look at the loss differences says, by the rule of `compare_canary`."""
    low, high = (float(bound[-1]) for bound in loss.interval(alpha))
    if low > 0:
        return Recommendation.REJECT
    if high < margin and loss.estimate[-1] < 0:
        return Recommendation.PROMOTE
    return Recommendation.KEEP_COLLECTING


def mcnemar_mid_p(champion_only: float, candidate_only: float) -> float:
    """Return the two-sided mid-p value for the two discordant counts; 1 where there are none.

    >>> round(mcnemar_mid_p(1, 9), 8)
    0.01171875

    Fagerland, Lydersen & Laake (2013), BMC Med. Res. Methodol. 13, 91.
    """
    discordant, fewer = champion_only + candidate_only, min(champion_only, candidate_only)
    if discordant == 0:
        return 1.0
    binomial = scipy.stats.binom(discordant, 0.5)
    return min(1.0, float(2 * binomial.cdf(fewer) - binomial.pmf(fewer)))


def _from_first_look(
    size: FloatArray, *sums: FloatArray
) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """Put the first rows together until three clients told."""
    enough = (np.cumsum(size, axis=0) > 0).sum(axis=1) >= LEAST_CLIENTS
    starts = np.r_[0, np.arange(int(np.argmax(enough)) + 1, len(size))]
    merged = [np.add.reduceat(rows, starts, axis=0) for rows in (size, *sums)]
    return merged[0], tuple(merged[1:])


def _mcnemar(agreement: ArrayLike, clients: int) -> float:
    tables = finite(agreement, "agreement")
    if tables.shape != (clients, 2, 2):
        raise ShapeError("agreement", tables.shape, f"({clients}, 2, 2)")
    if (tables < 0).any():
        raise NegativeCountError("agreement", int(np.argmax(tables < 0)))
    pooled = tables.sum(axis=0)
    return mcnemar_mid_p(float(pooled[0, 1]), float(pooled[1, 0]))


def _difference(
    champion: ArrayLike, candidate: ArrayLike, shape: tuple[int, ...], name: str
) -> FloatArray:
    first, second = _rows(champion, f"champion_{name}"), _rows(candidate, f"candidate_{name}")
    for each, who in ((first, "champion"), (second, "candidate")):
        if each.shape != shape:
            raise ShapeError(f"{who}_{name}", each.shape, f"{shape}, one sum a look and client")
    return second - first


def _rows(values: ArrayLike, name: str) -> FloatArray:
    array = finite(values, name)
    rows = array[np.newaxis] if array.ndim == 1 else array
    if rows.ndim != 2:  # noqa: PLR2004 - looks and clients
        raise ShapeError(name, array.shape, "(looks, clients), or (clients) for one look")
    if rows.size == 0:
        raise EmptySampleError(name)
    return rows


def _check_levels(margin: float, alpha: float) -> None:
    fraction(alpha, "alpha")
    if not (np.isfinite(margin) and margin >= 0):
        raise BadParameterError("margin", margin, "a finite loss, zero or more")
