"""HTTP of the audit log."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.audit import service
from app.audit.schemas import AuditEntryOut
from app.audit.tables import AuditEntry
from app.core.http import ReadSession
from app.federations.dependencies import Access, in_federation
from app.federations.roles import Permission

router = APIRouter(prefix="/v1/federations/{federation}", tags=["audit"])

Auditor = Annotated[Access, Depends(in_federation(Permission.READ_AUDIT))]


@router.get("/audit", response_model=list[AuditEntryOut])
def list_entries(
    access: Auditor,
    session: ReadSession,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="Entries below this `seq`.")
    ] = None,
) -> list[AuditEntry]:
    """The newest audit entries of the federation, newest first."""
    return service.newest(session, access.federation(session).id, limit=limit, before=before)
