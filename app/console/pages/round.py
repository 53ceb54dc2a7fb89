"""A round's page: what came in, how it was judged, and the score's distribution then and now."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from sqlmodel import Session

from app.console.access import Visitor
from app.console.plots import histograms
from app.drift import service as drift
from app.drift.measurements import SCORE, RoundMeasure
from app.drift.tables import Verdict
from app.federations.roles import Permission
from app.federations.tables import Federation
from app.rounds import service as rounds
from app.rounds.tables import Refusal, Round
from detectors import Histogram, merge


@dataclass(frozen=True)
class RoundPage:
    """All that the page shows."""

    federation: Federation
    round: Round
    verdicts: Sequence[Verdict]
    clients: Sequence[Verdict]
    refusals: Sequence[Refusal]
    score: Markup
    participation: dict[str, object]


def round_page(
    session: Session, visitor: Visitor, federation: Federation, round_: Round
) -> RoundPage:
    """Gather the page."""
    verdicts = drift.verdicts_of(session, round_.id)
    of_clients = [v for v in verdicts if v.scope == "client"]
    return RoundPage(
        federation=federation,
        round=round_,
        verdicts=[v for v in verdicts if v.scope != "client"],
        clients=of_clients if visitor.principal.may(Permission.READ_CLIENTS) else [],
        refusals=rounds.refusals_of(session, round_.id),
        score=_score(session, federation, round_, verdicts),
        participation=dict(round_.envelope.get("participation") or {}),
    )


def _score(
    session: Session, federation: Federation, round_: Round, verdicts: Sequence[Verdict]
) -> Markup:
    """The score's distribution in the reference and in the round, over all clients."""
    if not verdicts:
        return Markup("")
    reference = drift.reference_of(session, federation.id, verdicts[0].reference_id)
    frozen = drift.reference_rounds(session, reference)
    before = _pooled(
        drift.measure(session, federation, frozen, round_.version), federation.min_cohort_size
    )
    after = _pooled(
        drift.measure(session, federation, [round_], round_.version), federation.min_cohort_size
    )
    if before is None or after is None or not np.array_equal(before.edges, after.edges):
        return Markup("")
    return histograms(
        "Score: reference and this round",
        "probability",
        before.edges.tolist(),
        np.maximum(before.counts, 0).tolist(),
        np.maximum(after.counts, 0).tolist(),
    )


def _pooled(measures: Sequence[RoundMeasure], min_clients: int) -> Histogram | None:
    parts = {
        (measure.round_id, name): client.histograms[SCORE]
        for measure in measures
        for name, client in measure.clients.items()
        if SCORE in client.histograms
    }
    if len({name for _, name in parts}) < min_clients:
        return None
    return merge(parts.values())
