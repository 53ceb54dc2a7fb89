"""Did the clients move, or did other clients take part? An exact split of a federation's change.

With the shares w_i and v_i of the examples that client i had in the reference and has now, and its
distributions F_i and G_i, the pooled change is sum_i v_i G_i - sum_i w_i F_i = within + mix:

    within = sum_i (w_i + v_i) / 2 * (G_i - F_i)      what clients did
    mix    = sum_i (v_i - w_i) * (F_i + G_i) / 2      who took part

A client on one side only has nothing to be compared with: it is taken not to have moved, and all
its mass counts as mix. The two add up exactly, whatever the clients.

A distance of the pooled histograms is no sum of such terms. It is split along the two ways that
lead from the reference to the current state: first the clients move and then the mix changes, or
the other way round. What each step adds, averaged over both ways, is its part (Shapley's value).

Kitagawa (1955), J. Am. Stat. Assoc. 50, 1168-1194; Shorrocks (2013), J. Econ. Inequality 11,
99-126.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from detectors.arrays import FloatArray, finite
from detectors.errors import BadWeightError, EmptySampleError, TooFewError
from detectors.histogram import LEAST_TOTAL, Histogram
from detectors.series.overdispersion import shares_of


@dataclass(frozen=True, eq=False)
class HistogramSplit:
    """A change of a pooled histogram, as differences of CDFs at inner edges (shares if categories).

    The distances are the largest gap for ordered bins, the total variation for categories: both
    probabilities. `client_shares` add to one: each client's part in `within_distance`, negative
    where it moved the other way; all are equal where no client moved.
    """

    within: FloatArray
    mix: FloatArray
    within_distance: float
    mix_distance: float
    total_distance: float
    client_shares: dict[str, float]


@dataclass(frozen=True)
class DistanceSplit:
    """A distance of pooled histograms, in its own unit: within + mix = total, to rounding.

    A part is negative where that change brought the pooled histograms closer.
    """

    within: float
    mix: float
    total: float


@dataclass(frozen=True)
class RateSplit:
    """A change of a pooled rate (a sum over examples), in the rate's unit: within + mix = total."""

    within: float
    mix: float
    total: float
    client_shares: dict[str, float]


@dataclass(frozen=True)
class Rate:
    """A client's sum of some quantity over its examples, and their number."""

    total: float
    n: float


def split_histograms(
    reference: Mapping[str, Histogram], current: Mapping[str, Histogram]
) -> HistogramSplit:
    """Split the change between two sets of clients' histograms, all on the same bins.

    Clients without counts are left out. Raises EmptySampleError where nobody is left on a side,
    EdgesDifferError for different bins.
    """
    before, after = _counted(reference), _counted(current)
    first = next(iter(before.values()))
    for histogram in (*before.values(), *after.values()):
        first.require_same_bins(histogram)
    moves, mix = _split(_terms(before), _terms(after))
    within = np.sum(list(moves.values()), axis=0)
    functional = _functional(within, categorical=first.categorical)
    return HistogramSplit(
        within=within,
        mix=mix,
        within_distance=_distance(within, categorical=first.categorical),
        mix_distance=_distance(mix, categorical=first.categorical),
        total_distance=_distance(within + mix, categorical=first.categorical),
        client_shares=_shares({client: float(functional @ move) for client, move in moves.items()}),
    )


def split_distance(
    reference: Mapping[str, Histogram],
    current: Mapping[str, Histogram],
    distance: Callable[[Histogram, Histogram], float],
) -> DistanceSplit:
    """Split `distance(reference, current)` of the clients' pooled histograms, whatever it is.

    Where no client has moved `within` is 0, and where all take part as before `mix` is 0, for
    every distance that is 0 between equal shares. The histograms handed to `distance` have counts
    that add to the pooled totals; those in between have, in addition, weighted counts, so that a
    distance that depends on sizes sees the sizes of its side. Clients without counts are left out.
    Raises EmptySampleError where nobody is left on a side, EdgesDifferError for different bins,
    NotFiniteError for a distance that is NaN or infinite.

    >>> before = {"a": Histogram([0, 1, 2], [8, 2]), "b": Histogram([0, 1, 2], [0, 10])}
    >>> after = {"a": Histogram([0, 1, 2], [8, 2])}
    >>> split = split_distance(before, after, lambda p, q: float(abs(p.pmf() - q.pmf()).max()))
    >>> split.within, round(split.mix, 9)
    (0.0, 0.4)
    """
    before, after = _counted(reference), _counted(current)
    first = next(iter(before.values()))
    for histogram in (*before.values(), *after.values()):
        first.require_same_bins(histogram)
    old, new = {**after, **before}, {**before, **after}  # who is on one side only has not moved
    start, end = _pooled(old, before), _pooled(new, after)
    moved, mixed = _pooled(new, before), _pooled(old, after)
    steps = ((start, start), (start, moved), (start, mixed), (start, end))
    nothing, by_moving, by_mixing, total = finite([distance(*pair) for pair in steps], "distance")
    within = ((by_moving - nothing) + (total - by_mixing)) / 2
    return DistanceSplit(float(within), float(total - within), float(total))


def split_rates(reference: Mapping[str, Rate], current: Mapping[str, Rate]) -> RateSplit:
    """Split the change of a rate such as error rate or mean loss, pooled over clients.

    Clients without examples are left out. Raises EmptySampleError, NotFiniteError, BadWeightError.
    """
    moves, mix = _split(_rate_terms(reference, "reference"), _rate_terms(current, "current"))
    scalars = {client: float(move[0]) for client, move in moves.items()}
    within = sum(scalars.values())
    return RateSplit(within, float(mix[0]), within + float(mix[0]), _shares(scalars))


def reweight(reference: Mapping[str, Histogram], current: Mapping[str, Histogram]) -> Histogram:
    """Return what the reference would have been with the current clients' shares of examples.

    Over the clients that both sides have: sum v_i F_i, with counts that add to the effective
    size 1 / sum (v_i^2 / n_i) of such a weighted sum. Testing the current histograms of those
    clients, merged, against it tests within-client movement alone. Raises TooFewError where no
    client is on both sides, EdgesDifferError for different bins.
    """
    before, after = _counted(reference), _counted(current)
    common = [client for client in before if client in after]
    if not common:
        raise TooFewError("clients on both sides", 0, 1)
    first = before[common[0]]
    for client in common:
        first.require_same_bins(before[client])
        first.require_same_bins(after[client])
    v = np.array([after[client].total for client in common])
    n = np.array([before[client].total for client in common])
    factor = v / v.sum() / n
    size = 1 / float(np.sum(factor**2 * n))
    counts = factor * size @ np.array([before[client].counts for client in common])
    noise = np.array([before[client].noise_sd for client in common])
    noise_sd = size * float(np.sqrt(np.sum((factor * noise) ** 2)))
    return Histogram(first.edges, counts, first.categorical, noise_sd)


_Terms = dict[str, tuple[float, FloatArray]]


def _pooled(shapes: Mapping[str, Histogram], sizes: Mapping[str, Histogram]) -> Histogram:
    """Pool the shares of `shapes` with the clients and totals of `sizes`."""
    factors = {client: size.total / shapes[client].total for client, size in sizes.items()}
    counts = np.sum([factor * shapes[each].counts for each, factor in factors.items()], axis=0)
    variance = sum((factor * shapes[each].noise_sd) ** 2 for each, factor in factors.items())
    first = next(iter(shapes.values()))
    return Histogram(first.edges, counts, first.categorical, float(np.sqrt(variance)))


def _counted(histograms: Mapping[str, Histogram]) -> dict[str, Histogram]:
    counted = {client: each for client, each in histograms.items() if each.total >= LEAST_TOTAL}
    if not counted:
        raise EmptySampleError("histograms")
    return counted


def _terms(histograms: Mapping[str, Histogram]) -> _Terms:
    return {client: (each.total, shares_of(each)) for client, each in histograms.items()}


def _rate_terms(rates: Mapping[str, Rate], name: str) -> _Terms:
    sizes = finite([rate.n for rate in rates.values()], f"{name} n")
    totals = finite([rate.total for rate in rates.values()], f"{name} total")
    if (sizes < 0).any():
        raise BadWeightError(f"{name} n")
    terms = {
        client: (float(n), np.array([total / n]))
        for client, n, total in zip(rates, sizes, totals, strict=True)
        if n > 0
    }
    if not terms:
        raise EmptySampleError(name)
    return terms


def _split(before: _Terms, after: _Terms) -> tuple[dict[str, FloatArray], FloatArray]:
    """Return each client's within-client term, and the sum of the mix terms."""
    all_before = sum(size for size, _ in before.values())
    all_after = sum(size for size, _ in after.values())
    moves: dict[str, FloatArray] = {}
    mix = np.zeros_like(next(iter(before.values()))[1])
    for client in sorted(before.keys() | after.keys()):
        w, f = before.get(client, (0.0, None))
        v, g = after.get(client, (0.0, None))
        f, g = _either(f, g), _either(g, f)
        w, v = w / all_before, v / all_after
        moves[client] = (w + v) / 2 * (g - f)
        mix = mix + (v - w) * (f + g) / 2
    return moves, mix


def _either(own: FloatArray | None, other: FloatArray | None) -> FloatArray:
    chosen = other if own is None else own
    assert chosen is not None  # a client comes from one side at least
    return chosen


def _distance(change: FloatArray, *, categorical: bool) -> float:
    absolute = np.abs(change)
    return float(absolute.sum() / 2 if categorical else absolute.max())


def _functional(change: FloatArray, *, categorical: bool) -> FloatArray:
    """Return the vector whose product with `change` is its distance: linear, so it can be split."""
    signs = np.sign(change)
    if categorical:
        return signs / 2
    widest = np.arange(change.size) == np.argmax(np.abs(change))
    return np.where(widest, signs, 0.0)


def _shares(parts: Mapping[str, float]) -> dict[str, float]:
    whole = sum(parts.values())
    if whole == 0:
        return dict.fromkeys(parts, 1 / len(parts))
    return {client: part / whole for client, part in parts.items()}
