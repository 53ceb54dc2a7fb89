"""Canary comparison: champion and candidate on the same examples, clients as the unit.

Examples of one client resemble each other, so a client is one observation however many examples it
has. Losses are compared (lower is better), always candidate less champion. A canary is looked at
again and again, so what is recommended rests on intervals that hold at all looks together.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import scipy
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite, fraction, sample
from detectors.errors import BadParameterError, NegativeCountError, ShapeError
from detectors.sequential.confidence_sequence import e_value_below, half_width
from detectors.sequential.inputs import at_least

LEAST_CLIENTS = 3


class Recommendation(StrEnum):
    """What the evidence says to do; a person decides."""

    PROMOTE = "promote"
    KEEP_COLLECTING = "keep_collecting"
    REJECT = "reject"


@dataclass(frozen=True)
class PairedDifference:
    """A mean difference per example, candidate less champion, in the metric's unit.

    `low` and `high` bound it at `1 - alpha`, from Student's t with clients - 1 degrees of freedom
    and the cluster-robust `standard_error`, for a look that was fixed beforehand. `anytime_low` and
    `anytime_high` are the confidence sequence's: with that probability, the intervals of all looks
    hold the difference. One client has no spread: all but the estimate are None then.
    """

    estimate: float
    standard_error: float | None
    low: float | None
    high: float | None
    anytime_low: float | None
    anytime_high: float | None


@dataclass(frozen=True)
class CanaryComparison:
    """The evidence laid side by side.

    `p_superiority` is one-sided: the chance of a loss difference as low, were the candidate no
    better; `p_non_inferiority` the same, were it worse by `margin`; both for a look that was fixed
    beforehand. `e_superiority` and `e_non_inferiority` are the e-values against the same two: were
    the candidate no better, the largest over all looks would reach x with a chance of 1 / x at
    most. All four are None for one client. `p_mcnemar` pools all examples as if independent and is
    therefore secondary; None without agreement counts.
    """

    clients: int
    examples: float
    loss: PairedDifference
    accuracy: PairedDifference
    p_superiority: float | None
    p_non_inferiority: float | None
    e_superiority: float | None
    e_non_inferiority: float | None
    p_mcnemar: float | None
    margin: float
    look: int
    sufficient_evidence: bool
    recommendation: Recommendation


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
    look: int = 1,
) -> CanaryComparison:
    """Compare a candidate with the champion from per-client sums over the same examples.

    The arrays have one entry a client: examples, sums of losses, counts of right answers;
    `agreement` has the shape (clients, 2, 2): [[both right, champion only], [candidate only, both
    wrong]], zeros where a client did not tell. Clients without examples are left out.

    `look` is the number of times that evidence of this canary was judged, this one included: 1
    where a recommendation is first asked for, one more with each round that was added since. Its
    interval (`half_width`) is wider than a fixed look's, so that all looks together err with
    probability `alpha` at most, however rounds depend on each other and whenever one stops. At each
    look the clients count as a sample of independent ones, whose mean is normal, as for Student's
    t. The rule, on mean loss per example and its confidence sequence:

    - `reject` if the whole interval lies above 0: worse beyond chance;
    - `promote` if the whole interval lies below `margin` (the loss that would still be put up
      with, in its unit) and the estimate below 0: better, and at worst not much worse;
    - `keep_collecting` otherwise, and always under 3 clients (`sufficient_evidence` False).

    Raises EmptySampleError, ShapeError, NotFiniteError, NegativeCountError, BadParameterError.

    >>> n, champion, candidate = [100, 200, 150], [60, 118, 92], [55, 108, 84]
    >>> compare_canary(n, champion, candidate, [70, 140, 99], [75, 150, 107]).recommendation.value
    'promote'

    Cameron & Miller (2015), J. Human Resources 50, 317-372 (clusters); for the sources of the
    confidence sequence and the e-values see `detectors.sequential.confidence_sequence`.
    """
    _check_levels(margin, alpha)
    at_least(look, 1, "look")
    counts = _counts(n, "n")
    used = counts > 0
    size = sample(counts[used], "n")
    losses = _differences(champion_loss_sum, candidate_loss_sum, counts.shape, "loss_sum")
    correct = _differences(champion_correct, candidate_correct, counts.shape, "correct")
    loss = _clustered(losses[used], size, alpha, look)
    return CanaryComparison(
        clients=size.size,
        examples=float(size.sum()),
        loss=loss,
        accuracy=_clustered(correct[used], size, alpha, look),
        p_superiority=_one_sided(loss, 0.0, size.size),
        p_non_inferiority=_one_sided(loss, margin, size.size),
        e_superiority=_e_value(loss, 0.0, size.size, look),
        e_non_inferiority=_e_value(loss, margin, size.size, look),
        p_mcnemar=None if agreement is None else _mcnemar(agreement, counts.size),
        margin=margin,
        look=look,
        sufficient_evidence=size.size >= LEAST_CLIENTS,
        recommendation=_recommend(loss, margin, size.size),
    )


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


def _clustered(
    differences: FloatArray, size: FloatArray, alpha: float, look: int
) -> PairedDifference:
    """Estimate a ratio of sums, its error from the clients' residuals with CR1's K / (K - 1).

    Residuals of zero would claim to know it exactly; what rounding leaves is the least error.
    """
    clients, examples = size.size, float(size.sum())
    estimate = float(differences.sum()) / examples
    if clients == 1:
        return PairedDifference(estimate, None, None, None, None, None)
    residuals = differences - estimate * size
    variance = float(residuals @ residuals) * clients / (clients - 1)
    rounding = float(np.finfo(np.float64).eps * np.abs(differences).sum())
    error = max(float(np.sqrt(variance)), rounding) / examples
    half = float(scipy.special.stdtrit(clients - 1, 1 - alpha / 2)) * error
    wide = half_width(error, clients - 1, look, alpha)
    return PairedDifference(
        estimate, error, estimate - half, estimate + half, estimate - wide, estimate + wide
    )


def _one_sided(loss: PairedDifference, margin: float, clients: int) -> float | None:
    """P(T <= beyond / error); 0.5 where the versions do not differ in anything."""
    statistic = _statistic(loss, margin)
    return None if statistic is None else float(scipy.special.stdtr(clients - 1, statistic))


def _e_value(loss: PairedDifference, margin: float, clients: int, look: int) -> float | None:
    """Return the evidence that the loss difference lies below the margin."""
    statistic = _statistic(loss, margin)
    return None if statistic is None else e_value_below(statistic, clients, look)


def _statistic(loss: PairedDifference, margin: float) -> float | None:
    """Return t; without any error infinite, or 0 where the versions do not differ in anything."""
    if loss.standard_error is None:
        return None
    beyond = loss.estimate - margin
    if loss.standard_error == 0:
        return math.copysign(math.inf, beyond) if beyond else 0.0
    return beyond / loss.standard_error


def _recommend(loss: PairedDifference, margin: float, clients: int) -> Recommendation:
    if clients < LEAST_CLIENTS or loss.anytime_low is None or loss.anytime_high is None:
        return Recommendation.KEEP_COLLECTING
    if loss.anytime_low > 0:
        return Recommendation.REJECT
    if loss.anytime_high < margin and loss.estimate < 0:
        return Recommendation.PROMOTE
    return Recommendation.KEEP_COLLECTING


def _mcnemar(agreement: ArrayLike, clients: int) -> float:
    tables = _counts(agreement, "agreement", ndim=3)
    if tables.shape != (clients, 2, 2):
        raise ShapeError("agreement", tables.shape, f"({clients}, 2, 2)")
    pooled = tables.sum(axis=0)
    return mcnemar_mid_p(float(pooled[0, 1]), float(pooled[1, 0]))


def _differences(
    champion: ArrayLike, candidate: ArrayLike, shape: tuple[int, ...], name: str
) -> FloatArray:
    first, second = sample(champion, f"champion_{name}"), sample(candidate, f"candidate_{name}")
    for each, who in ((first, "champion"), (second, "candidate")):
        if each.shape != shape:
            raise ShapeError(f"{who}_{name}", each.shape, f"{shape}, one sum a client")
    return second - first


def _counts(values: ArrayLike, name: str, ndim: int = 1) -> FloatArray:
    array = finite(values, name)
    if array.ndim != ndim:
        raise ShapeError(name, array.shape, f"{ndim} dimension(s)")
    if (array < 0).any():
        raise NegativeCountError(name, int(np.argmax(array < 0)))
    return array


def _check_levels(margin: float, alpha: float) -> None:
    fraction(alpha, "alpha")
    if not (np.isfinite(margin) and margin >= 0):
        raise BadParameterError("margin", margin, "a finite loss, zero or more")
