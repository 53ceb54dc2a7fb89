"""The console's forms about retraining: what the policy proposes, and what came of it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from app.console.access import Visitor, form_of
from app.console.forms import Reason
from app.console.routes import SEE_OTHER, ConsoleRoute
from app.core.http import WriteSession
from app.core.ids import Slug
from app.federations.roles import Permission
from app.retraining import service as retraining
from app.retraining.tables import RetrainRequest

router = APIRouter(
    prefix="/f/{federation}/retrain-requests/{request_id}",
    route_class=ConsoleRoute,
    include_in_schema=False,
)

Requester = Annotated[Visitor, Depends(form_of(Permission.REQUEST_RETRAINING))]
Submitter = Annotated[Visitor, Depends(form_of(Permission.SUBMIT_PROMOTIONS))]


@router.post("/approve")
def approve(
    federation: Slug, request_id: UUID, why: Reason, visitor: Requester, session: WriteSession
) -> Response:
    """Let a proposed retraining be claimed."""
    row = visitor.federation(session, federation)
    found = retraining.approve(session, row, request_id, visitor.name, why)
    return _back(federation, found)


@router.post("/cancel")
def cancel(
    federation: Slug, request_id: UUID, why: Reason, visitor: Requester, session: WriteSession
) -> Response:
    """Withdraw a request."""
    row = visitor.federation(session, federation)
    found = retraining.cancel(session, row, request_id, visitor.name, why)
    return _back(federation, found)


@router.post("/roll-back")
def roll_back(
    federation: Slug, request_id: UUID, why: Reason, visitor: Submitter, session: WriteSession
) -> Response:
    """Draft the rollback that a request proposes; another person decides on it."""
    row = visitor.federation(session, federation)
    draft = retraining.roll_back_instead(session, row, request_id, visitor.name, why)
    return RedirectResponse(f"/f/{federation}/promotions/{draft.id}", SEE_OTHER)


@router.post("/allow-again")
def allow_again(
    federation: Slug, request_id: UUID, why: Reason, visitor: Requester, session: WriteSession
) -> Response:
    """Let the policy ask by itself again."""
    row = visitor.federation(session, federation)
    retraining.allow_again(session, row, request_id, visitor.name, why)
    return _back(federation, retraining.get(session, row, request_id))


def _back(federation: str, request: RetrainRequest) -> Response:
    """To the page that the form was on."""
    page = f"/incidents/{request.incident_id}" if request.incident_id else ""
    return RedirectResponse(f"/f/{federation}{page}", SEE_OTHER)
