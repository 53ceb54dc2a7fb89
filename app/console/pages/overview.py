"""The first page: every federation that the visitor sees, and what in it needs somebody."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.console.access import Visitor
from app.console.rendering import words
from app.federations.roles import Permission
from app.federations.tables import Federation
from app.incidents import service as incidents
from app.incidents.tables import Incident
from app.registry import service as registry
from app.registry.tables import Promotion
from app.retraining import service as retraining
from app.retraining.tables import RetrainRequest
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
    permission: Permission  # what it takes to see to it


@dataclass(frozen=True)
class Card:
    """A federation at a glance."""

    federation: Federation
    open_incidents: int
    critical: int
    awaiting_review: int
    retraining: int
    last_round: Round | None
    mine: Sequence[Need]  # what the visitor's role can see to
    others: Sequence[Need]


def overview(session: Session, visitor: Visitor) -> list[Card]:
    """A card for each federation, those that need somebody first."""
    cards = [_card(session, visitor, row) for row in visitor.federations(session)]
    return sorted(
        cards, key=lambda c: (not c.mine, -c.critical, -c.open_incidents, c.federation.name)
    )


def _card(session: Session, visitor: Visitor, federation: Federation) -> Card:
    me = visitor.inside(federation)
    sees_clients = me.may(Permission.READ_CLIENTS)
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
    needs = [
        *_promotions(session, federation, awaiting),
        *_incidents(federation, unresolved),
        *_retrainings(federation, requests),
        *_reviews(session, federation),
        *_deviations(session, federation),
    ]
    return Card(
        federation=federation,
        open_incidents=len(unresolved),
        critical=sum(incident.severity == "critical" for incident in unresolved),
        awaiting_review=len(awaiting),
        retraining=sum(request.state in OPEN_REQUESTS for request in requests),
        last_round=newest[0] if newest else None,
        mine=[need for need in needs if me.may(need.permission)][:NEEDS_SHOWN],
        others=[need for need in needs if not me.may(need.permission)][:NEEDS_SHOWN],
    )


def _promotions(
    session: Session, federation: Federation, awaiting: Sequence[Promotion]
) -> Iterator[Need]:
    for one in awaiting:
        model = registry.model_of(session, one).name
        title = f"{model}: may version {one.candidate} replace {one.champion}?"
        path = f"/f/{federation.name}/promotions/{one.id}"
        yield Need(one.state, path, title, Permission.DECIDE_PROMOTIONS)


def _incidents(federation: Federation, unresolved: Sequence[Incident]) -> Iterator[Need]:
    """The incidents that nobody has taken on."""
    for one in unresolved:
        if one.state == "open":
            path = f"/f/{federation.name}/incidents/{one.id}"
            yield Need(one.severity, path, one.title, Permission.HANDLE_INCIDENTS)


def _retrainings(federation: Federation, requests: Sequence[RetrainRequest]) -> Iterator[Need]:
    for one in requests:
        if one.state == "proposed":
            path = f"/f/{federation.name}/models/{one.model}"
            title = f"{one.model}: retrain version {one.base_version}?"
            yield Need(one.state, path, title, Permission.REQUEST_RETRAINING)


def _reviews(session: Session, federation: Federation) -> Iterator[Need]:
    for one in registry.inventory_of(session, federation.id):
        if one.overdue:
            path = f"/f/{federation.name}/models/{one.model}"
            title = f"{one.model}: its review is overdue"
            yield Need("overdue", path, title, Permission.DECIDE_PROMOTIONS)


def _deviations(session: Session, federation: Federation) -> Iterator[Need]:
    for one, model in registry.deviations_of(session, federation.id):
        if one.resolved_at is None:
            title = f"{model}: MLflow's registry differs ({words(one.kind)})"
            path = f"/f/{federation.name}/inventory"
            yield Need(one.severity, path, title, Permission.HANDLE_INCIDENTS)
