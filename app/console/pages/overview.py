"""The first page: every federation that the visitor sees, and what in it needs somebody."""

from dataclasses import dataclass

from sqlmodel import Session

from app.console.access import Visitor
from app.federations import service as federations
from app.federations.roles import Permission
from app.federations.tables import Federation
from app.incidents import service as incidents
from app.registry import service as registry
from app.retraining import service as retraining
from app.rounds import service as rounds
from app.rounds.tables import Round

OPEN_REQUESTS = frozenset({"requested", "claimed", "running"})


@dataclass(frozen=True)
class Card:
    """A federation at a glance."""

    federation: Federation
    open_incidents: int
    critical: int
    awaiting_review: int
    retraining: int
    last_round: Round | None


def overview(session: Session, visitor: Visitor) -> list[Card]:
    """A card for each federation, those that need somebody first."""
    cards = [
        _card(session, visitor, row) for row in federations.seen_by(session, visitor.principal)
    ]
    return sorted(
        cards, key=lambda c: (-c.critical, -c.open_incidents - c.awaiting_review, c.federation.name)
    )


def _card(session: Session, visitor: Visitor, federation: Federation) -> Card:
    sees_clients = visitor.principal.may(Permission.READ_CLIENTS)
    unresolved = [
        incident
        for incident in incidents.list_of(session, federation.id, limit=200)
        if incident.state != "resolved" and (sees_clients or incident.scope != "client")
    ]
    promotions = registry.promotions_of(session, federation.id)
    requests = retraining.list_of(session, federation.id)
    newest = rounds.recent(session, federation.id, limit=1)
    return Card(
        federation=federation,
        open_incidents=len(unresolved),
        critical=sum(incident.severity == "critical" for incident in unresolved),
        awaiting_review=sum(promotion.state == "awaiting_review" for promotion in promotions),
        retraining=sum(request.state in OPEN_REQUESTS for request in requests),
        last_round=newest[0] if newest else None,
    )
