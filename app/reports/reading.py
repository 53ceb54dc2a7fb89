"""Reading a report: its file in the form that is asked for, for who may see it."""

from enum import StrEnum
from pathlib import Path

from sqlmodel import Session

from app.core.errors import NotFoundError
from app.federations.roles import Permission, Principal
from app.reports import service
from app.reports.building import json_beside
from app.reports.errors import ReportFailedError
from app.reports.states import ReportState
from app.reports.tables import Report


class Form(StrEnum):
    """How a report is written: its media type."""

    HTML = "text/html"
    JSON = "application/json"


def form_of(accept: str) -> Form:
    """What an `Accept` header asks for: JSON where it names that and no HTML.

    >>> form_of("application/json").name, form_of("*/*").name
    ('JSON', 'HTML')
    """
    return Form.JSON if Form.JSON in accept and Form.HTML not in accept else Form.HTML


def require_visible(report: Report, principal: Principal) -> None:
    """Hide a report about a single client from who may not read clients.

    Raises:
        NotFoundError: of the subject, as if there were none.
    """
    if report.of_client and not principal.may(Permission.READ_CLIENTS):
        raise NotFoundError(report.kind, report.subject_id)


def file_of(
    session: Session, report: Report, actor: str, reports_dir: Path, form: Form
) -> Path | None:
    """The report's file; None while it is being built. One whose file is gone is built again.

    Raises:
        ReportFailedError: if it could not be built.
    """
    if report.state == ReportState.FAILED:
        raise ReportFailedError(str(report.error))
    page = None if report.path is None else reports_dir / report.path
    file = page if page is None or form is Form.HTML else json_beside(page)
    if file is not None and file.is_file():
        return file
    if report.state == ReportState.READY:
        service.rebuild(session, report, actor)
    return None
