"""The first page: every federation that the visitor sees, and what in it needs somebody."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.console.access import Visitor
from app.federations.roles import Permission
from app.federations.tables import Federation
from app.incidents import service as incidents
from app.incidents.tables import Incident
from app.registry import service as registry
from app.registry.tables import Promotion
from app.retraining import service as retraining
from app.rounds import service as rounds
from app.rounds.tables import Round

OPEN_REQUESTS = frozenset({"proposed", "requested", "claimed", "running"})
NEEDS_SHOWN = 6


@dataclass(frozen=True)
class Need:
    """One thing that needs somebody, and where to see to it."""

    kind: str  # the badge: a severity, or the state of a promotion
    path: str
    title: str


@dataclass(frozen=True)
class Card:
    """A federation at a glance."""

    federation: Federation
    open_incidents: int
    critical: int
    awaiting_review: int
    retraining: int
    last_round: Round | None
    needs: Sequence[Need]


def overview(session: Session, visitor: Visitor) -> list[Card]:
    """A card for each federation, those that need somebody first."""
    cards = [_card(session, visitor, row) for row in visitor.federations(session)]
    return sorted(
        cards, key=lambda c: (-c.critical, -c.open_incidents - c.awaiting_review, c.federation.name)
    )


def _card(session: Session, visitor: Visitor, federation: Federation) -> Card:
    sees_clients = visitor.inside(federation).may(Permission.READ_CLIENTS)
    unresolved = [
        incident
        for incident in incidents.list_of(session, federation.id, limit=200)
        if incident.state != "resolved" and (sees_clients or incident.scope != "client")
    ]
    awaiting = [
        promotion
        for promotion in registry.promotions_of(session, federation.id)
        if promotion.state == "awaiting_review"
    ]
    requests = retraining.list_of(session, federation.id)
    newest = rounds.recent(session, federation.id, limit=1)
    return Card(
        federation=federation,
        open_incidents=len(unresolved),
        critical=sum(incident.severity == "critical" for incident in unresolved),
        awaiting_review=len(awaiting),
        retraining=sum(request.state in OPEN_REQUESTS for request in requests),
        last_round=newest[0] if newest else None,
        needs=list(_needs(session, federation, unresolved, awaiting))[:NEEDS_SHOWN],
    )


def _needs(
    session: Session,
    federation: Federation,
    unresolved: Sequence[Incident],
    awaiting: Sequence[Promotion],
) -> Iterator[Need]:
    """The promotions that wait for a decision, then the incidents that nobody has taken on."""
    home = f"/f/{federation.name}"
    for promotion in awaiting:
        model = registry.model_of(session, promotion).name
        title = f"{model}: may version {promotion.candidate} replace {promotion.champion}?"
        yield Need(promotion.state, f"{home}/promotions/{promotion.id}", title)
    for incident in unresolved:
        if incident.state == "open":
            yield Need(incident.severity, f"{home}/incidents/{incident.id}", incident.title)
