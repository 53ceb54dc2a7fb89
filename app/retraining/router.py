"""HTTP of retrain requests."""

import time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response, status
from fastapi.concurrency import run_in_threadpool

from app.core.database import Database
from app.core.http import DatabaseDep, ReadSession, WriteSession
from app.federations.dependencies import Access, in_federation
from app.federations.roles import Permission
from app.registry import service as registry
from app.registry.promotion_schemas import PromotionOut
from app.retraining import service
from app.retraining.schemas import (
    ApproveIn,
    CancelIn,
    ClaimedOut,
    ClaimIn,
    CompleteIn,
    DecisionOut,
    FailIn,
    OutcomeOut,
    ProgressIn,
    RetrainIn,
    RetrainRequestOut,
)
from app.retraining.tables import RetrainingDecision, RetrainRequest
from app.retraining.waiting import Waiters

router = APIRouter(prefix="/v1/federations/{federation}/retrain-requests", tags=["retraining"])

Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
Trainer = Annotated[Access, Depends(in_federation(Permission.CLAIM_RETRAINING))]
Submitter = Annotated[Access, Depends(in_federation(Permission.SUBMIT_PROMOTIONS))]
Requester = Annotated[Access, Depends(in_federation(Permission.REQUEST_RETRAINING))]


@router.post("", status_code=status.HTTP_201_CREATED, response_model=RetrainRequestOut)
def request_retraining(body: RetrainIn, access: Requester, session: WriteSession) -> RetrainRequest:
    """Ask for retraining of a model's champion; 409 while another request is open."""
    federation = access.federation(session)
    ask = service.by_hand(session, federation, body.model, body.reason)
    return service.request(session, federation, ask, access.actor)


@router.get("", response_model=list[RetrainRequestOut])
def list_requests(
    access: Reader, session: ReadSession, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> list[RetrainRequest]:
    """The newest requests, newest first."""
    return service.list_of(session, access.federation(session).id, limit)


@router.get("/decisions", response_model=list[DecisionOut])
def list_decisions(
    access: Reader,
    session: ReadSession,
    incident: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> list[RetrainingDecision]:
    """Whether retraining was asked for, and why or why not: newest first."""
    federation = access.federation(session)
    return service.decisions_of(session, federation.id, incident_id=incident, limit=limit)


@router.post(
    "/claim",
    response_model=ClaimedOut,
    responses={status.HTTP_204_NO_CONTENT: {"description": "No request is waiting."}},
)
async def claim_request(
    request: Request, body: ClaimIn, access: Trainer, database: DatabaseDep
) -> ClaimedOut | Response:
    """Claim the model's waiting request under a lease, which `progress` renews.

    The answer alone says who is in a cluster that is to train. With `wait` the answer that there is
    none comes only after so many seconds.
    """
    waiters: Waiters = request.app.state.waiters
    ends = time.monotonic() + body.wait
    while (claimed := await run_in_threadpool(_claim, database, access, body)) is None:
        left, key = ends - time.monotonic(), (access.as_called.id, body.model)
        woken = left > 0 and await waiters.wait(database, key, left)
        if not woken or await request.is_disconnected():
            return Response(status_code=status.HTTP_204_NO_CONTENT)
    return claimed


def _claim(database: Database, access: Access, body: ClaimIn) -> ClaimedOut | None:
    """One try, in a transaction of its own: none is open while somebody waits."""
    with database.session_scope() as session:
        federation = access.federation(session)
        found = service.claim(session, federation, body.model, body.claimer, body.lease_seconds)
        return None if found is None else ClaimedOut.model_validate(found)


@router.get("/{request_id}", response_model=RetrainRequestOut)
def read_request(request_id: UUID, access: Reader, session: ReadSession) -> RetrainRequest:
    """One request."""
    return service.get(session, access.federation(session), request_id)


@router.post("/{request_id}/progress", response_model=RetrainRequestOut)
def report_progress(
    request_id: UUID, body: ProgressIn, access: Trainer, session: WriteSession
) -> RetrainRequest:
    """Say how far the training is; 409 `lease_lost` means: stop."""
    return service.progress(session, access.federation(session), request_id, body)


@router.post("/{request_id}/complete", response_model=RetrainRequestOut)
def complete_request(
    request_id: UUID, body: CompleteIn, access: Trainer, session: WriteSession
) -> RetrainRequest:
    """Hand over the trained version; the answer's `result_version` is its name here."""
    federation, caller = access.federation(session), access.principal.actor
    return service.complete(session, federation, request_id, body, caller)


@router.post("/{request_id}/fail", response_model=RetrainRequestOut)
def fail_request(
    request_id: UUID, body: FailIn, access: Trainer, session: WriteSession
) -> RetrainRequest:
    """Say that the training failed, and why."""
    federation = access.federation(session)
    return service.fail(session, federation, request_id, body.claimer, body.reason)


@router.post("/{request_id}/cancel", response_model=RetrainRequestOut)
def cancel_request(
    request_id: UUID, body: CancelIn, access: Requester, session: WriteSession
) -> RetrainRequest:
    """Withdraw a request that has not ended."""
    federation = access.federation(session)
    return service.cancel(session, federation, request_id, access.actor, body.reason)


@router.post("/{request_id}/approve", response_model=RetrainRequestOut)
def approve_request(
    request_id: UUID, body: ApproveIn, access: Requester, session: WriteSession
) -> RetrainRequest:
    """Say yes to a request that the policy only proposes; then it can be claimed."""
    federation = access.federation(session)
    return service.approve(session, federation, request_id, access.actor, body.reason)


@router.post("/{request_id}/roll-back", response_model=PromotionOut)
def roll_back_instead(
    request_id: UUID, body: ApproveIn, access: Submitter, session: WriteSession
) -> PromotionOut:
    """Take the rollback that a request proposes: the promotion that is drafted instead."""
    federation = access.federation(session)
    draft = service.roll_back_instead(session, federation, request_id, access.actor, body.reason)
    return registry.shown(session, draft)


@router.get("/{request_id}/outcome")
def read_outcome(request_id: UUID, access: Reader, session: ReadSession) -> OutcomeOut:
    """Whether the retraining helped; 404 while the rounds do not say."""
    found = service.outcome_of(session, access.federation(session), request_id)
    return OutcomeOut.of(found, service.forgetting(session, found))


@router.post("/{request_id}/allow-again")
def allow_again(
    request_id: UUID, body: ApproveIn, access: Requester, session: WriteSession
) -> OutcomeOut:
    """Let the policy ask by itself again, after a retraining that did not help."""
    federation = access.federation(session)
    found = service.allow_again(session, federation, request_id, access.actor, body.reason)
    return OutcomeOut.of(found, service.forgetting(session, found))
