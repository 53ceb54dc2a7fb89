"""The console's reports: each look has the one on the present evidence built, or shows it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from fastapi.responses import FileResponse
from sqlmodel import Session

from app.console.access import Visitor, reader
from app.console.rendering import page
from app.console.routes import ConsoleRoute
from app.core.http import SettingsDep, WriteSession
from app.core.ids import Slug
from app.core.settings import Settings
from app.registry import service as registry
from app.reports import of_candidate, of_incident, of_round, reading, service
from app.reports.reading import Form
from app.reports.router import PAGE_HEADERS
from app.reports.tables import Report

router = APIRouter(prefix="/f/{federation}", route_class=ConsoleRoute, include_in_schema=False)

Reader = Annotated[Visitor, Depends(reader)]


@router.get("/rounds/{round_id}/report")
def show_report_of_round(
    federation: Slug,
    round_id: UUID,
    visitor: Reader,
    session: WriteSession,
    settings: SettingsDep,
) -> Response:
    """A round against its reference."""
    asked = of_round.asked(session, visitor.federation(session, federation), round_id)
    return _shown(session, settings, visitor, asked)


@router.get("/incidents/{incident_id}/report")
def show_report_of_incident(
    federation: Slug,
    incident_id: UUID,
    visitor: Reader,
    session: WriteSession,
    settings: SettingsDep,
) -> Response:
    """An incident's subjects over the rounds since its onset."""
    asked = of_incident.asked(session, visitor.federation(session, federation), incident_id)
    return _shown(session, settings, visitor, asked)


@router.get("/promotions/{promotion_id}/report")
def show_report_of_promotion(
    federation: Slug,
    promotion_id: UUID,
    visitor: Reader,
    session: WriteSession,
    settings: SettingsDep,
) -> Response:
    """A promotion's candidate beside the champion."""
    row = visitor.federation(session, federation)
    asked = of_candidate.asked_of_promotion(session, row, promotion_id)
    return _shown(session, settings, visitor, asked)


@router.get("/models/{model}/versions/{version}/report")
def show_report_of_version(
    federation: Slug,
    model: Slug,
    version: Slug,
    visitor: Reader,
    session: WriteSession,
    settings: SettingsDep,
) -> Response:
    """A version beside the champion, as of now."""
    row = visitor.federation(session, federation)
    found = registry.version_named(session, row.id, model, version)
    asked = of_candidate.asked_of_version(session, row, found.id)
    return _shown(session, settings, visitor, asked)


def _shown(session: Session, settings: Settings, visitor: Visitor, asked: Report) -> Response:
    reading.require_visible(asked, visitor.principal)
    report = service.ask(session, asked, visitor.name)
    file = reading.file_of(session, report, visitor.name, settings.reports_dir, Form.HTML)
    if file is None:
        return page("building.html", 202, visitor=visitor)
    return FileResponse(file, media_type=Form.HTML.value, headers=PAGE_HEADERS)
