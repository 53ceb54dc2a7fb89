"""Where a drift comes from: P(x), P(y) or P(y | x), as far as labels and predictions can tell.

A frozen model's confusion matrices say how labels y and predictions p fall together. Five accounts
of what happened to that joint distribution are weighed:

    none      P(y, p) is what it was
    virtual   P(p) moved with P(x), P(y | p) did not
    label     P(y) moved, P(p | y) did not
    real      P(y | p) moved, P(p) and so, it seems, P(x) did not
    mixed     more than one of these

Each has its marginal likelihood (shares being equally likely beforehand), so the accounts with
more freedom have to earn it. The prediction is all that is seen of x here: a change of P(x) inside
what the model calls by one name may pass for a real one; histograms of features tell more.

Good (1965), The Estimation of Probabilities, chapter 9; the terms as in Moreno-Torres et al.
(2012), Pattern Recognition 45, 521-530.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite
from detectors.errors import (
    BadParameterError,
    EmptySampleError,
    NegativeCountError,
    ShapeError,
)
from detectors.histogram import LEAST_TOTAL


class Origin(StrEnum):
    """What moved."""

    NONE = "none"
    VIRTUAL = "virtual"
    LABEL = "label"
    REAL = "real"
    MIXED = "mixed"


@dataclass(frozen=True)
class OriginEvidence:
    """A probability for each origin, adding to one, and the evidence that they come from.

    `log_evidence` is the natural log of how many times likelier the counts are under an origin
    than under none: about 3 is strong, 5 very strong.
    """

    probabilities: dict[Origin, float]
    log_evidence: dict[Origin, float]

    @property
    def origin(self) -> Origin:
        """The most probable origin."""
        return max(self.probabilities, key=lambda origin: self.probabilities[origin])


def origin_of_drift(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    noise_sd: tuple[float, float] = (0.0, 0.0),
    prior: Mapping[Origin, float] | None = None,
) -> OriginEvidence:
    """Weigh the origins of a change between two (C, C) counts, [label, prediction], C >= 2.

    `noise_sd` are those of one count of the reference and of the current matrix; only with noise
    may counts be negative, and noised matrices weigh as much as they tell. `prior` gives each
    origin's weight beforehand, equal ones without it. Raises ShapeError, NotFiniteError,
    NegativeCountError, EmptySampleError, BadParameterError.

    >>> before, after = [[450, 50], [50, 450]], [[390, 110], [110, 390]]
    >>> origin_of_drift(before, after).origin.value
    'real'
    """
    before = _counts(reference, noise_sd[0], "reference")
    after = _counts(current, noise_sd[1], "current")
    if before.shape != after.shape:
        raise ShapeError("current", after.shape, f"{before.shape}, as the reference")
    weights = dict.fromkeys(Origin, 1.0) if prior is None else dict(prior)
    if not all(np.isfinite(w) and w >= 0 for w in weights.values()) or sum(weights.values()) <= 0:
        raise BadParameterError("prior", prior, "weights of zero or more, and not all zero")
    evidence = {origin: account(before, after) for origin, account in _ACCOUNTS.items()}
    logs = {origin: float(each - evidence[Origin.NONE]) for origin, each in evidence.items()}
    possible = [origin for origin, weight in weights.items() if weight > 0]
    raw = np.array([np.log(weights[origin]) + logs[origin] for origin in possible])
    shares = dict(zip(possible, map(float, scipy.special.softmax(raw)), strict=True))
    return OriginEvidence({origin: shares.get(origin, 0.0) for origin in Origin}, logs)


def log_shares(counts: FloatArray) -> FloatArray:
    """Return the log probability of counts in their order, along the last axis.

    All shares are equally likely beforehand (Dirichlet with 1 for each cell).
    """
    cells = counts.shape[-1]
    top = scipy.special.gammaln(counts + 1).sum(axis=-1) + scipy.special.gammaln(cells)
    return np.asarray(top - scipy.special.gammaln(counts.sum(axis=-1) + cells), dtype=np.float64)


def told_by(counts: FloatArray, noise_sd: float) -> FloatArray:
    """Return as many counts without noise as tell what noised ones do, zero or more each."""
    positive = np.maximum(counts, 0.0)
    total = positive.sum()
    return np.asarray(positive * (total / (total + counts.size * noise_sd**2)), dtype=np.float64)


def _together(before: FloatArray, after: FloatArray) -> FloatArray:
    return log_shares(before + after)


def _apart(before: FloatArray, after: FloatArray) -> FloatArray:
    return np.asarray(log_shares(before) + log_shares(after), dtype=np.float64)


_Join = Callable[[FloatArray, FloatArray], FloatArray]


def _account(
    before: FloatArray, after: FloatArray, *, given: int, margin: _Join, within: _Join
) -> float:
    """Return the evidence where the margin of an axis, and the rest given it, moved or not."""
    sides = [np.moveaxis(each, given, 0) for each in (before, after)]
    return float(margin(*(each.sum(axis=1) for each in sides)) + within(*sides).sum())


def _none(before: FloatArray, after: FloatArray) -> float:
    """The same either way round but for the prior, and so averaged over both."""
    ways = [
        _account(before, after, given=axis, margin=_together, within=_together) for axis in (0, 1)
    ]
    return float(scipy.special.logsumexp(ways) - np.log(2))


def _virtual(before: FloatArray, after: FloatArray) -> float:
    return _account(before, after, given=1, margin=_apart, within=_together)


def _label(before: FloatArray, after: FloatArray) -> float:
    return _account(before, after, given=0, margin=_apart, within=_together)


def _real(before: FloatArray, after: FloatArray) -> float:
    return _account(before, after, given=1, margin=_together, within=_apart)


def _mixed(before: FloatArray, after: FloatArray) -> float:
    ways = [_account(before, after, given=axis, margin=_apart, within=_apart) for axis in (0, 1)]
    return float(scipy.special.logsumexp(ways) - np.log(2))


_ACCOUNTS = {
    Origin.NONE: _none,
    Origin.VIRTUAL: _virtual,
    Origin.LABEL: _label,
    Origin.REAL: _real,
    Origin.MIXED: _mixed,
}


def _counts(values: ArrayLike, noise_sd: float, name: str) -> FloatArray:
    counts = finite(values, name)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or len(counts) < 2:  # noqa: PLR2004
        raise ShapeError(name, counts.shape, "(classes, classes), two classes or more")
    if not (np.isfinite(noise_sd) and noise_sd >= 0):
        raise BadParameterError("noise_sd", noise_sd, "finite numbers, zero or more")
    if noise_sd == 0 and (counts < 0).any():
        raise NegativeCountError(name, int(np.argmax(counts < 0)))
    if counts.sum() < LEAST_TOTAL:
        raise EmptySampleError(name)
    return told_by(counts, noise_sd)
