"""Where a round is judged: the federation and its cohorts; and what each of them says in it.

A scope says what its clients say beyond their own reference: the mean departure of those that took
part, weighted by their shares of the *reference's* examples, is added to the level of them all. So
a change of who takes part moves nothing that is judged, however much clients differ, and what moves
has moved within clients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.drift.known import Expected, Known, Places, quotient, shares_of
from app.drift.measurements import Binned, Floats, Mask, RoundMeasure
from app.rounds import disclosure
from detectors import Histogram

ScopeKind = Literal["federation", "cohort", "client"]


@dataclass(frozen=True)
class Scope:
    """A group of known clients with the weight of each: its share of the reference's examples."""

    kind: ScopeKind
    key: str
    weights: Floats = field(compare=False)  # (known clients,); 0 for those outside

    @property
    def members(self) -> Mask:
        """Which known clients are in it."""
        return self.weights > 0


def scopes_of(known: Known, current: RoundMeasure, min_cohort_size: int) -> list[Scope]:
    """The federation, and each cohort of the round's known clients that may be shown."""
    places = known.places(current.clients)
    here = np.flatnonzero(places >= 0)
    least = disclosure.records_needed(min_cohort_size, current.stands_for)
    groups = disclosure.scopes_of(tags_by_client(current, here))
    scopes = [Scope("federation", "", known.shares)]
    for kind, key in sorted(disclosure.shown(groups, least)):
        if kind == "cohort":
            tag, _, value = key.partition("=")
            inside = places[here[current.tags[tag][here] == value]]
            weights = np.zeros_like(known.shares)
            weights[inside] = known.shares[inside]
            scopes.append(Scope("cohort", key, weights))
    return scopes


def tags_by_client(measure: RoundMeasure, rows: NDArray[np.intp]) -> dict[str, dict[str, str]]:
    """The cohort tags of the clients in these rows."""
    columns = [(tag, values[rows].tolist()) for tag, values in measure.tags.items()]
    return {
        client.decode(): {tag: values[at] for tag, values in columns if values[at]}
        for at, client in enumerate(measure.clients[rows].tolist())
    }


@dataclass(frozen=True, eq=False)
class Pooled:
    """A distribution in each scope, scaled to the examples counted; first axis: the scope."""

    edges: Floats
    counts: Floats  # (scopes, bins)
    noise_sd: Floats  # (scopes,), of a single count
    categorical: bool


@dataclass(frozen=True, eq=False)
class Summary:
    """What each scope says in one round; arrays have one entry a scope.

    `participation` is the share of the reference's examples whose clients took part. A rate is NaN
    and a distribution empty where no client of the scope told it.
    """

    clients: NDArray[np.intp]
    examples: Floats
    participation: Floats
    rates: Mapping[str, Floats]
    distributions: Mapping[str, Pooled]

    def rate(self, at: int, subject: str) -> float | None:
        """The within-client mean of a rate in a scope; None when no client told it."""
        if subject not in self.rates or np.isnan(self.rates[subject][at]):
            return None
        return float(self.rates[subject][at])

    def histogram(self, at: int, subject: str) -> Histogram | None:
        """The within-client distribution in a scope; None when no client told it."""
        pooled = self.distributions.get(subject)
        if pooled is None or pooled.counts[at].sum() <= 0:
            return None
        noise = float(pooled.noise_sd[at])
        return Histogram(pooled.edges, pooled.counts[at], pooled.categorical, noise)


def summarise(
    measure: RoundMeasure,
    places: Places,
    scopes: Sequence[Scope],
    expected: Expected,
    widening: Floats | float = 1.0,
) -> Summary:
    """Put a round together in each of the scopes; `places` are its clients' among the known.

    Departures from what is expected are taken `widening` times, (scopes,) (`varying.py`).
    """
    mine, at = measure.of(places >= 0), places[places >= 0]
    everyone = _weights(scopes)
    weights = everyone[:, at]
    there = weights > 0
    return Summary(
        clients=there.sum(axis=1),
        examples=there @ mine.n,
        participation=weights.sum(axis=1) / everyone.sum(axis=1),
        rates=_rates(mine.rates, mine.whole, at, scopes, expected, widening),
        distributions={
            subject: _pooled(everyone, weights, binned, expected.shares[subject], at, widening)
            for subject, binned in mine.histograms.items()
            if subject in expected.shares
        },
    )


def rates_of(
    measure: RoundMeasure, places: Places, scopes: Sequence[Scope], expected: Expected
) -> dict[str, Floats]:
    """The rates of `summarise` alone, without its distributions."""
    here = places >= 0
    told = {subject: values[here] for subject, values in measure.rates.items()}
    return _rates(told, measure.whole, places[here], scopes, expected, 1.0)


def _rates(
    told: Mapping[str, Floats],
    whole: Mapping[str, float],
    at: Places,
    scopes: Sequence[Scope],
    expected: Expected,
    widening: Floats | float,
) -> dict[str, Floats]:
    everyone = _weights(scopes)
    weights = everyone[:, at]
    rates = {
        subject: widening * _departure(weights, values, expected.rates[subject], at)
        + _level(everyone, expected.rates[subject])
        for subject, values in told.items()
        if subject in expected.rates
    }
    return rates | {subject: _of_all(scopes, value) for subject, value in whole.items()}


def _weights(scopes: Sequence[Scope]) -> Floats:
    return np.array([scope.weights for scope in scopes])


def _of_all(scopes: Sequence[Scope], value: float) -> Floats:
    """A rate that no cohort has a part of."""
    return np.array([value if scope.kind == "federation" else np.nan for scope in scopes])


def _level(everyone: Floats, expected: Floats) -> Floats:
    """What all clients of each scope say on average."""
    known = ~np.isnan(expected)
    return _mean(everyone, np.where(known, expected, 0.0), known)


def _departure(weights: Floats, values: Floats, expected: Floats, at: Places) -> Floats:
    """How far those that told lie from their own on average."""
    departures = values - expected[at]
    told = ~np.isnan(departures)
    return _mean(weights, np.where(told, departures, 0.0), told)


def _mean(weights: Floats, values: Floats, told: Mask) -> Floats:
    """The weighted mean in each scope; not by BLAS, whose threads cost more than so little work."""
    return quotient((weights * values).sum(axis=1), (weights * told).sum(axis=1))


def _pooled(
    everyone: Floats,
    weights: Floats,
    binned: Binned,
    expected: tuple[Floats, Floats],
    at: Places,
    widening: Floats | float,
) -> Pooled:
    """As of a rate, of the share of each bin, scaled to the examples that the mean is worth."""
    edges, usual = expected
    if not np.array_equal(edges, binned.edges):
        usual = np.zeros_like(binned.counts, shape=(len(usual), binned.counts.shape[1]))
    told = weights * (binned.told & ~np.isnan(usual[at, 0]))
    totals = np.where(binned.told, binned.counts.sum(axis=1), 1.0)
    shares = told.sum(axis=1)
    known = ~np.isnan(usual[:, 0])
    level = quotient(
        everyone @ np.where(known[:, np.newaxis], usual, 0.0),
        (everyone @ known.astype(np.float64))[:, np.newaxis],
    )
    departures = np.where((told > 0).any(axis=0)[:, np.newaxis], shares_of(binned) - usual[at], 0.0)
    times = np.broadcast_to(widening, shares.shape)[:, np.newaxis]
    pooled = level + times * quotient(told @ departures, shares[:, np.newaxis])
    if not binned.noise_sd:
        pooled = np.maximum(pooled, 0.0)
    examples = quotient(shares**2, (told**2 / totals).sum(axis=1))
    noise = _noise(told, totals, shares) * np.nan_to_num(examples) * binned.noise_sd
    counts = np.nan_to_num(quotient(pooled, pooled.sum(axis=1, keepdims=True)))
    return Pooled(
        binned.edges, counts * np.nan_to_num(examples)[:, np.newaxis], noise, binned.categorical
    )


def _noise(told: Floats, totals: Floats, shares: Floats) -> Floats:
    """The standard deviation of a share for each unit of noise on a count."""
    return np.nan_to_num(quotient(np.sqrt(((told / totals) ** 2).sum(axis=1)), shares))
