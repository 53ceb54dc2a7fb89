"""The console's pages and forms."""

from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import RedirectResponse

from app.console import governing, members, models, promotions, reports
from app.console import retraining as retraining_forms
from app.console.access import Visitor, form_of, reader
from app.console.account import router as account
from app.console.cookies import from_our_pages
from app.console.forms import Reason
from app.console.pages.federation import federation_page
from app.console.pages.incident import incident_page
from app.console.pages.overview import overview
from app.console.pages.proposals import proposals_page
from app.console.pages.round import round_page
from app.console.rendering import STATIC, page, static_file
from app.console.routes import SEE_OTHER, ConsoleRoute
from app.console.sign_in import router as sign_in
from app.core import clock
from app.core.errors import NotFoundError
from app.core.http import ReadSession, WriteSession
from app.core.ids import Slug
from app.federations.roles import Permission
from app.incidents import accepting, proposals, silences
from app.incidents import service as incidents
from app.incidents.schemas import AcceptIn, ByHand, SilenceIn
from app.retraining import service as retraining
from app.rounds import service as rounds

router = APIRouter(
    route_class=ConsoleRoute, include_in_schema=False, dependencies=[Depends(from_our_pages)]
)
router.include_router(sign_in)
router.include_router(account)

Reader = Annotated[Visitor, Depends(reader)]
Handler = Annotated[Visitor, Depends(form_of(Permission.HANDLE_INCIDENTS))]
Freezer = Annotated[Visitor, Depends(form_of(Permission.FREEZE_REFERENCES))]
Setter = Annotated[Visitor, Depends(form_of(Permission.SET_POLICY))]
Requester = Annotated[Visitor, Depends(form_of(Permission.REQUEST_RETRAINING))]

FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@router.get("/static/{digest}/{name}")
def static(digest: str, name: str) -> Response:
    """A static file; its address changes with its content."""
    if name not in STATIC or static_file(name)[1] != digest:
        raise NotFoundError("file", name)
    return Response(static_file(name)[0], media_type=STATIC[name], headers=FOREVER)


@router.get("/")
def show_overview(visitor: Reader, session: ReadSession) -> Response:
    """Every federation, those that need somebody first."""
    return page("overview.html", visitor=visitor, cards=overview(session, visitor))


@router.get("/f/{federation}")
def show_federation(federation: Slug, visitor: Reader, session: ReadSession) -> Response:
    """A federation."""
    row = visitor.federation(session, federation)
    return page("federation.html", visitor=visitor, it=federation_page(session, visitor, row))


@router.get("/f/{federation}/rounds/{round_id}")
def show_round(federation: Slug, round_id: UUID, visitor: Reader, session: ReadSession) -> Response:
    """A round."""
    row = visitor.federation(session, federation)
    round_ = rounds.get(session, row.id, round_id)
    return page("round.html", visitor=visitor, it=round_page(session, visitor, row, round_))


@router.get("/f/{federation}/incidents/{incident_id}")
def show_incident(
    federation: Slug, incident_id: UUID, visitor: Reader, session: ReadSession
) -> Response:
    """An incident."""
    row = visitor.federation(session, federation)
    incident = incidents.get(session, row.id, incident_id)
    if incident.scope == "client" and not visitor.may(Permission.READ_CLIENTS):
        raise NotFoundError("incident", incident_id)
    return page("incident.html", visitor=visitor, it=incident_page(session, visitor, row, incident))


@router.post("/f/{federation}/incidents/{incident_id}/acknowledge")
def acknowledge(
    federation: Slug, incident_id: UUID, visitor: Handler, session: WriteSession
) -> Response:
    """Take an incident on."""
    row = visitor.federation(session, federation)
    incidents.acknowledge(session, row, incident_id, visitor.name)
    return _to(f"/f/{federation}/incidents/{incident_id}")


@router.post("/f/{federation}/incidents/{incident_id}/resolve")
def resolve(
    federation: Slug,
    incident_id: UUID,
    resolution: Annotated[ByHand, Form()],
    why: Reason,
    visitor: Handler,
    session: WriteSession,
) -> Response:
    """Close an incident."""
    row = visitor.federation(session, federation)
    incidents.resolve(session, row, incident_id, visitor.name, resolution, why)
    return _to(f"/f/{federation}/incidents/{incident_id}")


@router.post("/f/{federation}/incidents/{incident_id}/accept")
def accept(
    federation: Slug,
    incident_id: UUID,
    why: Reason,
    visitor: Freezer,
    session: WriteSession,
    also: Annotated[list[UUID] | None, Form(max_length=1000)] = None,
) -> Response:
    """Take what an incident is about for the new normal."""
    row = visitor.federation(session, federation)
    accepting.accept(session, row, incident_id, AcceptIn(why=why, also=also or []), visitor.name)
    return _to(f"/f/{federation}/incidents/{incident_id}")


@router.post("/f/{federation}/incidents/{incident_id}/silence")
def silence(
    federation: Slug,
    incident_id: UUID,
    hours: Annotated[int, Form(ge=1, le=24 * 90)],
    why: Reason,
    visitor: Handler,
    session: WriteSession,
) -> Response:
    """Send no notices about incidents of this kind for some hours."""
    row = visitor.federation(session, federation)
    incident = incidents.get(session, row.id, incident_id)
    body = SilenceIn(
        matchers={
            "model": incident.model,
            "family": incident.family,
            "scope": incident.scope,
            "scope_key": incident.scope_key,
        },
        ends_at=(clock.now() + timedelta(hours=hours)).isoformat(),
        comment=why,
    )
    silences.silence(session, row, body, visitor.name)
    return _to(f"/f/{federation}/incidents/{incident_id}")


@router.get("/f/{federation}/proposals")
def show_proposals(federation: Slug, visitor: Reader, session: ReadSession) -> Response:
    """What false alarms speak for."""
    row = visitor.federation(session, federation)
    return page("proposals.html", visitor=visitor, it=proposals_page(session, row))


@router.post("/f/{federation}/proposals/{proposal_id}")
def decide_on_proposal(
    federation: Slug,
    proposal_id: UUID,
    verdict: Annotated[Literal["accept", "dismiss"], Form()],
    why: Reason,
    visitor: Setter,
    session: WriteSession,
) -> Response:
    """Put a proposed change of policy in force, or let it be."""
    row = visitor.federation(session, federation)
    decide = proposals.accept if verdict == "accept" else proposals.dismiss
    decide(session, row, proposal_id, why, visitor.name)
    return _to(f"/f/{federation}/proposals")


@router.post("/f/{federation}/retrain")
def retrain(
    federation: Slug,
    model: Annotated[Slug, Form()],
    why: Reason,
    visitor: Requester,
    session: WriteSession,
) -> Response:
    """Ask for retraining of a model's champion."""
    row = visitor.federation(session, federation)
    ask = retraining.by_hand(session, row, model, why)
    retraining.request(session, row, ask, visitor.name)
    return _to(f"/f/{federation}")


router.include_router(governing.router)
router.include_router(members.router)
router.include_router(models.router)
router.include_router(promotions.router)
router.include_router(reports.router)
router.include_router(retraining_forms.router)


@router.get("/f/{path:path}")
def show_nothing(path: str, visitor: Reader) -> Response:  # noqa: ARG001 - nobody else is told
    """Any other address below a federation."""
    raise NotFoundError("page", f"/f/{path}")


def _to(path: str) -> Response:
    return RedirectResponse(path, SEE_OTHER)
