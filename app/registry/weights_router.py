"""HTTP of a version's weights."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from app.core.database import Database
from app.core.http import DatabaseDep, SettingsDep
from app.core.ids import Slug
from app.federations.dependencies import Access, in_federation
from app.federations.roles import Permission
from app.registry import weights
from app.registry.schemas import WeightsOut

router = APIRouter(prefix="/v1/federations/{federation}", tags=["registry"])

Registrar = Annotated[Access, Depends(in_federation(Permission.REGISTER_VERSIONS))]
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.put("/models/{model}/versions/{version}/weights", openapi_extra=_BODY)
async def upload_weights(
    model: Slug,
    version: Slug,
    request: Request,
    access: Registrar,
    database: DatabaseDep,
    settings: SettingsDep,
) -> WeightsOut:
    """Send a version's weights, as any file or as a NumPy archive of named arrays.

    They are kept if they have the SHA-256 that the version was registered with: of the file's
    bytes, or of the arrays as vigie-client's `weights_sha256` works it out. Else the answer is 422
    and nothing is kept. Nothing is unpickled.
    """

    def begin() -> weights.Receiving:
        with database.read_scope() as session:
            folder = weights.place_of(session, settings, access.as_called, model, version)
        return weights.Receiving(folder, settings)

    receiving = await run_in_threadpool(begin)
    try:
        async for piece in request.stream():
            await run_in_threadpool(receiving.write, piece)
        return await run_in_threadpool(_keep, database, access, model, version, receiving)
    finally:
        await run_in_threadpool(receiving.close)


def _keep(
    database: Database, access: Access, model: str, version: str, receiving: weights.Receiving
) -> WeightsOut:
    received = receiving.whole()
    with database.session_scope() as session:
        federation = access.federation(session)
        kept = weights.keep(session, federation, model, version, received, access.actor)
        return WeightsOut.model_validate(kept)
