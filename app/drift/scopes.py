"""Where a round is judged: the federation, its cohorts, each client; and with which weights.

Within a scope every round is weighted by the clients' shares of the *reference's* examples,
renormalised over who took part (direct standardisation). So a change of who takes part moves
nothing that is judged, and what moves has moved within clients.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.drift.measurements import ClientMeasure, RoundMeasure
from app.rounds import disclosure
from detectors import Histogram

ScopeKind = Literal["federation", "cohort", "client"]


@dataclass(frozen=True)
class Scope:
    """A group of clients with the weight of each: its share of the reference's examples."""

    kind: ScopeKind
    key: str
    weights: Mapping[str, float]

    def present(self, measure: RoundMeasure) -> list[tuple[float, ClientMeasure]]:
        """The scope's clients that took part, with their weights as they are."""
        return [
            (self.weights[client], measure.clients[client])
            for client in sorted(self.weights.keys() & measure.clients.keys())
        ]

    def participation(self, measure: RoundMeasure) -> float:
        """The share of the reference's examples whose clients took part."""
        total = sum(self.weights.values())
        return sum(weight for weight, _ in self.present(measure)) / total

    def rate(self, measure: RoundMeasure, subject: str) -> float | None:
        """The within-client mean of a rate; None when no client reported it."""
        told = [(w, c.rates[subject]) for w, c in self.present(measure) if subject in c.rates]
        if not told:
            return None
        return sum(w * rate for w, rate in told) / sum(w for w, _ in told)

    def histogram(self, measure: RoundMeasure, subject: str) -> Histogram | None:
        """The within-client distribution, scaled to the examples counted; None without any."""
        told = [
            (w, c.histograms[subject]) for w, c in self.present(measure) if subject in c.histograms
        ]
        if not told:
            return None
        share = sum(w for w, _ in told)
        examples = sum(histogram.total for _, histogram in told)
        scales = [w / share * examples / histogram.total for w, histogram in told]
        parts = zip(scales, (histogram for _, histogram in told), strict=True)
        counts = sum(
            (scale * part.counts for scale, part in parts), np.zeros_like(told[0][1].counts)
        )
        noise = sum(
            (scale * histogram.noise_sd) ** 2
            for scale, (_, histogram) in zip(scales, told, strict=True)
        )
        first = told[0][1]
        return Histogram(first.edges, counts, first.categorical, float(np.sqrt(noise)))


def scopes_of(
    reference: Sequence[RoundMeasure], current: RoundMeasure, min_cohort_size: int
) -> Iterator[Scope]:
    """The federation; each cohort that may be shown (`disclosure.py`); each known client."""
    shares = reference_shares(reference)
    yield Scope("federation", "", shares)
    known = {name: part for name, part in current.clients.items() if name in shares}
    least = disclosure.records_needed(min_cohort_size, current.stands_for)
    groups = disclosure.scopes_of({name: part.cohorts for name, part in known.items()})
    for kind, key in sorted(disclosure.shown(groups, least)):
        if kind == "cohort":
            clients = sorted(groups[kind, key])
            yield Scope("cohort", key, {client: shares[client] for client in clients})
    for client in sorted(known):
        yield Scope("client", client, {client: 1.0})


def reference_shares(reference: Sequence[RoundMeasure]) -> dict[str, float]:
    """Each client's share of the reference's examples."""
    counts: dict[str, int] = {}
    for measure in reference:
        for client, part in measure.clients.items():
            counts[client] = counts.get(client, 0) + part.n
    total = sum(counts.values())
    return {client: count / total for client, count in sorted(counts.items())}
