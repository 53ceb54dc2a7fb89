"""The console's pages of models, and its form for reviews."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import RedirectResponse

from app.console.access import Visitor, form_of, reader
from app.console.forms import Reason
from app.console.pages.cohorts import cohorts_page
from app.console.pages.model import model_page
from app.console.rendering import page
from app.console.routes import SEE_OTHER, ConsoleRoute
from app.core.http import ReadSession, WriteSession
from app.core.ids import Slug
from app.federations.roles import Permission
from app.registry import service as registry
from app.registry.card_rendering import as_html
from app.registry.inventory_schemas import Outcome, ReviewIn

router = APIRouter(
    prefix="/f/{federation}/models/{model}", route_class=ConsoleRoute, include_in_schema=False
)

Reader = Annotated[Visitor, Depends(reader)]
Handler = Annotated[Visitor, Depends(form_of(Permission.HANDLE_INCIDENTS))]
Reviewer = Annotated[Visitor, Depends(form_of(Permission.DECIDE_PROMOTIONS))]

# A card is a page of its own, that goes into MLflow too, with its style within.
CARD_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@router.get("")
def show_model(federation: Slug, model: Slug, visitor: Reader, session: ReadSession) -> Response:
    """A model."""
    row = visitor.federation(session, federation)
    it = model_page(session, visitor, row, model)
    return page("model.html", visitor=visitor, it=it)


@router.get("/cohorts")
def show_cohorts(federation: Slug, model: Slug, visitor: Reader, session: ReadSession) -> Response:
    """Which cohorts have champions of their own, and which should."""
    row = visitor.federation(session, federation)
    return page("cohorts.html", visitor=visitor, it=cohorts_page(session, row, model))


@router.get("/versions/{version}/card")
def show_card(
    federation: Slug, model: Slug, version: Slug, visitor: Reader, session: ReadSession
) -> Response:
    """A version's model card."""
    row = visitor.federation(session, federation)
    card = registry.card_of(session, row, model, version)
    return Response(as_html(card), media_type="text/html; charset=utf-8", headers=CARD_HEADERS)


@router.post("/repair")
def repair(
    federation: Slug, model: Slug, reason: Reason, visitor: Handler, session: WriteSession
) -> Response:
    """Have what deviates in MLflow put right."""
    row = visitor.federation(session, federation)
    registry.repair(session, row, model, visitor.name, reason)
    return RedirectResponse(f"/f/{federation}/models/{model}", SEE_OTHER)


@router.post("/review")
def review(
    federation: Slug,
    model: Slug,
    outcome: Annotated[Outcome, Form()],
    note: Reason,
    visitor: Reviewer,
    session: WriteSession,
) -> Response:
    """Note what a validator found when looking at the model."""
    row = visitor.federation(session, federation)
    body = ReviewIn(outcome=outcome, note=note)
    registry.review(session, row, model, body, visitor.name)
    return RedirectResponse(f"/f/{federation}/models/{model}", SEE_OTHER)
