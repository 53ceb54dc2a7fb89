"""Canary comparison: champion and candidate on the same examples, clients as the unit.

Examples of one client resemble each other, so a client is one observation however many examples it
has. Losses are compared (lower is better), always candidate less champion.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import scipy
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite, fraction, sample
from detectors.errors import BadParameterError, NegativeCountError, ShapeError, TooFewError

LEAST_FOR_INTERVAL = 2
LEAST_FOR_DECISION = 3


class Recommendation(StrEnum):
    """What the evidence says to do; a person decides."""

    PROMOTE = "promote"
    KEEP_COLLECTING = "keep_collecting"
    REJECT = "reject"


@dataclass(frozen=True)
class PairedResult:
    """The evidence laid side by side; differences are candidate less champion, per example.

    `difference` is of the loss, in its unit; `lower` and `upper` bound it at `confidence`, from
    Student's t with clients - 1 degrees of freedom and the cluster-robust `standard_error`.
    `accuracy_difference` is of the share of right answers. `p_superior` is one-sided: the chance
    of a loss difference as low, were the candidate no better; `p_non_inferior` the same, were it
    worse by `margin`. `p_mcnemar` pools all examples as if independent and is therefore secondary;
    None without agreement counts.
    """

    clients: int
    examples: float
    difference: float
    standard_error: float
    lower: float
    upper: float
    accuracy_difference: float
    p_superior: float
    p_non_inferior: float
    p_mcnemar: float | None
    confidence: float
    margin: float
    recommendation: Recommendation

    @property
    def sufficient_evidence(self) -> bool:
        """Whether there are clients enough to recommend anything but to keep collecting."""
        return self.clients >= LEAST_FOR_DECISION


def compare_paired(
    n: ArrayLike,
    champion_loss_sum: ArrayLike,
    candidate_loss_sum: ArrayLike,
    champion_correct: ArrayLike,
    candidate_correct: ArrayLike,
    agreement: ArrayLike | None = None,
    *,
    margin: float = 0.0,
    confidence: float = 0.95,
) -> PairedResult:
    """Compare a candidate with the champion from per-client sums over the same examples.

    The arrays have one entry a client: examples, sums of losses, counts of right answers;
    `agreement` has the shape (clients, 2, 2): [[both right, champion only], [candidate only, both
    wrong]], zeros where a client did not tell. Clients without examples are left out. The rule:

    - `reject` if the whole interval lies above 0: worse beyond chance;
    - `promote` if the whole interval lies below `margin` (the loss that would still be put up
      with, in its unit) and the difference below 0: better, and at worst not much worse;
    - `keep_collecting` otherwise, and always under 3 clients.

    Raises TooFewError under two clients, since one has no spread; ShapeError, NotFiniteError,
    NegativeCountError, BadParameterError.

    >>> n, champion, candidate = [100, 200, 150], [60, 118, 92], [55, 110, 86]
    >>> compare_paired(n, champion, candidate, [70, 140, 100], [75, 150, 110]).recommendation.value
    'promote'

    Cameron & Miller (2015), J. Human Resources 50, 317-372 (clusters).
    """
    _check_levels(margin, confidence)
    counts = _counts(n, "n")
    used = counts > 0
    size = counts[used]
    if size.size < LEAST_FOR_INTERVAL:
        raise TooFewError("clients with examples", size.size, LEAST_FOR_INTERVAL)
    losses = _differences(champion_loss_sum, candidate_loss_sum, counts.shape, "loss_sum")[used]
    correct = _differences(champion_correct, candidate_correct, counts.shape, "correct")[used]
    examples, nu = float(size.sum()), size.size - 1
    difference, error = _clustered(losses, size)
    half = float(scipy.special.stdtrit(nu, (1 + confidence) / 2)) * error
    return PairedResult(
        clients=size.size,
        examples=examples,
        difference=difference,
        standard_error=error,
        lower=difference - half,
        upper=difference + half,
        accuracy_difference=float(correct.sum()) / examples,
        p_superior=_one_sided(difference, error, nu),
        p_non_inferior=_one_sided(difference - margin, error, nu),
        p_mcnemar=None if agreement is None else _mcnemar(agreement, counts.size),
        confidence=confidence,
        margin=margin,
        recommendation=_recommend(difference, half, margin, size.size),
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


def _clustered(differences: FloatArray, size: FloatArray) -> tuple[float, float]:
    """Return a ratio of sums, and its error from the clients' residuals with CR1's K / (K - 1).

    Residuals of zero would claim to know it exactly; what rounding leaves is the least error.
    """
    examples = float(size.sum())
    estimate = float(differences.sum()) / examples
    residuals = differences - estimate * size
    variance = float(residuals @ residuals) * size.size / (size.size - 1)
    rounding = float(np.finfo(np.float64).eps * np.abs(differences).sum())
    return estimate, max(float(np.sqrt(variance)), rounding) / examples


def _one_sided(beyond: float, error: float, nu: int) -> float:
    """P(T <= beyond / error); 0.5 where the versions do not differ in anything."""
    if error == 0:
        return 0.5 if beyond == 0 else float(beyond > 0)
    return float(scipy.special.stdtr(nu, beyond / error))


def _recommend(difference: float, half: float, margin: float, clients: int) -> Recommendation:
    if clients < LEAST_FOR_DECISION:
        return Recommendation.KEEP_COLLECTING
    if difference - half > 0:
        return Recommendation.REJECT
    if difference + half < margin and difference < 0:
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


def _check_levels(margin: float, confidence: float) -> None:
    fraction(confidence, "confidence")
    if not (np.isfinite(margin) and margin >= 0):
        raise BadParameterError("margin", margin, "a finite loss, zero or more")
