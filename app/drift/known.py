"""The clients that can be compared with themselves, and what each of them is expected to say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.drift.joining import NOBODY, Joined
from app.drift.measurements import Binned, Floats, RoundMeasure
from app.rounds.records import PSEUDONYM, Pseudonyms

Places = NDArray[np.intp]
Rounds = Sequence[tuple[RoundMeasure, Places]]


@dataclass(frozen=True, eq=False)
class Known:
    """The clients of a reference and those that joined since, ordered.

    `shares` are theirs of the examples that their expectation rests on, and `rounds` how many
    rounds it rests on.
    """

    clients: Pseudonyms
    shares: Floats
    rounds: Floats

    @classmethod
    def of(cls, reference: Iterable[RoundMeasure], joined: Joined = NOBODY) -> "Known":
        """The clients of these rounds, and who joined."""
        measures = list(reference)
        told = [np.empty(0, PSEUDONYM), *(measure.clients for measure in measures), joined.clients]
        clients, places = np.unique(np.concatenate(told), return_inverse=True)
        sizes = [np.empty(0), *(measure.n for measure in measures), joined.examples]
        each = np.concatenate((np.ones(len(places) - len(joined.clients)), joined.rounds))
        examples, rounds = (
            np.bincount(places, weights=weights, minlength=len(clients)).astype(np.float64)
            for weights in (np.concatenate(sizes), each)
        )
        return cls(clients, examples / max(examples.sum(), 1.0), rounds)

    def places(self, clients: Pseudonyms) -> Places:
        """Where each of these clients stands among the known ones; -1 for one that is not."""
        if not len(self.clients):
            return np.full(len(clients), -1)
        at = np.searchsorted(self.clients, clients)
        at[at == len(self.clients)] = 0
        return np.where(self.clients[at] == clients, at, -1)


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
            {name: average_shares(pairs, name, clients) for name in binned},
        )

    def with_joined(self, joined: Joined, places: Places) -> "Expected":
        """With those that joined, who stand at these places."""
        rates = {name: values.copy() for name, values in self.rates.items()}
        for name in rates.keys() & joined.rates.keys():
            rates[name][places] = joined.rates[name].means
        shares = {name: (edges, values.copy()) for name, (edges, values) in self.shares.items()}
        for name in shares.keys() & joined.shares.keys():
            edges, linked = joined.shares[name]
            if np.array_equal(edges, shares[name][0]):
                shares[name][1][places] = linked.means
        return replace(self, rates=rates, shares=shares)


def shares_of(binned: Binned) -> Floats:
    """The share of each bin, by client; zeros for one that did not tell."""
    totals = np.where(binned.told, binned.counts.sum(axis=1), 1.0)
    shares: Floats = binned.counts / totals[:, np.newaxis]
    return shares


def quotient(sums: Floats, counts: Floats) -> Floats:
    """Sums over counts, and NaN where nothing was counted."""
    whole = np.broadcast_to(counts, sums.shape)
    divided: Floats = np.divide(sums, whole, out=np.full(sums.shape, np.nan), where=whole > 0)
    return divided


def _average_rate(rounds: Rounds, subject: str, clients: int) -> Floats:
    sums, counts = np.zeros(clients), np.zeros(clients)
    for measure, places in rounds:
        values = measure.rates.get(subject)
        if values is not None:
            told = (places >= 0) & ~np.isnan(values)
            sums[places[told]] += values[told]
            counts[places[told]] += 1
    return quotient(sums, counts)


def average_shares(rounds: Rounds, subject: str, clients: int) -> tuple[Floats, Floats]:
    """Each client's shares over rounds that tell them, and the edges.

    On the bins of the last round that told; rounds on other bins are left out.
    """
    edges = [one.histograms[subject].edges for one, _ in rounds if subject in one.histograms][-1]
    sums, counts = np.zeros((clients, len(edges) - 1)), np.zeros(clients)
    for measure, places in rounds:
        binned = measure.histograms.get(subject)
        if binned is not None and np.array_equal(binned.edges, edges):
            told = (places >= 0) & binned.told
            sums[places[told]] += shares_of(binned)[told]
            counts[places[told]] += 1
    return edges, quotient(sums, counts[:, np.newaxis])
