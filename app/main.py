"""Puts the API together, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI
from fastapi.telemetry import TelemetryConfig

from app.audit.router import router as audit
from app.console.router import router as console
from app.core import logging, metrics, openapi, problems, tracing
from app.core.body_limit import BodyLimit
from app.core.compression import Gunzip
from app.core.database import database
from app.core.health import router as health
from app.core.http import note_ids
from app.core.metrics import Sample, Source, by_label
from app.core.pressure import Pressure
from app.core.requests import Requests
from app.core.settings import Settings
from app.core.settings import settings as read_settings
from app.drift import figures as judging_figures
from app.drift.progress_router import router as progress
from app.drift.router import router as drift
from app.federations.router import router as federations
from app.incidents import figures
from app.incidents import service as incident_service
from app.incidents.router import router as incidents
from app.people.router import router as people
from app.registry.inventory_router import router as inventory
from app.registry.router import router as registry
from app.registry.weights_router import router as weights
from app.reports.router import router as reports
from app.retraining.router import router as retraining
from app.retraining.waiting import Waiters
from app.rounds import service as round_service
from app.rounds.router import PUSHED_SCHEMAS
from app.rounds.router import router as rounds

DESCRIPTION = """
Vigie watches federated models that are in use. FL servers push rounds; Vigie judges them, opens
incidents, asks for retraining, compares the new version as a canary, and lets a person decide.

Every call but the health checks needs `Authorization: Bearer vg_...`. People sign in to
the console. Times are UTC. Refusals are problem details (RFC 9457) that name the field.
"""

# FastAPI's own spans and logs tell paths, query strings, addresses and the words of errors; those
# of `app.core.tracing` tell ids.
NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}
JUDGING = (drift, progress, reports)
MODELS = (registry, weights, inventory, retraining)
# A path is looked for from the first on, and what comes most often is a push.
DOMAINS = (rounds, federations, people, *JUDGING, incidents, *MODELS, audit)
# Worked out when they are first called, and then for every application of the process.
ROUTES = APIRouter(dependencies=[Depends(note_ids)])
for router in (*DOMAINS, health, metrics.router, console):
    ROUTES.include_router(router)

SOURCES = (
    Source(
        "vigie_rounds_total",
        "Rounds accepted.",
        lambda session: [Sample(round_service.count_rounds(session))],
    ),
    Source(
        "vigie_refusals_total",
        "Refused records and pushes by code.",
        lambda session: by_label(round_service.refusal_counts(session, None)),
        ("code",),
    ),
    Source(
        "vigie_incidents_open",
        "Incidents not resolved, by severity.",
        lambda session: by_label(incident_service.open_by_severity(session)),
        ("severity",),
    ),
)


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.waiters.close()
    app.state.database.dispose()
    tracing.close()


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service as an ASGI application."""
    settings = settings or read_settings()
    logging.configure(settings)
    tracing.configure(settings, "vigie-api")
    app = FastAPI(
        title="Vigie",
        version="0.1.0",
        description=DESCRIPTION,
        docs_url="/docs",
        redoc_url=None,
        lifespan=_serving,
        routes=ROUTES.routes,
        telemetry=NO_TELEMETRY,
    )
    app.state.settings = settings
    app.state.database = database(settings.database, settings.pool)
    app.state.pressure = Pressure(settings)
    app.state.waiters = Waiters()
    app.add_middleware(Gunzip, limit=settings.max_body_bytes)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes, streamed=("/weights",))
    problems.install(app)
    metrics.install(app, (*SOURCES, *judging_figures.SOURCES, *figures.SOURCES))
    app.add_middleware(Requests)  # outside of all others, so that all their lines have its id
    openapi.complete(app, PUSHED_SCHEMAS)
    return app
