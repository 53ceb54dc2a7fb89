"""A round's page: what came in, how it was judged, and the score's distribution then and now."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlmodel import Session

from app.console.access import Visitor
from app.console.plots import Figure, histograms
from app.drift import service as drift
from app.drift.measurements import SCORE, Binned, RoundMeasure
from app.drift.tables import Verdict
from app.federations.names import Naming
from app.federations.roles import Permission
from app.federations.tables import Federation
from app.rounds import disclosure
from app.rounds import service as rounds
from app.rounds.tables import Refusal, Round
from detectors import Histogram, merge

OUTCOMES = ("drift", "warning", "insufficient_evidence", "stable")
SCOPES = ("federation", "cohort", "client")
CLIENTS_SHOWN = 200  # verdicts on single clients, the gravest first
PARTICIPATION = (
    ("available", "Available", "clients"),
    ("sampled", "Sampled", "clients"),
    ("replied", "Replied", "clients"),
    ("timed_out", "Timed out", "clients"),
    ("latency_p50_ms", "Latency, median", "ms"),
    ("latency_p95_ms", "Latency, 95%", "ms"),
    ("bytes_up", "Sent by clients", "bytes"),
    ("bytes_down", "Sent to clients", "bytes"),
)


@dataclass(frozen=True)
class RoundPage:
    """All that the page shows; `tally` counts the outcomes of `verdicts`."""

    federation: Federation
    round: Round
    verdicts: Sequence[Verdict]
    clients: Sequence[Verdict]
    tally: Sequence[tuple[str, int]]
    refusals: Sequence[Refusal]
    score: Figure | None
    envelope: Sequence[tuple[str, str]]
    naming: Naming


def round_page(
    session: Session, visitor: Visitor, federation: Federation, round_: Round
) -> RoundPage:
    """Gather the page."""
    found = sorted(drift.verdicts_of(session, round_.id), key=_gravest_first)
    verdicts = [verdict for verdict in found if verdict.scope != "client"]
    sees_clients = visitor.principal.may(Permission.READ_CLIENTS)
    gravest = drift.gravest_client_verdicts
    counts = Counter(verdict.outcome for verdict in verdicts)
    return RoundPage(
        federation=federation,
        round=round_,
        verdicts=verdicts,
        clients=gravest(session, round_.id, CLIENTS_SHOWN) if sees_clients else (),
        tally=[(outcome, counts[outcome]) for outcome in OUTCOMES if counts[outcome]],
        refusals=rounds.refusals_of(session, round_.id),
        score=_score(session, federation, round_, found),
        envelope=list(_envelope(round_)),
        naming=visitor.naming(federation),
    )


def _gravest_first(verdict: Verdict) -> tuple[int, str, int, str, str]:
    scope, outcome = SCOPES.index(verdict.scope), OUTCOMES.index(verdict.outcome)
    return scope, verdict.scope_key, outcome, verdict.subject, verdict.detector


def _envelope(round_: Round) -> Iterator[tuple[str, str]]:
    """What the FL server said of the round as a whole, in words with units."""
    participation = round_.envelope.get("participation") or {}
    for name, label, unit in PARTICIPATION:
        if participation.get(name) is not None:
            yield label, f"{participation[name]:,} {unit}"
    for code, count in (participation.get("errors") or {}).items():
        yield f"Error {code}", f"{count:,} clients"
    strategy = round_.envelope.get("strategy") or {}
    if strategy.get("name"):
        yield "Strategy", strategy["name"]
    privacy = round_.envelope.get("privacy") or {}
    if privacy.get("mechanism"):
        budget = f", epsilon {privacy['epsilon']:g}" if privacy.get("epsilon") else ""
        yield "Privacy noise", f"{privacy['mechanism']}{budget}"
    if privacy.get("secure_aggregation"):
        yield "Secure aggregation", "yes"


def _score(
    session: Session, federation: Federation, round_: Round, verdicts: Sequence[Verdict]
) -> Figure | None:
    """The score's distribution in the reference and in the round, over all clients."""
    if not verdicts:
        return None
    reference = drift.reference_of(session, federation.id, verdicts[0].reference_id)
    frozen = drift.reference_rounds(session, reference)
    each = disclosure.clients_of_a_record(round_.envelope)
    least = disclosure.records_needed(federation.min_cohort_size, each)
    before = _pooled(drift.measure(session, federation, frozen, round_.version), least)
    after = _pooled(drift.measure(session, federation, [round_], round_.version), least)
    if before is None or after is None or not np.array_equal(before.edges, after.edges):
        return None
    return histograms(
        "Score: reference and this round",
        "probability",
        before.edges.tolist(),
        np.maximum(before.counts, 0).tolist(),
        np.maximum(after.counts, 0).tolist(),
    )


def _pooled(measures: Sequence[RoundMeasure], min_clients: int) -> Histogram | None:
    parts = [binned for one in measures if (binned := one.histograms.get(SCORE)) is not None]
    told = [one.clients[one.telling(SCORE)] for one in measures]
    clients = len(np.unique(np.concatenate(told))) if told else 0
    if clients < min_clients or not parts:
        return None
    pooled = merge(
        Histogram(part.edges, part.counts.sum(axis=0), noise_sd=_noise(part)) for part in parts
    )
    return replace(pooled, counts=disclosure.coarse_counts(pooled.counts, clients, min_clients))


def _noise(part: Binned) -> float:
    return float(part.noise_sd * np.sqrt(np.count_nonzero(part.told)))
