"""Merging that no single client can take over, for histograms and for sums.

A plain merge weighs each client by the examples it claims, so one that claims enough of them says
what it likes. A cap on a client's share of the weight bounds its influence on every merged share by
that cap. Where more than one may lie, a robust centre of the clients' shares holds out until a
fixed part of them does (its breakdown point). Each is a centre of clients rather than of examples,
and where clients differ, and not symmetrically, it is another number than the merge: use it beside
the merge, to see whether a few clients make the difference.

- A capped merge moves by at most `cap` for each liar. It costs the efficiency of its weights, and
  no bias where size and shape are unrelated.
- A trimmed mean holds out until `trim` of the weight lies at one end; about 88% efficient for
  normal clients at a trim of 0.2; biased towards the middle of each share where clients are skewed.
- A median of means holds out until half of the groups do; 68% efficient with 5 groups, 64% with
  many; the larger the groups, the less it is biased towards the middle.
- A geometric median holds out until half of the weight lies; 79% efficient in two dimensions and
  more in higher ones; biased towards the middle of all shares together.

Lugosi & Mendelson (2019), Found. Comput. Math. 19, 1145-1190; Pillutla, Kakade & Harchaoui (2022),
IEEE Trans. Signal Process. 70, 1142-1154 (geometric medians over clients).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, matrix, sample, weights
from detectors.errors import BadParameterError, EmptySampleError, ShapeError, TooFewError
from detectors.histogram import LEAST_TOTAL, Histogram, merge

Centre: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
_SWEEPS = 200
_CLOSE = 1e-12
_MEDIAN_NOISE = float(np.sqrt(np.pi / 2))


@dataclass(frozen=True, eq=False)
class CappedMerge:
    """A merge in which no client has more than its cap of the weight.

    `factors` are what each client's counts were multiplied by, in the order given: 1 where the
    cap does not bind, and `bound` says whether it did anywhere.
    """

    histogram: Histogram
    factors: FloatArray

    @property
    def bound(self) -> bool:
        """Whether the cap changed anything."""
        return bool((self.factors < 1).any())


def cap_factors(sizes: ArrayLike, cap: float) -> FloatArray:
    """Return the factors, at most 1, that leave no client more than `cap` of the total weight.

    Sizes above a level c are cut to c, where c = cap * sum(min(size, c)): the least change that
    does it. Sizes are zero or more; a client without examples keeps its factor of 1. Raises
    BadParameterError for a cap below 1 / (clients with examples) or above 1, BadWeightError,
    NotFiniteError, EmptySampleError.

    >>> cap_factors([10.0, 10.0, 80.0], cap=0.5).tolist()
    [1.0, 1.0, 0.25]
    """
    array = sample(sizes, "sizes")
    size = weights(array, array.size, "sizes")
    present = int(np.sum(size > 0))
    if not 1 / present - _CLOSE <= cap <= 1:
        raise BadParameterError("cap", cap, f"from 1 / {present} (clients with examples) to 1")
    level = _level(np.sort(size[size > 0])[::-1], cap)
    return np.asarray(np.where(size > level, level / np.where(size > 0, size, 1.0), 1.0))


def merge_capped(histograms: Sequence[Histogram], cap: float) -> CappedMerge:
    """Merge histograms on the same bins, one a client, with a cap on each one's share of weight.

    Where the cap does not bind the result is `merge`'s, bit for bit. The total is that of the
    weights that are left; declared noise is scaled with its counts. Raises what `cap_factors` and
    `merge` raise. Totals below zero, which noise makes, count as no weight.
    """
    if not histograms:
        raise EmptySampleError("histograms")
    totals = np.array([max(each.total, 0.0) for each in histograms])
    factors = cap_factors(totals, cap)
    return CappedMerge(merge(map(_scaled, histograms, factors.tolist())), factors)


def merge_sums_capped(sums: ArrayLike, sizes: ArrayLike, cap: float) -> tuple[FloatArray, float]:
    """Return capped sums of (clients, d) and the examples they stand for; see `cap_factors`."""
    array, size = matrix(sums, "sums"), sample(sizes, "sizes")
    if len(array) != size.size:
        raise ShapeError("sums", array.shape, f"({size.size}, d), one row a client")
    factors = cap_factors(size, cap)
    return np.asarray(factors @ array, dtype=np.float64), float(factors @ size)


def merge_robustly(histograms: Sequence[Histogram], centre: Centre) -> Histogram:
    """Return a histogram of the shares that `centre` gives, with the total of all clients.

    `centre` takes shares, (clients, bins), and their weights, the clients' totals:
    `geometric_median`, or `trimmed_mean` and `median_of_means` with their parameters bound. Shares
    are scaled to add to one again. Declared noise is that of the merge times 1.25, a median's
    inflation. Clients without counts are left out. Raises EmptySampleError where none is left,
    EdgesDifferError, and what `centre` raises.
    """
    counted = [each for each in histograms if each.total > LEAST_TOTAL]
    merged = merge(counted)
    totals = np.array([each.total for each in counted])
    shares = centre(np.array([each.pmf() for each in counted]), totals)
    if merged.noise_sd == 0:
        shares = np.maximum(shares, 0.0)
    counts = shares / shares.sum() * merged.total
    return replace(merged, counts=counts, noise_sd=merged.noise_sd * _MEDIAN_NOISE)


def trimmed_mean(vectors: FloatArray, weight: FloatArray, trim: float = 0.2) -> FloatArray:
    """Return, for each component, the weighted mean without `trim` of the weight at either end.

    A client that lies at a border counts with the part inside. BadParameterError unless
    0 <= trim < 0.5.
    """
    points, mass = _weighted(vectors, weight)
    if not 0 <= trim < 0.5:  # noqa: PLR2004 - half would leave nothing
        raise BadParameterError("trim", trim, "zero or more, below 0.5")
    order = np.argsort(points, axis=0, kind="stable")
    upper = np.cumsum(mass[order], axis=0)
    kept = np.clip(upper, trim, 1 - trim) - np.clip(upper - mass[order], trim, 1 - trim)
    inside = np.take_along_axis(points, order, axis=0) * kept
    return np.asarray(inside.sum(axis=0) / kept.sum(axis=0), dtype=np.float64)


def median_of_means(
    vectors: FloatArray, weight: FloatArray, groups: int = 5, seed: int = 0
) -> FloatArray:
    """Return, for each component, the median over groups of clients of their weighted means.

    Clients are dealt to groups at random, and an attacker must not know `seed`. It holds while
    liars sit in less than half of the groups. Raises BadParameterError under 3 groups, TooFewError
    where there are fewer clients than groups.
    """
    points, mass = _weighted(vectors, weight)
    if groups < 3:  # noqa: PLR2004 - the median of two is their mean
        raise BadParameterError("groups", groups, "3 or more")
    if len(points) < groups:
        raise TooFewError("clients", len(points), groups)
    dealt = np.random.default_rng(seed).permutation(np.arange(len(points)) % groups)
    means = [_mean(points[dealt == group], mass[dealt == group]) for group in range(groups)]
    return np.asarray(np.median(means, axis=0), dtype=np.float64)


def geometric_median(vectors: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the point with the least weighted sum of Euclidean distances to all vectors.

    By Weiszfeld's iteration with Vardi and Zhang's step at data points, up to 200 sweeps or until
    a step is 1e-12 of the scale. Vardi & Zhang (2000), PNAS 97, 1423-1426.
    """
    points, mass = _weighted(vectors, weight)
    scale = float(np.abs(points).max()) or 1.0
    centre = np.median(points, axis=0)
    for _ in range(_SWEEPS):
        moved = _weiszfeld(points, mass, centre, scale)
        if float(np.abs(moved - centre).max()) <= _CLOSE * scale:
            return moved
        centre = moved
    return centre


def _weiszfeld(
    points: FloatArray, mass: FloatArray, centre: FloatArray, scale: float
) -> FloatArray:
    distance = np.linalg.norm(points - centre, axis=1)
    here = distance <= _CLOSE * scale
    if here.all():
        return centre
    pull = np.where(here, 0.0, mass / np.where(here, 1.0, distance))
    step = pull @ (points - centre) / pull.sum()
    resultant = float(np.linalg.norm(pull @ (points - centre)))
    stay = min(1.0, float(mass[here].sum()) / resultant) if resultant > 0 else 1.0
    return np.asarray(centre + (1 - stay) * step, dtype=np.float64)


def _level(falling: FloatArray, cap: float) -> float:
    """Return the c with c = cap * (r c + the rest) when the r largest sizes are cut to it.

    `falling` are positive sizes. r is the least for which nothing beyond it exceeds c; infinite
    where nothing must be cut; with a cap of 1 / clients all come down to the smallest.
    """
    rest = falling.sum() - np.concatenate(([0.0], np.cumsum(falling)))
    if falling[0] <= cap * rest[0]:
        return float("inf")
    for cut in range(1, falling.size):
        room = 1 - cut * cap
        if room > _CLOSE and falling[cut] <= cap * rest[cut] / room:
            return float(cap * rest[cut] / room)
    return float(falling[-1])


def _scaled(histogram: Histogram, factor: float) -> Histogram:
    if factor == 1:
        return histogram
    noise = histogram.noise_sd * factor
    return replace(histogram, counts=histogram.counts * factor, noise_sd=noise)


def _weighted(vectors: ArrayLike, weight: ArrayLike) -> tuple[FloatArray, FloatArray]:
    points = matrix(vectors, "vectors")
    mass = weights(weight, len(points), "weight")
    return points, mass / mass.sum()


def _mean(points: FloatArray, mass: FloatArray) -> FloatArray:
    total = float(mass.sum())
    return np.asarray(mass @ points / total if total > 0 else points.mean(axis=0))
