"""How sure the model says it is, from binned scores: entropy, margin or confidence.

Each is a function g of the score, so its mean over examples follows from a score histogram up to
what bins hide: a bin counts with the mean of g over it, and the most that g departs from that
within the bin bounds the error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
import scipy.special

from detectors.arrays import FloatArray, fraction
from detectors.errors import BadParameterError, NotOrderedError, TooFewError
from detectors.histogram import Histogram, merge
from detectors.result import PROBABILITY, SUBJECT, TwoSampleResult
from detectors.series.overdispersion import (
    LEAST_ROUNDS,
    RoundVariation,
    Spread,
    sampling_spread,
)

NAME = "uncertainty"
_EVEN = 0.5
_NINETY_FIVE = 1.959963984540054


class Uncertainty(StrEnum):
    """What is read off a score p, the probability of the positive class.

    `ENTROPY` is -p ln p - (1 - p) ln(1 - p), in nats; `MARGIN` |2p - 1|; `CONFIDENCE` the larger
    of p and 1 - p. `VALUE` takes the histogram for one of the quantity itself, which is the way
    for more than two classes: the clients bin their own entropies.
    """

    ENTROPY = "entropy"
    MARGIN = "margin"
    CONFIDENCE = "confidence"
    VALUE = "value"


def uncertainty_drift(
    reference: Histogram,
    current: Histogram,
    *,
    measure: Uncertainty = Uncertainty.ENTROPY,
    variation: RoundVariation | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Test whether the mean uncertainty changed between two score histograms on the same bins.

    `statistic` and `effect` are the change of the mean, current less reference: nats for entropy,
    probability for margin and confidence, the subject's own unit for `VALUE`. The p-value is
    two-sided: Student's t with the pooled variance where examples are the unit, averaged over what
    the spread may be where `variation` makes rounds the unit (`uncertainty_variation` of the rounds
    that `reference` was merged from, by the same measure). Declared noise is part of the null.
    `error_bound` adds what binning can hide at most and 1.96 sds of declared noise. Raises
    EdgesDifferError, EmptySampleError, NotOrderedError for categories, and BadParameterError, also
    for edges outside 0 to 1 unless `VALUE`.

    >>> edges = [0.0, 0.1, 0.4, 0.6, 0.9, 1.0]
    >>> sure, unsure = Histogram(edges, [45, 5, 0, 5, 45]), Histogram(edges, [5, 20, 50, 20, 5])
    >>> round(uncertainty_drift(sure, unsure).effect, 3)
    0.355
    """
    _check(reference, current, measure)
    level, wanted = fraction(alpha, "alpha"), fraction(power, "power")
    values, hidden = _per_bin(reference.edges, measure)
    effect = float(values @ current.pmf()) - float(values @ reference.pmf())
    null = _Null.of(reference, current, values)
    spread = _spread(reference, current, variation)
    return TwoSampleResult(
        detector=NAME,
        statistic=effect,
        p_value=null.p_value(effect, spread),
        effect=effect,
        effect_unit=SUBJECT if measure in _IN_OWN_UNIT else PROBABILITY,
        minimum_detectable_effect=null.detectable(spread, level, wanted),
        n_reference=reference.total,
        n_current=current.total,
        error_bound=_hidden(hidden, reference, current) + _NINETY_FIVE * null.noise**0.5,
    )


def uncertainty_variation(
    rounds: Sequence[Histogram], measure: Uncertainty = Uncertainty.ENTROPY
) -> RoundVariation:
    """Estimate by moments how much the mean uncertainty of rounds varies.

    As `estimate_variation` does for shares, with the variance of g over examples in the place of
    F (1 - F): a factor that makes a whole round surer moves this mean more than any share, so the
    shares' variation would not do. Raises TooFewError under two rounds, EmptySampleError for a
    round without counts, and what `uncertainty_drift` raises.
    """
    if len(rounds) < LEAST_ROUNDS:
        raise TooFewError("rounds", len(rounds), LEAST_ROUNDS)
    for each in rounds:
        _check(rounds[0], each, measure)
    values, _ = _per_bin(rounds[0].edges, measure)
    sizes, pooled = np.array([each.total for each in rounds]), merge(rounds)
    means = np.array([float(values @ each.pmf()) for each in rounds])
    within = _variance(values, pooled)
    return RoundVariation(
        rounds=len(rounds),
        variance=float(means.var(ddof=1)) / within if within > 0 else 0.0,
        sampling=float(np.mean(1 / sizes)),
        n=pooled.total,
        concentration=float(np.sum((sizes / pooled.total) ** 2)),
    )


_IN_OWN_UNIT = (Uncertainty.ENTROPY, Uncertainty.VALUE)


@dataclass(frozen=True)
class _Null:
    """What no drift lets the difference of two means do: the variances of sampling and of noise."""

    variance: float
    noise: float
    degrees: float

    @classmethod
    def of(cls, reference: Histogram, current: Histogram, values: FloatArray) -> Self:
        pooled = merge((reference, current))
        centred = values - float(pooled.pmf() @ values)
        relative = sum((each.noise_sd / each.total) ** 2 for each in (reference, current))
        degrees = max(pooled.total - 2, 1.0)
        return cls(_variance(values, pooled), float(centred @ centred) * relative, degrees)

    def p_value(self, effect: float, spread: Spread) -> float:
        if self.variance + self.noise == 0:
            return 1.0
        return spread.average(lambda s: 2 * self._below(-abs(effect) / self._error(s)))

    def detectable(self, spread: Spread, alpha: float, power: float) -> float:
        quantiles = scipy.special.stdtrit(self.degrees, [1 - alpha / 2, power])
        return float(np.sum(quantiles)) * float(self._error(np.array([spread.mean]))[0])

    def _error(self, spread: FloatArray) -> FloatArray:
        return np.asarray(np.sqrt(self.variance * spread + self.noise), dtype=np.float64)

    def _below(self, quantiles: FloatArray) -> FloatArray:
        return np.asarray(scipy.special.stdtr(self.degrees, quantiles), dtype=np.float64)


def _check(reference: Histogram, current: Histogram, measure: Uncertainty) -> None:
    reference.require_same_bins(current)
    if reference.categorical:
        raise NotOrderedError(NAME)
    if measure not in tuple(Uncertainty):
        raise BadParameterError("measure", measure, ", ".join(Uncertainty))
    outside = (reference.edges < 0) | (reference.edges > 1)
    if measure is not Uncertainty.VALUE and outside.any():
        position = int(np.argmax(outside))
        raise BadParameterError("edges", float(reference.edges[position]), "scores from 0 to 1")


def _per_bin(edges: FloatArray, measure: Uncertainty) -> tuple[FloatArray, FloatArray]:
    """Return the mean of g over each bin, and the most that g departs from it there."""
    means = np.diff(_integral(edges, measure)) / np.diff(edges)
    at_edges = _measured(edges, measure)
    low, high = np.minimum(at_edges[1:], at_edges[:-1]), np.maximum(at_edges[1:], at_edges[:-1])
    around_even = (edges[:-1] < _EVEN) & (edges[1:] > _EVEN) & (measure is not Uncertainty.VALUE)
    turn = float(_measured(np.array([_EVEN]), measure)[0])
    low = np.where(around_even, np.minimum(low, turn), low)
    high = np.where(around_even, np.maximum(high, turn), high)
    return means, np.maximum(high - means, means - low)


def _measured(p: FloatArray, measure: Uncertainty) -> FloatArray:
    match measure:
        case Uncertainty.ENTROPY:
            return np.asarray(scipy.special.entr(p) + scipy.special.entr(1 - p))
        case Uncertainty.MARGIN:
            return np.abs(2 * p - 1)
        case Uncertainty.CONFIDENCE:
            return np.maximum(p, 1 - p)
        case Uncertainty.VALUE:
            return p


def _integral(p: FloatArray, measure: Uncertainty) -> FloatArray:
    """Return an antiderivative of g."""
    match measure:
        case Uncertainty.ENTROPY:
            return _integral_of_entr(p) - _integral_of_entr(1 - p)
        case Uncertainty.MARGIN:
            return (p - _EVEN) * np.abs(p - _EVEN)
        case Uncertainty.CONFIDENCE:
            return (p + (p - _EVEN) * np.abs(p - _EVEN)) / 2
        case Uncertainty.VALUE:
            return p**2 / 2


def _integral_of_entr(p: FloatArray) -> FloatArray:
    """Return the integral of -p ln p from 0: p^2 / 4 - p^2 ln(p) / 2."""
    return np.asarray(p**2 / 4 + p * scipy.special.entr(p) / 2, dtype=np.float64)


def _hidden(most: FloatArray, reference: Histogram, current: Histogram) -> float:
    """Return the most that binning can have moved the difference of means: both sides' add."""
    shares = (np.maximum(each.counts, 0.0) for each in (reference, current))
    return sum(float(most @ each) / float(each.sum()) for each in shares)


def _variance(values: FloatArray, pooled: Histogram) -> float:
    """Return the variance of g over examples; one pseudo-count keeps a constant from having none.

    Negative counts stay as they are: clipped, they would widen it.
    """
    counts = pooled.counts + 1 / pooled.counts.size
    shares = counts / counts.sum()
    return max(float(shares @ (values - float(shares @ values)) ** 2), 0.0)


def _spread(reference: Histogram, current: Histogram, variation: RoundVariation | None) -> Spread:
    if variation is None:
        return sampling_spread(reference.total, current.total)
    return variation.spread(current.total)
