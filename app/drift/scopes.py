"""Where a round is judged: the federation and its cohorts; and with which weights.

Within a scope every round is weighted by the clients' shares of the *reference's* examples,
renormalised over who took part (direct standardisation). So a change of who takes part moves
nothing that is judged, and what moves has moved within clients.
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


def summarise(measure: RoundMeasure, places: Places, scopes: Sequence[Scope]) -> Summary:
    """Put a round together in each of the scopes; `places` are its clients' among the known."""
    mine = measure.of(places >= 0)
    weights = np.array([scope.weights for scope in scopes])[:, places[places >= 0]]
    there = weights > 0
    totals = np.array([scope.weights.sum() for scope in scopes])
    return Summary(
        clients=there.sum(axis=1),
        examples=there @ mine.n,
        participation=weights.sum(axis=1) / totals,
        rates={
            **{subject: _mean(weights, values) for subject, values in mine.rates.items()},
            **{subject: _of_all(scopes, value) for subject, value in mine.whole.items()},
        },
        distributions={
            subject: _pooled(weights, binned) for subject, binned in mine.histograms.items()
        },
    )


def _of_all(scopes: Sequence[Scope], value: float) -> Floats:
    """A rate that no cohort has a part of."""
    return np.array([value if scope.kind == "federation" else np.nan for scope in scopes])


def _mean(weights: Floats, values: Floats) -> Floats:
    told = ~np.isnan(values)
    shares = weights @ told.astype(np.float64)
    sums = weights @ np.where(told, values, 0.0)
    mean: Floats = np.divide(sums, shares, out=np.full(len(shares), np.nan), where=shares > 0)
    return mean


def _pooled(weights: Floats, binned: Binned) -> Pooled:
    told = weights * binned.told
    totals = np.where(binned.told, binned.counts.sum(axis=1), 1.0)
    shares = told.sum(axis=1)
    examples = (told > 0) @ np.where(binned.told, totals, 0.0)
    scale = np.divide(examples, shares, out=np.zeros_like(shares), where=shares > 0)
    pooled = (told / totals) @ binned.counts * scale[:, np.newaxis]
    noise = np.sqrt(((told / totals) ** 2).sum(axis=1)) * scale * binned.noise_sd
    return Pooled(binned.edges, pooled, noise, binned.categorical)
