"""The console's forms about promotions: from the draft to the decision and after."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import RedirectResponse

from app.console.access import Visitor, form_of, reader
from app.console.forms import Reason
from app.console.pages.promotion import promotion_page
from app.console.rendering import page
from app.console.routes import SEE_OTHER, ConsoleRoute
from app.core.http import ReadSession, WriteSession
from app.core.ids import Slug
from app.federations.roles import Permission
from app.registry import service as registry
from app.registry.promotion_schemas import Cohort
from app.rounds.schemas import Sha256

router = APIRouter(
    prefix="/f/{federation}/promotions", route_class=ConsoleRoute, include_in_schema=False
)

Reader = Annotated[Visitor, Depends(reader)]
Submitter = Annotated[Visitor, Depends(form_of(Permission.SUBMIT_PROMOTIONS))]
Decider = Annotated[Visitor, Depends(form_of(Permission.DECIDE_PROMOTIONS))]
Commenter = Annotated[Visitor, Depends(form_of(Permission.COMMENT_PROMOTIONS))]


@router.get("/{promotion_id}")
def show_promotion(
    federation: Slug, promotion_id: UUID, visitor: Reader, session: ReadSession
) -> Response:
    """A promotion: the candidate beside the champion."""
    row = visitor.federation(session, federation)
    promotion = registry.get_promotion(session, row.id, promotion_id)
    it = promotion_page(session, visitor, row, promotion)
    return page("promotion.html", visitor=visitor, it=it)


@router.post("")
def draft(
    federation: Slug,
    model: Annotated[Slug, Form()],
    candidate: Annotated[Slug, Form()],
    reason: Reason,
    visitor: Submitter,
    session: WriteSession,
    cohort: Annotated[Cohort | None, Form()] = None,
) -> Response:
    """Draft a promotion; its evidence goes on growing until it is submitted."""
    row = visitor.federation(session, federation)
    made = registry.draft_promotion(
        session, row, model, candidate, visitor.name, reason, cohort or ""
    )
    return _to(federation, made.id)


@router.post("/{promotion_id}/submit")
def submit(
    federation: Slug, promotion_id: UUID, visitor: Submitter, session: WriteSession
) -> Response:
    """Freeze the evidence and ask for a decision."""
    row = visitor.federation(session, federation)
    registry.submit(session, row, promotion_id, visitor.name)
    return _to(federation, promotion_id)


@router.post("/{promotion_id}/approve")
def approve(
    federation: Slug,
    promotion_id: UUID,
    reason: Reason,
    evidence_sha256: Annotated[Sha256, Form()],
    visitor: Decider,
    session: WriteSession,
) -> Response:
    """Let the candidate become champion, by the evidence that the visitor saw."""
    row = visitor.federation(session, federation)
    registry.approve(
        session,
        row,
        promotion_id,
        visitor.name,
        reason,
        role=visitor.principal.role,
        evidence_sha256=evidence_sha256,
    )
    return _to(federation, promotion_id)


@router.post("/{promotion_id}/reject")
def reject(
    federation: Slug, promotion_id: UUID, reason: Reason, visitor: Decider, session: WriteSession
) -> Response:
    """Keep the champion."""
    row = visitor.federation(session, federation)
    registry.reject(session, row, promotion_id, visitor.name, reason)
    return _to(federation, promotion_id)


@router.post("/{promotion_id}/roll-back")
def roll_back(
    federation: Slug, promotion_id: UUID, reason: Reason, visitor: Decider, session: WriteSession
) -> Response:
    """Make the version before champion again, at once."""
    row = visitor.federation(session, federation)
    registry.roll_back(session, row, promotion_id, visitor.name, reason)
    return _to(federation, promotion_id)


@router.post("/{promotion_id}/comments")
def comment(
    federation: Slug, promotion_id: UUID, text: Reason, visitor: Commenter, session: WriteSession
) -> Response:
    """Say something of a promotion."""
    row = visitor.federation(session, federation)
    registry.comment(session, row, promotion_id, visitor.name, text)
    return _to(federation, promotion_id)


def _to(federation: str, promotion_id: UUID) -> Response:
    return RedirectResponse(f"/f/{federation}/promotions/{promotion_id}", SEE_OTHER)
