"""How newcomers are linked to a reference, round by round; why is said in `joining.py`."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from sqlmodel import Session

from app.drift import measuring, streams
from app.drift.findings import Case
from app.drift.joining import LEAST_OTHERS, MOST_JOINED, NOBODY, Joined, Linked
from app.drift.known import Places, shares_of
from app.drift.measurements import Floats, Mask, RoundMeasure
from app.drift.tables import Reference
from app.federations.tables import Federation
from app.rounds.records import Pseudonyms
from app.rounds.tables import Round

JOINED = -2  # the shard of who joined since a reference


def resume(
    session: Session, federation: Federation, case: Case, round_: Round, reference: Reference
) -> Case:
    """A case with who joined before its round, having caught up with rounds that were missed."""
    stored, missed = streams.stored(session, reference, JOINED, round_)
    case = _with(case, NOBODY if stored is None else Joined.unpack(stored))
    for measure in measuring.measure(session, federation, missed, round_.version):
        case = _with(case, link(case, measure))
    return case


def link(case: Case, measure: RoundMeasure) -> Joined:
    """Who joined by the end of a round, newcomers linked in as many as the reference has at most.

    What a newcomer says less how far those lie from their own that can be compared.
    """
    joined, known = case.joined, case.known
    places = known.places(measure.clients)
    young = (places < 0) | np.isin(measure.clients, _young(joined, len(case.reference)))
    if not young.any():
        return joined
    grown = _grown(joined, measure.of(young))
    at = np.searchsorted(grown.clients, measure.clients[young])
    rates, shares = dict(grown.rates), dict(grown.shares)
    for subject, expected, values, told in _told(case, measure):
        departure = _departure(values, expected, told, places, known.shares)
        if departure is None:
            continue
        linked = _linked(grown, subject, values.shape[1:])
        chosen = told[young]
        linked.sums[at[chosen]] += (values - departure)[young][chosen]
        linked.counts[at[chosen]] += 1
        if values.ndim == 1:
            rates[subject] = linked
        else:
            shares[subject] = (measure.histograms[subject].edges, linked)
    return _bounded(replace(grown, rates=rates, shares=shares))


def _with(case: Case, joined: Joined) -> Case:
    """The case with these newcomers; without any it stays, and keeps what was worked out."""
    if not len(joined.clients) and not len(case.joined.clients):
        return case
    return replace(case, joined=joined)


def _young(joined: Joined, most: int) -> Pseudonyms:
    return joined.clients[joined.rounds < most]


def _told(case: Case, measure: RoundMeasure) -> Iterator[tuple[str, Floats, Floats, Mask]]:
    """Each subject that the reference has expectations of, with what a round's clients say."""
    for subject, expected in case.expected.rates.items():
        if (values := measure.rates.get(subject)) is not None:
            yield subject, expected, values, ~np.isnan(values)
    for subject, (edges, usual) in case.expected.shares.items():
        binned = measure.histograms.get(subject)
        if binned is not None and np.array_equal(binned.edges, edges):
            yield subject, usual, shares_of(binned), binned.told


def _departure(
    values: Floats, expected: Floats, told: Mask, places: Places, shares: Floats
) -> Floats | None:
    """The weighted mean of how far clients lie from their own; None where too few can be told."""
    usual = expected[places]
    known = told & (places >= 0) & ~np.isnan(usual).reshape(len(usual), -1).any(axis=1)
    weights = shares[places[known]]
    if np.count_nonzero(known) < LEAST_OTHERS or not weights.any():
        return None
    apart: Floats = np.asarray((values - usual)[known].T * weights).sum(axis=-1) / weights.sum()
    return apart


def _grown(joined: Joined, arrived: RoundMeasure) -> Joined:
    """Copies, with room for who arrived, and their examples and round counted."""
    clients = np.union1d(joined.clients, arrived.clients)
    at, size = np.searchsorted(clients, joined.clients), len(clients)
    examples, rounds = np.zeros(size), np.zeros(size)
    examples[at], rounds[at] = joined.examples, joined.rounds
    now = np.searchsorted(clients, arrived.clients)
    examples[now] += arrived.n
    rounds[now] += 1
    return Joined(
        clients,
        examples,
        rounds,
        {name: linked.at(at, size) for name, linked in joined.rates.items()},
        {name: (edges, linked.at(at, size)) for name, (edges, linked) in joined.shares.items()},
    )


def _linked(joined: Joined, subject: str, bins: tuple[int, ...]) -> Linked:
    if subject in joined.rates:
        return joined.rates[subject]
    if subject in joined.shares:
        return joined.shares[subject][1]
    clients = len(joined.clients)
    return Linked(np.zeros((clients, *bins)), np.zeros(clients))


def _bounded(joined: Joined) -> Joined:
    """Those linked most often, where they are too many."""
    if len(joined.clients) <= MOST_JOINED:
        return joined
    chosen = np.zeros(len(joined.clients), dtype=np.bool_)
    chosen[np.argsort(-joined.rounds, kind="stable")[:MOST_JOINED]] = True
    return joined.of(chosen)
