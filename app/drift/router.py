"""HTTP of references and verdicts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, status

from app.core.errors import NotFoundError
from app.core.http import ReadSession, WriteSession
from app.core.ids import Slug
from app.drift import service
from app.drift.schemas import (
    EvaluationOut,
    ExplanationOut,
    ReferenceIn,
    ReferenceOut,
    ScopeKind,
    VerdictOut,
)
from app.drift.tables import Reference
from app.federations.dependencies import Access, demand, in_federation
from app.federations.names import Naming
from app.federations.roles import Permission
from app.rounds import service as rounds

router = APIRouter(prefix="/v1/federations/{federation}", tags=["drift"])

Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
Freezer = Annotated[Access, Depends(in_federation(Permission.FREEZE_REFERENCES))]
SubjectName = Annotated[str, Query(pattern=r"^[\w:. -]{1,120}$", examples=["log_loss"])]


@router.get("/rounds/{round_id}/verdicts")
def list_verdicts(round_id: UUID, access: Reader, session: ReadSession) -> list[VerdictOut]:
    """The verdicts on a round; a client's own only for those who may read clients."""
    federation = access.federation(session)
    rounds.get(session, federation.id, round_id)
    sees_clients = access.principal.may(Permission.READ_CLIENTS)
    naming = Naming.for_reader(federation, access.principal)
    shared = (one for one in service.verdicts_of(session, round_id) if one.scope != "client")
    of_clients = service.client_verdicts(session, round_id) if sees_clients else ()
    return [VerdictOut.before(naming, verdict) for verdict in (*shared, *of_clients)]


@router.get("/rounds/{round_id}/explanation")
def list_explanations(round_id: UUID, access: Reader, session: ReadSession) -> list[ExplanationOut]:
    """Why subjects drift in a round, one entry a cause; clients for those who may read them."""
    federation = access.federation(session)
    rounds.get(session, federation.id, round_id)
    sees_clients = access.principal.may(Permission.READ_CLIENTS)
    naming = Naming.for_reader(federation, access.principal)
    return [
        ExplanationOut.before(naming, one, sees_clients=sees_clients)
        for one in service.explanations_of(session, round_id)
        if sees_clients or one.scope != "client"
    ]


@router.get("/rounds/{round_id}/evaluation")
def read_evaluation(round_id: UUID, access: Reader, session: ReadSession) -> EvaluationOut:
    """How a round is judged at present, and how far that has come."""
    federation = access.federation(session)
    rounds.get(session, federation.id, round_id)
    evaluation = service.evaluation_of(session, round_id)
    if evaluation is None:
        raise NotFoundError("evaluation of round", round_id)
    done, errors = service.progress(session, evaluation)
    out = EvaluationOut.model_validate(evaluation)
    return out.model_copy(update={"shards_done": done, "errors": errors})


@router.get("/verdicts")
def read_series(
    access: Reader,
    session: ReadSession,
    model: Annotated[Slug, Query()],
    subject: SubjectName,
    scope: Annotated[ScopeKind, Query()] = "federation",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[VerdictOut]:
    """One subject's newest verdicts over rounds, oldest first."""
    if scope == "client":
        demand(access.principal, Permission.READ_CLIENTS)
    federation = access.federation(session)
    naming = Naming.for_reader(federation, access.principal)
    found = service.series(session, federation.id, model, subject, scope, limit)
    return [VerdictOut.before(naming, verdict) for verdict in found]


@router.post("/references", status_code=status.HTTP_201_CREATED, response_model=ReferenceOut)
def freeze_reference(body: ReferenceIn, access: Freezer, session: WriteSession) -> Reference:
    """Freeze a reference from named rounds; the one in force retires."""
    federation = access.federation(session)
    return service.freeze_named(
        session, federation, body.model, body.version, body.rounds, access.actor
    )


@router.get("/references", response_model=list[ReferenceOut])
def list_references(
    access: Reader, session: ReadSession, model: Annotated[Slug, Query()]
) -> list[Reference]:
    """A model's references, newest first."""
    return service.references_of(session, access.federation(session).id, model)
