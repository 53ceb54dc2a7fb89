"""What each scope says in a round, beyond what its clients are expected to say.

A scope says what its clients say beyond their own reference: the mean departure of those that took
part, weighted by their shares of the *reference's* examples, is added to the level of them all. So
a change of who takes part moves nothing that is judged, however much clients differ, and what moves
has moved within clients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.drift.known import Expected, Places, quotient, shares_of
from app.drift.measurements import Binned, Floats, Mask, RoundMeasure
from app.drift.scopes import Scope
from detectors import Histogram


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


@dataclass(frozen=True, eq=False)
class Apart:
    """What is usual in each scope, and how far from it a round lies; first axis: the scope.

    Of a rate, or of the share of each bin.
    """

    usual: Floats
    departure: Floats

    def widened(self, times: Floats | float) -> Floats:
        """What each scope says, had it departed so many times as far."""
        said: Floats = self.usual + times * self.departure
        return said


@dataclass(frozen=True, eq=False)
class ApartInBins:
    """The same of a distribution, with what its mean is worth in examples, and their noise."""

    edges: Floats
    categorical: bool
    exact: bool
    shares: Apart
    examples: Floats
    noise_sd: Floats

    def widened(self, times: Floats | float) -> Pooled:
        """The distribution in each scope, scaled to the examples."""
        whole = np.broadcast_to(times, self.examples.shape)[:, np.newaxis]
        pooled = self.shares.widened(whole)
        if self.exact:
            pooled = np.maximum(pooled, 0.0)
        counts = np.nan_to_num(quotient(pooled, pooled.sum(axis=1, keepdims=True)))
        counts *= self.examples[:, np.newaxis]
        return Pooled(self.edges, counts, self.noise_sd, self.categorical)


@dataclass(frozen=True, eq=False)
class Departed:
    """How far each scope lies from what it is expected to say in one round.

    What is not of single clients, `whole`, has nothing that is expected of it.
    """

    clients: NDArray[np.intp]
    examples: Floats
    participation: Floats
    rates: Mapping[str, Apart]
    whole: Mapping[str, Floats]
    distributions: Mapping[str, ApartInBins]

    def widened(self, times: Floats | float = 1.0) -> Summary:
        """What each scope says, departures taken so many times, (scopes,) (`varying.py`)."""
        rates = {subject: apart.widened(times) for subject, apart in self.rates.items()}
        rates.update(self.whole)
        return Summary(
            self.clients,
            self.examples,
            self.participation,
            rates,
            {subject: apart.widened(times) for subject, apart in self.distributions.items()},
        )


def depart(
    measure: RoundMeasure, places: Places, scopes: Sequence[Scope], expected: Expected
) -> Departed:
    """Put a round together in each of the scopes; `places` are its clients' among the known."""
    mine, at = measure.of(places >= 0), places[places >= 0]
    everyone = _weights(scopes)
    weights = everyone[:, at]
    there = weights > 0
    return Departed(
        clients=there.sum(axis=1),
        examples=there @ mine.n,
        participation=weights.sum(axis=1) / everyone.sum(axis=1),
        rates=_rates(mine.rates, at, everyone, expected),
        whole=_whole(measure, scopes),
        distributions={
            subject: _apart_in_bins(everyone, weights, binned, expected.shares[subject], at)
            for subject, binned in mine.histograms.items()
            if subject in expected.shares
        },
    )


def summarise(
    measure: RoundMeasure, places: Places, scopes: Sequence[Scope], expected: Expected
) -> Summary:
    """What each of the scopes says in a round; `places` are its clients' among the known."""
    return depart(measure, places, scopes, expected).widened()


def rates_of(
    measure: RoundMeasure, places: Places, scopes: Sequence[Scope], expected: Expected
) -> dict[str, Floats]:
    """The rates of `summarise` alone, without its distributions."""
    here = places >= 0
    told = {subject: values[here] for subject, values in measure.rates.items()}
    rates = _rates(told, places[here], _weights(scopes), expected)
    return {subject: apart.widened(1.0) for subject, apart in rates.items()} | _whole(
        measure, scopes
    )


def _rates(
    told: Mapping[str, Floats], at: Places, everyone: Floats, expected: Expected
) -> dict[str, Apart]:
    weights = everyone[:, at]
    return {
        subject: Apart(
            _level(everyone, expected.rates[subject]),
            _departure(weights, values, expected.rates[subject], at),
        )
        for subject, values in told.items()
        if subject in expected.rates
    }


def _whole(measure: RoundMeasure, scopes: Sequence[Scope]) -> dict[str, Floats]:
    return {subject: _of_all(scopes, value) for subject, value in measure.whole.items()}


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


def _apart_in_bins(
    everyone: Floats,
    weights: Floats,
    binned: Binned,
    expected: tuple[Floats, Floats],
    at: Places,
) -> ApartInBins:
    """As of a rate, of the share of each bin, with the examples that the mean is worth."""
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
    departure = quotient(told @ departures, shares[:, np.newaxis])
    examples = np.nan_to_num(quotient(shares**2, (told**2 / totals).sum(axis=1)))
    noise = _noise(told, totals, shares) * examples * binned.noise_sd
    return ApartInBins(
        edges=binned.edges,
        categorical=binned.categorical,
        exact=not binned.noise_sd,
        shares=Apart(level, departure),
        examples=examples,
        noise_sd=noise,
    )


def _noise(told: Floats, totals: Floats, shares: Floats) -> Floats:
    """The standard deviation of a share for each unit of noise on a count."""
    return np.nan_to_num(quotient(np.sqrt(((told / totals) ** 2).sum(axis=1)), shares))
