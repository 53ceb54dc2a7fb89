"""HTTP of a round's report."""

from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, status
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel
from sqlmodel import Session

from app.core.http import SettingsDep, WriteSession
from app.drift import reporting
from app.drift.report import CONTENT_SECURITY_POLICY
from app.drift.report_errors import ReportFailedError
from app.drift.reporting import ReportState
from app.federations.dependencies import Access, in_federation
from app.federations.roles import Permission
from app.federations.tables import Federation

router = APIRouter(prefix="/v1/federations/{federation}", tags=["drift"])

Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
RETRY_SECONDS = "2"
# The page's own scripts run, as nobody: no cookies, no storage, no address to talk to.
PAGE_HEADERS = {
    "Content-Security-Policy": f"sandbox allow-scripts allow-downloads; {CONTENT_SECURITY_POLICY};"
    " frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}


class ReportBuilding(BaseModel):
    """The report is not there yet."""

    state: Literal["building"] = "building"


ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {}}, "description": "The report, self-contained."},
    202: {"model": ReportBuilding, "description": "It is being built; ask again."},
    409: {"description": "It cannot be built; `detail` says why."},
}


@router.get("/rounds/{round_id}/report", response_class=Response, responses=ANSWERS)
def read_report(
    round_id: UUID, access: Reader, session: WriteSession, settings: SettingsDep
) -> Response:
    """An Evidently page on the round against its reference; the first ask has it built.

    A report that could not be built answers 409 with the reason.
    """
    federation = access.federation(session)
    page = built(session, federation, round_id, access.actor, settings.reports_dir)
    if page is not None:
        return FileResponse(page, media_type="text/html", headers=PAGE_HEADERS)
    body = ReportBuilding().model_dump()
    return JSONResponse(body, status.HTTP_202_ACCEPTED, {"Retry-After": RETRY_SECONDS})


def built(
    session: Session, federation: Federation, round_id: UUID, actor: str, reports_dir: Path
) -> Path | None:
    """The report's file; None while it is being built, which the first ask starts.

    Raises:
        ReportFailedError: if it could not be built.
    """
    report = reporting.ask(session, federation, round_id, actor)
    if report.state == ReportState.FAILED:
        raise ReportFailedError(str(report.error))
    page = _page(reports_dir, report.path)
    if page is None and report.state == ReportState.READY:
        reporting.rebuild(session, report, actor)
    return page


def _page(reports_dir: Path, path: str | None) -> Path | None:
    """The file of a report that is ready, if it is still there."""
    page = None if path is None else reports_dir / path
    return page if page is not None and page.is_file() else None
