"""HTTP of reports: ask for one of a round, an incident or a candidate, and read it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response, status
from fastapi.responses import FileResponse, JSONResponse

from app.core.http import ReadSession, SettingsDep, WriteSession
from app.core.ids import Slug
from app.federations.dependencies import Access, in_federation
from app.federations.roles import Permission
from app.registry import service as registry
from app.reports import of_candidate, of_incident, of_round, reading, service
from app.reports.reading import Form
from app.reports.schemas import ReportBuilding, ReportOut
from app.reports.sealing import CONTENT_SECURITY_POLICY
from app.reports.states import Kind
from app.reports.tables import Report

router = APIRouter(prefix="/v1/federations/{federation}", tags=["reports"])

Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
Accept = Annotated[str, Header(description="text/html or application/json.")]
RETRY_SECONDS = "2"
# The page's own scripts run, as nobody: no cookies, no storage, no address to talk to.
PAGE_HEADERS = {
    "Content-Security-Policy": f"sandbox allow-scripts allow-downloads; {CONTENT_SECURITY_POLICY};"
    " frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/html": {}, "application/json": {}},
        "description": "The report, self-contained.",
    },
    202: {"model": ReportBuilding, "description": "It is being built; ask again."},
    409: {"description": "It cannot be built; `detail` says why."},
}
NOTHING: dict[int | str, dict[str, Any]] = {
    409: {"description": "There is nothing to report; `detail` says what is missing."}
}


@router.post("/rounds/{round_id}/report", status_code=status.HTTP_202_ACCEPTED)
def ask_of_round(
    round_id: UUID, access: Reader, session: WriteSession, response: Response
) -> ReportOut:
    """Ask for the report of a round against its reference; a worker builds it."""
    asked = of_round.asked(session, access.federation(session), round_id)
    return _asked(access, session, asked, response)


@router.post("/incidents/{incident_id}/report", status_code=status.HTTP_202_ACCEPTED)
def ask_of_incident(
    incident_id: UUID, access: Reader, session: WriteSession, response: Response
) -> ReportOut:
    """Ask for the report of an incident: its subjects over the rounds since its onset."""
    asked = of_incident.asked(session, access.federation(session), incident_id)
    reading.require_visible(asked, access.principal)
    return _asked(access, session, asked, response)


@router.post(
    "/models/{model}/versions/{version}/report",
    status_code=status.HTTP_202_ACCEPTED,
    responses=NOTHING,
)
def ask_of_version(
    model: Slug, version: Slug, access: Reader, session: WriteSession, response: Response
) -> ReportOut:
    """Ask for the report of a version beside the champion on the canary's rounds, as of now.

    Of the champion itself, it is beside the version whose place it took.
    """
    federation = access.federation(session)
    found = registry.version_named(session, federation.id, model, version)
    asked = of_candidate.asked_of_version(session, federation, found.id)
    return _asked(access, session, asked, response)


@router.post("/promotions/{promotion_id}/report", status_code=status.HTTP_202_ACCEPTED)
def ask_of_promotion(
    promotion_id: UUID, access: Reader, session: WriteSession, response: Response
) -> ReportOut:
    """Ask for the report of a promotion's candidate, by the evidence frozen at its submission."""
    asked = of_candidate.asked_of_promotion(session, access.federation(session), promotion_id)
    return _asked(access, session, asked, response)


@router.get("/rounds/{round_id}/report", response_class=Response, responses=ANSWERS)
def read_report(
    round_id: UUID,
    access: Reader,
    session: WriteSession,
    settings: SettingsDep,
    accept: Accept = "text/html",
) -> Response:
    """The report of a round, as HTML or JSON; the first ask has it built.

    A report that could not be built answers 409 with the reason.
    """
    asked = of_round.asked(session, access.federation(session), round_id)
    report = service.ask(session, asked, access.actor)
    return _served(access, session, settings, report, reading.form_of(accept))


@router.get("/reports")
def list_reports(
    access: Reader,
    session: ReadSession,
    kind: Annotated[Kind | None, Query()] = None,
    model: Annotated[Slug | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> list[ReportOut]:
    """The newest reports, newest first, those that the schedule asked for among them."""
    federation = access.federation(session)
    found = service.list_of(
        session,
        federation,
        kind=kind,
        model=model,
        limit=limit,
        of_clients=access.principal.may(Permission.READ_CLIENTS),
    )
    return [ReportOut.of(report, federation.name) for report in found]


@router.get("/reports/{report_id}.html", response_class=Response, responses=ANSWERS)
def read_page(
    report_id: UUID, access: Reader, session: WriteSession, settings: SettingsDep
) -> Response:
    """A report as a page that needs nothing else."""
    return _served(access, session, settings, _visible(access, session, report_id), Form.HTML)


@router.get("/reports/{report_id}.json", response_class=Response, responses=ANSWERS)
def read_json(
    report_id: UUID, access: Reader, session: WriteSession, settings: SettingsDep
) -> Response:
    """A report's figures, and what Evidently measured."""
    return _served(access, session, settings, _visible(access, session, report_id), Form.JSON)


@router.get("/reports/{report_id}", response_class=Response, responses=ANSWERS)
def read_stored_report(
    report_id: UUID,
    access: Reader,
    session: WriteSession,
    settings: SettingsDep,
    accept: Accept = "text/html",
) -> Response:
    """A report as the `Accept` header asks for it: HTML, or JSON."""
    report = _visible(access, session, report_id)
    return _served(access, session, settings, report, reading.form_of(accept))


def _asked(access: Access, session: WriteSession, asked: Report, response: Response) -> ReportOut:
    report = service.ask(session, asked, access.actor)
    name = access.federation(session).name
    response.headers["Location"] = f"/v1/federations/{name}/reports/{report.id}"
    response.headers["Retry-After"] = RETRY_SECONDS
    return ReportOut.of(report, name)


def _visible(access: Access, session: WriteSession, report_id: UUID) -> Report:
    may = access.principal.may(Permission.READ_CLIENTS)
    return service.get(session, access.federation(session), report_id, of_clients=may)


def _served(
    access: Access, session: WriteSession, settings: SettingsDep, report: Report, form: Form
) -> Response:
    file = reading.file_of(session, report, access.actor, settings.reports_dir, form)
    if file is not None:
        return FileResponse(file, media_type=form.value, headers=PAGE_HEADERS)
    body = ReportBuilding().model_dump()
    return JSONResponse(body, status.HTTP_202_ACCEPTED, {"Retry-After": RETRY_SECONDS})
