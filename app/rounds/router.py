"""HTTP of rounds and bin specs."""

import hashlib
from collections.abc import AsyncIterator
from math import isfinite
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, status
from fastapi.responses import Response

from app.core import context
from app.core.errors import DomainError
from app.core.http import DatabaseDep, ReadSession, WriteSession, database_of, pressure_of
from app.core.ids import Slug
from app.core.problems import problem
from app.federations import service as federations
from app.federations.dependencies import Access, in_federation
from app.federations.names import Naming
from app.federations.roles import Permission
from app.rounds import admission, arrow_stream, bin_specs, service
from app.rounds.errors import MalformedBodyError
from app.rounds.privacy_schemas import ClientSpentOut, PrivacyOut
from app.rounds.schemas import (
    MAX_CHUNKS,
    MAX_INT,
    BinSpecIn,
    BinSpecOut,
    CloseIn,
    CloseOut,
    Phase,
    Receipt,
    RefusalCounts,
    RoundBody,
    RoundOut,
)
from app.rounds.tables import Round

router = APIRouter(prefix="/v1/federations/{federation}", tags=["rounds"])

Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
ClientReader = Annotated[Access, Depends(in_federation(Permission.READ_CLIENTS))]
Pusher = Annotated[Access, Depends(in_federation(Permission.PUSH_ROUNDS))]


async def _one_of_few(request: Request) -> AsyncIterator[None]:
    async with pressure_of(request).pushing:
        yield


def _with_room(request: Request, access: Access) -> None:
    pressure_of(request).admit(database_of(request), access.principal.id)


Admitted = Annotated[Access, Depends(in_federation(Permission.PUSH_ROUNDS, also=_with_room))]
SpecId = Annotated[str, Path(pattern=r"^bs_[0-9a-f]{16}$", description="Id of a bin spec.")]


async def _raw(request: Request) -> bytes:
    return await request.body()


_PUSH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/RoundBody"}},
            arrow_stream.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
# The route reads its body raw, so the schema has to be handed to OpenAPI by name.
PUSHED_SCHEMAS = (RoundBody,)


RoundNumber = Annotated[int, Path(ge=0, le=MAX_INT, description="The run's round.")]
Chunk = Annotated[
    int | None,
    Query(
        ge=0,
        lt=MAX_CHUNKS,
        description="Which chunk of the round this is, from 0. Without it the push is the whole.",
    ),
]


MediaType = Annotated[str, Header(alias="content-type", include_in_schema=False)]


@router.post(
    "/runs/{run}/rounds/{number}/{phase}",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=Receipt,
    openapi_extra=_PUSH_BODY,
    responses={
        status.HTTP_429_TOO_MANY_REQUESTS: {
            "description": "The key pushes too often, or too much work waits: see `Retry-After`."
        }
    },
    dependencies=[Depends(_one_of_few, scope="function")],
)
def push_round(
    run: Slug,
    number: RoundNumber,
    phase: Phase,
    access: Admitted,  # before the body, which is read for nobody who may not send it
    body: Annotated[bytes, Depends(_raw)],
    database: DatabaseDep,
    chunk: Chunk = None,
    media_type: MediaType = "",
) -> Response:
    """Push one round of one phase, whole or a chunk of it.

    Answers 202 once it is stored; the same body again gets the same receipt, another body 409.
    Records that cannot be used are refused one by one and named in the receipt; if none can be
    used, the answer is 422. To correct a round, push it whole with a higher `attempt`.

    The body is JSON, or an Arrow IPC stream of columns (see the reference of the wire format).
    A round in chunks is judged once it was closed with their number and they are all here, or at
    its deadline; a chunk that comes later, such as labels, has it judged again.
    """
    # Reading, checking and writing in one go: every dependency that waits is a change of threads.
    address, federation = service.Address(run, number, phase), access.as_called
    try:
        read = admission.read(body, media_type.partition(";")[0].strip().lower())
    except MalformedBodyError as error:
        with database.session_scope() as session:
            service.refuse_malformed(session, federation, address, body, error)
        return _answered(error)
    push = service.Push(run, number, phase, read, hashlib.sha256(body).hexdigest(), chunk)
    with database.read_scope() as session:  # over before the other: who waits holds no connection
        checked = service.check(session, federation, push)
    with database.session_scope() as session:
        taken = service.ingest(session, federation, push, checked, access.actor)
    return _receipt(taken) if isinstance(taken, Receipt) else _answered(taken)


@router.post("/runs/{run}/rounds/{number}/{phase}/close", status_code=status.HTTP_202_ACCEPTED)
def close_round(
    run: Slug,
    number: RoundNumber,
    phase: Phase,
    body: CloseIn,
    access: Pusher,
    session: WriteSession,
) -> CloseOut:
    """Say how many chunks a round has; it may come before any of them."""
    federation = access.federation(session)
    address = service.Address(run, number, phase)
    return service.close(session, federation, address, body, access.actor)


def _receipt(receipt: Receipt) -> Response:
    context.note("round_id", receipt.round_id)
    text = receipt.model_dump_json()
    return Response(text, status.HTTP_202_ACCEPTED, media_type="application/json")


def _answered(error: DomainError) -> Response:
    """Answered, not raised: raising would roll back the refusals that are to be counted."""
    return problem(error.kind.value, error.code, error.title, error.message, error.errors)


@router.get("/rounds", response_model=list[RoundOut])
def list_rounds(
    access: Reader,
    session: ReadSession,
    model: Annotated[Slug | None, Query(description="Only this model's rounds.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> list[Round]:
    """The newest rounds, newest first."""
    return service.recent(session, access.federation(session).id, model=model, limit=limit)


@router.get("/rounds/{round_id}", response_model=RoundOut)
def read_round(round_id: UUID, access: Reader, session: ReadSession) -> Round:
    """One round: what came in, and whether it was judged."""
    return service.get(session, access.federation(session).id, round_id)


_TABLE: dict[int | str, dict[str, Any]] = {
    status.HTTP_200_OK: {
        "description": "One row a client, in the wire format's columns.",
        "content": {
            media: {"schema": {"type": "string", "format": "binary"}}
            for media in service.MEDIA_TYPES.values()
        },
    }
}


@router.get("/rounds/{round_id}/records", response_class=Response, responses=_TABLE)
def export_records(
    round_id: UUID,
    access: ClientReader,
    session: ReadSession,
    form: Annotated[
        service.TableFormat, Query(alias="format", description="How the table is written.")
    ] = service.TableFormat.PARQUET,
) -> Response:
    """The client records of a round as a table, for notebooks.

    Clients have display names, unless the key may read pseudonyms. The table is empty once the
    records' time is over (the policy's `ingest.retention_days`).
    """
    federation = access.federation(session)
    round_ = service.get(session, federation.id, round_id)
    naming = Naming.for_reader(federation, access.principal)
    table = service.records_of(session, federation, round_, naming.of)
    name = f"round-{round_.number}-{round_.phase}.{form}"
    return Response(
        service.written(table, form),
        media_type=service.MEDIA_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.get("/refusals")
def count_refusals(access: Reader, session: ReadSession) -> RefusalCounts:
    """How many records were refused, by reason."""
    by_code = service.refusal_counts(session, access.federation(session).id)
    return RefusalCounts(total=sum(by_code.values()), by_code=by_code)


@router.get("/privacy")
def read_privacy(access: Reader, session: ReadSession) -> PrivacyOut:
    """What clients have spent of their privacy; which of them, for those who may read clients."""
    federation = access.federation(session)
    policy = federations.policy_of(federation).privacy
    spent = service.spent_in(session, federation)
    naming = Naming.for_reader(federation, access.principal)
    most = [
        ClientSpentOut(client=naming.of(client), epsilon=_bounded(epsilon))
        for client, epsilon in spent.most
    ]
    return PrivacyOut(
        delta=policy.delta,
        epsilon_budget=policy.epsilon_budget,
        clients=spent.clients,
        worst_epsilon=_bounded(spent.worst_epsilon),
        near=spent.near,
        exhausted=spent.exhausted,
        most_spent=most if access.principal.may(Permission.READ_CLIENTS) else None,
    )


def _bounded(epsilon: float) -> float | None:
    return epsilon if isfinite(epsilon) else None


@router.post("/bin-specs")
def define_bin_spec(body: BinSpecIn, access: Pusher, session: WriteSession) -> BinSpecOut:
    """Define what clients count on; the same content again is the same spec."""
    spec = bin_specs.define(session, access.federation(session), body, access.actor)
    return BinSpecOut.of(spec.id, spec.document)


@router.get("/bin-specs/{spec_id}")
def read_bin_spec(spec_id: SpecId, access: Reader, session: ReadSession) -> BinSpecOut:
    """The edges and categories under an id; they never change."""
    spec = bin_specs.get(session, access.federation(session), spec_id)
    return BinSpecOut.of(spec.id, spec.document)
