"""Where a round is judged: the federation and its cohorts; and what each of them says in it.

A scope says what its clients say beyond their own reference: the mean departure of those that took
part, weighted by their shares of the *reference's* examples, is added to the level of them all. So
a change of who takes part moves nothing that is judged, however much clients differ, and what moves
has moved within clients.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.drift.measurements import Binned, Floats, Mask, RoundMeasure
from app.rounds import disclosure
from app.rounds.records import PSEUDONYM, Pseudonyms
from detectors import Histogram

ScopeKind = Literal["federation", "cohort", "client"]
Places = NDArray[np.intp]


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


@dataclass(frozen=True, eq=False)
class Known:
    """The clients of a reference, ordered, with their shares of its examples."""

    clients: Pseudonyms
    shares: Floats

    @classmethod
    def of(cls, reference: Iterable[RoundMeasure]) -> "Known":
        """The clients of these rounds."""
        rounds = list(reference)
        told = np.concatenate([np.empty(0, PSEUDONYM), *(measure.clients for measure in rounds)])
        clients, places = np.unique(told, return_inverse=True)
        examples = np.concatenate([np.empty(0), *(measure.n for measure in rounds)])
        counts = np.bincount(places, weights=examples, minlength=len(clients))
        return cls(clients, counts / max(counts.sum(), 1.0))

    def places(self, clients: Pseudonyms) -> Places:
        """Where each of these clients stands among the known ones; -1 for one that is not."""
        if not len(self.clients):
            return np.full(len(clients), -1)
        at = np.searchsorted(self.clients, clients)
        at[at == len(self.clients)] = 0
        return np.where(self.clients[at] == clients, at, -1)


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
    told: dict[str, dict[str, str]] = {}
    tags = {tag: values.tolist() for tag, values in measure.tags.items()}
    for row in rows.tolist():
        of_client = {tag: values[row] for tag, values in tags.items() if values[row]}
        told[measure.clients[row].decode()] = of_client
    return told


@dataclass(frozen=True, eq=False)
class Expected:
    """What each known client says in the reference's rounds on average; NaN where it told nothing.

    Rates by client; shares of bins by client and bin, with the edges that they are of.
    """

    rates: Mapping[str, Floats]
    shares: Mapping[str, tuple[Floats, Floats]]

    @classmethod
    def of(
        cls, reference: Sequence[RoundMeasure], places: Sequence[Places], clients: int
    ) -> "Expected":
        """From the reference's rounds, whose clients stand at `places` among so many known ones."""
        pairs = list(zip(reference, places, strict=True))
        rates = {name for measure in reference for name in measure.rates}
        binned = {name for measure in reference for name in measure.histograms}
        return cls(
            {name: _average_rate(pairs, name, clients) for name in rates},
            {name: _average_shares(pairs, name, clients) for name in binned},
        )


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
    measure: RoundMeasure, places: Places, scopes: Sequence[Scope], expected: Expected
) -> Summary:
    """Put a round together in each of the scopes; `places` are its clients' among the known."""
    mine, at = measure.of(places >= 0), places[places >= 0]
    everyone = np.array([scope.weights for scope in scopes])
    weights = everyone[:, at]
    there = weights > 0
    return Summary(
        clients=there.sum(axis=1),
        examples=there @ mine.n,
        participation=weights.sum(axis=1) / everyone.sum(axis=1),
        rates={
            **{
                subject: _rate(everyone, weights, values, expected.rates[subject], at)
                for subject, values in mine.rates.items()
                if subject in expected.rates
            },
            **{subject: _of_all(scopes, value) for subject, value in mine.whole.items()},
        },
        distributions={
            subject: _pooled(everyone, weights, binned, expected.shares[subject], at)
            for subject, binned in mine.histograms.items()
            if subject in expected.shares
        },
    )


Rounds = Sequence[tuple[RoundMeasure, Places]]


def _average_rate(rounds: Rounds, subject: str, clients: int) -> Floats:
    sums, counts = np.zeros(clients), np.zeros(clients)
    for measure, places in rounds:
        values = measure.rates.get(subject)
        if values is not None:
            told = (places >= 0) & ~np.isnan(values)
            sums[places[told]] += values[told]
            counts[places[told]] += 1
    return _quotient(sums, counts)


def _average_shares(rounds: Rounds, subject: str, clients: int) -> tuple[Floats, Floats]:
    """On the bins of the last round that told; rounds on other bins are left out."""
    edges = [one.histograms[subject].edges for one, _ in rounds if subject in one.histograms][-1]
    sums, counts = np.zeros((clients, len(edges) - 1)), np.zeros(clients)
    for measure, places in rounds:
        binned = measure.histograms.get(subject)
        if binned is not None and np.array_equal(binned.edges, edges):
            told = (places >= 0) & binned.told
            sums[places[told]] += _shares(binned)[told]
            counts[places[told]] += 1
    return edges, _quotient(sums, counts[:, np.newaxis])


def _shares(binned: Binned) -> Floats:
    totals = np.where(binned.told, binned.counts.sum(axis=1), 1.0)
    shares: Floats = binned.counts / totals[:, np.newaxis]
    return shares


def _quotient(sums: Floats, counts: Floats) -> Floats:
    whole = np.broadcast_to(counts, sums.shape)
    quotient: Floats = np.divide(sums, whole, out=np.full(sums.shape, np.nan), where=whole > 0)
    return quotient


def _of_all(scopes: Sequence[Scope], value: float) -> Floats:
    """A rate that no cohort has a part of."""
    return np.array([value if scope.kind == "federation" else np.nan for scope in scopes])


def _rate(
    everyone: Floats, weights: Floats, values: Floats, expected: Floats, at: Places
) -> Floats:
    """The level of all clients of each scope, and how far those that told lie from their own."""
    departures = values - expected[at]
    told = ~np.isnan(departures)
    known = ~np.isnan(expected)
    level = _mean(everyone, np.where(known, expected, 0.0), known)
    return level + _mean(weights, np.where(told, departures, 0.0), told)


def _mean(weights: Floats, values: Floats, told: Mask) -> Floats:
    """The weighted mean in each scope; not by BLAS, whose threads cost more than so little work."""
    return _quotient((weights * values).sum(axis=1), (weights * told).sum(axis=1))


def _pooled(
    everyone: Floats,
    weights: Floats,
    binned: Binned,
    expected: tuple[Floats, Floats],
    at: Places,
) -> Pooled:
    """As `_rate`, of the share of each bin, scaled to the examples counted."""
    edges, usual = expected
    if not np.array_equal(edges, binned.edges):
        usual = np.zeros_like(binned.counts, shape=(len(usual), binned.counts.shape[1]))
    told = weights * (binned.told & ~np.isnan(usual[at, 0]))
    totals = np.where(binned.told, binned.counts.sum(axis=1), 1.0)
    shares = told.sum(axis=1)
    known = ~np.isnan(usual[:, 0])
    level = _quotient(
        everyone @ np.where(known[:, np.newaxis], usual, 0.0),
        (everyone @ known.astype(np.float64))[:, np.newaxis],
    )
    departures = np.where((told > 0).any(axis=0)[:, np.newaxis], _shares(binned) - usual[at], 0.0)
    pooled = level + _quotient(told @ departures, shares[:, np.newaxis])
    if not binned.noise_sd:
        pooled = np.maximum(pooled, 0.0)
    examples = (told > 0) @ np.where(binned.told, totals, 0.0)
    scale = _quotient(examples, shares)
    noise = np.sqrt(((told / totals) ** 2).sum(axis=1)) * np.nan_to_num(scale) * binned.noise_sd
    counts = np.nan_to_num(_quotient(pooled, pooled.sum(axis=1, keepdims=True)))
    return Pooled(binned.edges, counts * examples[:, np.newaxis], noise, binned.categorical)
