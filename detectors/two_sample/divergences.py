"""How far apart two histograms are, as numbers to read: effect sizes, never tests.

A threshold on one of these is no test: what two samples of one distribution show depends on their
sizes and on the number of bins, which `bias` says. For a decision use a test, and read the effect
beside it. With coarser bins each can only get smaller.
"""

from dataclasses import dataclass

import numpy as np
import scipy.special

from detectors.arrays import FloatArray
from detectors.histogram import Histogram
from detectors.two_sample.noise import on_simplex

HALF_A_COUNT = 0.5


@dataclass(frozen=True)
class EffectSize:
    """A distance between two distributions, from two samples of them.

    `bias` is what sampling alone adds to it where nothing changed, to first order: `value - bias`
    is the corrected distance. `standard_error` is the delta method's, with what is left of it where
    nothing changed. No unit; `bins` are those that either side has counts in.
    """

    name: str
    value: float
    bias: float
    standard_error: float
    bins: int
    n_reference: float
    n_current: float


def psi(reference: Histogram, current: Histogram) -> EffectSize:
    """Return the population stability index, sum (p - q) ln(p / q), in nats.

    Half a count is added to every bin that either side has, since it is infinite otherwise. Between
    samples of one distribution it is about (k - 1) (1 / n + 1 / m): 0.38 for 20 bins and 100
    examples a side, beyond the 0.25 that is often read as a large change. Noised counts are
    projected on the simplex first. Raises EdgesDifferError, EmptySampleError.

    >>> round(psi(Histogram([0, 1, 2], [99.5, 0.5]), Histogram([0, 1, 2], [50, 50])).value, 4)
    2.257

    Kullback & Leibler (1951), Annals of Mathematical Statistics 22, 79-86 (the symmetric J).
    """
    p, q, n, m = _shares(reference, current, HALF_A_COUNT)
    ratio = np.log(p / q)
    freedom = (p.size - 1) * (1 / n + 1 / m)
    spread = _variance(p, ratio + 1 - q / p, n) + _variance(q, -ratio + 1 - p / q, m)
    error = np.sqrt(spread + 2 * (p.size - 1) * (1 / n + 1 / m) ** 2)
    return EffectSize("psi", float((p - q) @ ratio), freedom, float(error), p.size, n, m)


def jensen_shannon(reference: Histogram, current: Histogram) -> EffectSize:
    """Return the Jensen-Shannon distance: the root of the divergence in nats, at most 0.8326.

    As scipy.spatial.distance.jensenshannon has it with its own base e; for base 2, with a largest
    value of 1, divide by the root of ln 2. Noised counts are projected on the simplex first. Raises
    EdgesDifferError, EmptySampleError.

    Endres & Schindelin (2003), IEEE Transactions on Information Theory 49, 1858-1860.
    """
    p, q, n, m = _shares(reference, current, 0.0)
    middle = (p + q) / 2
    divergence = (scipy.special.rel_entr(p, middle) + scipy.special.rel_entr(q, middle)).sum() / 2
    slopes = (_log_ratio(p, middle) / 2, _log_ratio(q, middle) / 2)
    return _rooted("jensen-shannon", float(divergence), slopes, (p, q), (n, m))


def hellinger(reference: Histogram, current: Histogram) -> EffectSize:
    """Return the Hellinger distance, the root of half sum (sqrt p - sqrt q)^2, between 0 and 1.

    Noised counts are projected on the simplex first. Raises EdgesDifferError, EmptySampleError.

    >>> low, high = Histogram([0, 1, 2], [9, 0]), Histogram([0, 1, 2], [0, 4])
    >>> hellinger(low, high).value
    1.0

    Hellinger (1909), Journal fuer die reine und angewandte Mathematik 136, 210-271.
    """
    p, q, n, m = _shares(reference, current, 0.0)
    square = float(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2)  # 1 - sum sqrt(p q) cancels near 0
    slopes = (-_root_ratio(q, p) / 2, -_root_ratio(p, q) / 2)
    return _rooted("hellinger", square, slopes, (p, q), (n, m))


def _rooted(
    name: str,
    square: float,
    slopes: tuple[FloatArray, FloatArray],
    shares: tuple[FloatArray, FloatArray],
    sizes: tuple[float, float],
) -> EffectSize:
    """Make an effect of a squared distance; both here are an eighth of a chi-squared by n."""
    bins, per_size = shares[0].size, 1 / sizes[0] + 1 / sizes[1]
    by_chance = (bins - 1) * per_size / 8
    spread = sum(_variance(*each) for each in zip(shares, slopes, sizes, strict=True))
    error = np.sqrt(spread + 2 * (bins - 1) * (per_size / 8) ** 2)
    value = float(np.sqrt(square))
    steepest = 2 * np.sqrt(max(square, by_chance))
    return EffectSize(
        name=name,
        value=value,
        bias=value - float(np.sqrt(max(square - by_chance, 0.0))),
        standard_error=float(error / steepest) if steepest > 0 else 0.0,
        bins=bins,
        n_reference=sizes[0],
        n_current=sizes[1],
    )


def _shares(
    reference: Histogram, current: Histogram, added: float
) -> tuple[FloatArray, FloatArray, float, float]:
    reference.require_same_bins(current)
    reference.pmf(), current.pmf()  # EmptySampleError without counts
    first, second = _plain_counts(reference), _plain_counts(current)
    there = first + second > 0
    first, second = first[there] + added, second[there] + added
    return first / first.sum(), second / second.sum(), reference.total, current.total


def _plain_counts(histogram: Histogram) -> FloatArray:
    if histogram.noise_sd > 0:
        return on_simplex(histogram.counts, histogram.total)
    return histogram.counts


def _variance(shares: FloatArray, slope: FloatArray, n: float) -> float:
    mean = float(shares @ slope)
    return max(float(shares @ slope**2) - mean**2, 0.0) / n


def _log_ratio(shares: FloatArray, middle: FloatArray) -> FloatArray:
    positive = shares > 0
    return np.where(positive, np.log(np.where(positive, shares, 1.0) / middle), 0.0)


def _root_ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    positive = below > 0
    return np.where(positive, np.sqrt(above / np.where(positive, below, 1.0)), 0.0)
