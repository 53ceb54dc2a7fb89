"""The console's pages and forms."""

import re
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from app.console import session as sessions
from app.console.access import Visitor, form_of, reader
from app.console.pages.federation import federation_page
from app.console.pages.incident import incident_page
from app.console.pages.overview import overview
from app.console.pages.promotion import promotion_page
from app.console.pages.proposals import proposals_page
from app.console.pages.round import round_page
from app.console.rendering import STATIC, page, static_file
from app.console.routes import SEE_OTHER, ConsoleRoute
from app.console.throttle import Throttle
from app.core import clock
from app.core.errors import NotFoundError
from app.core.http import DatabaseDep, ReadSession, SettingsDep, WriteSession
from app.core.ids import Slug
from app.drift import report_router
from app.federations import service as federations
from app.federations.errors import UnauthenticatedError
from app.federations.roles import Permission
from app.incidents import accepting, proposals, silences
from app.incidents import service as incidents
from app.incidents.schemas import AcceptIn, ByHand, SilenceIn
from app.registry import service as registry
from app.retraining import service as retraining
from app.rounds import service as rounds

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)
throttle = Throttle()

Reader = Annotated[Visitor, Depends(reader)]
SignedInForm = Annotated[Visitor, Depends(form_of())]
Handler = Annotated[Visitor, Depends(form_of(Permission.HANDLE_INCIDENTS))]
Freezer = Annotated[Visitor, Depends(form_of(Permission.FREEZE_REFERENCES))]
Setter = Annotated[Visitor, Depends(form_of(Permission.SET_POLICY))]
Requester = Annotated[Visitor, Depends(form_of(Permission.REQUEST_RETRAINING))]
Decider = Annotated[Visitor, Depends(form_of(Permission.DECIDE_PROMOTIONS))]
Reason = Annotated[str, Form(min_length=1, max_length=1000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
LOCAL = r"^/[A-Za-z0-9._/-]*$"
Local = Annotated[str, Form(pattern=LOCAL, max_length=300)]

FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@router.get("/static/{digest}/{name}")
def static(digest: str, name: str) -> Response:
    """A static file; its address changes with its content."""
    if name not in STATIC or static_file(name)[1] != digest:
        raise NotFoundError("file", name)
    return Response(static_file(name)[0], media_type=STATIC[name], headers=FOREVER)


@router.get("/login")
def login_form(after: str = "/") -> Response:
    """The sign-in page; an address that is none of ours leads to the overview."""
    known = after if re.fullmatch(LOCAL, after) else "/"
    return page("login.html", after=known, wrong=False, visitor=None)


@router.post("/login")
def login(
    request: Request,
    key: Annotated[str, Form(max_length=200)],
    after: Local,
    database: DatabaseDep,
    settings: SettingsDep,
) -> Response:
    """Sign in with an API key."""
    address = request.client.host if request.client else "unknown"
    throttle.check(address)
    try:
        with database.read_scope() as session:
            principal = federations.authenticate(session, key.strip(), settings.secret_key)
    except UnauthenticatedError:
        throttle.failed(address)
        return page("login.html", 401, after=after, wrong=True, visitor=None)
    cookie = sessions.issue(principal.key_id, settings.secret_key, clock.now())
    # Two slashes would name another host.
    answer = RedirectResponse("/" + after.lstrip("/"), SEE_OTHER)
    answer.set_cookie(
        sessions.COOKIE,
        cookie,
        max_age=int(sessions.LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=settings.cookies_are_secure,
    )
    return answer


@router.post("/logout")
def logout(visitor: SignedInForm) -> Response:  # noqa: ARG001 - the form's token is checked
    """Sign out."""
    answer = RedirectResponse("/login", SEE_OTHER)
    answer.delete_cookie(sessions.COOKIE)
    return answer


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


@router.get("/f/{federation}/rounds/{round_id}/report")
def show_report(
    federation: Slug,
    round_id: UUID,
    visitor: Reader,
    session: WriteSession,
    settings: SettingsDep,
) -> Response:
    """The Evidently report of a round; the first look has it built."""
    row = visitor.federation(session, federation)
    built = report_router.built(session, row, round_id, visitor.name, settings.reports_dir)
    if built is None:
        return page("building.html", 202, visitor=visitor)
    return FileResponse(built, media_type="text/html", headers=report_router.PAGE_HEADERS)


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


@router.get("/f/{federation}/promotions/{promotion_id}")
def show_promotion(
    federation: Slug, promotion_id: UUID, visitor: Reader, session: ReadSession
) -> Response:
    """A promotion: the candidate beside the champion."""
    row = visitor.federation(session, federation)
    promotion = registry.get_promotion(session, row.id, promotion_id)
    it = promotion_page(session, visitor, row, promotion)
    return page("promotion.html", visitor=visitor, it=it)


@router.post("/f/{federation}/promotions/{promotion_id}/approve")
def approve(
    federation: Slug, promotion_id: UUID, reason: Reason, visitor: Decider, session: WriteSession
) -> Response:
    """Let the candidate become champion."""
    row = visitor.federation(session, federation)
    registry.approve(session, row, promotion_id, visitor.name, reason)
    return _to(f"/f/{federation}/promotions/{promotion_id}")


@router.post("/f/{federation}/promotions/{promotion_id}/reject")
def reject(
    federation: Slug, promotion_id: UUID, reason: Reason, visitor: Decider, session: WriteSession
) -> Response:
    """Keep the champion."""
    row = visitor.federation(session, federation)
    registry.reject(session, row, promotion_id, visitor.name, reason)
    return _to(f"/f/{federation}/promotions/{promotion_id}")


@router.get("/f/{path:path}")
def show_nothing(path: str, visitor: Reader) -> Response:  # noqa: ARG001 - nobody else is told
    """Any other address below a federation."""
    raise NotFoundError("page", f"/f/{path}")


def _to(path: str) -> Response:
    return RedirectResponse(path, SEE_OTHER)
