"""Every task by the name that the outbox knows it by, and the periodic ones."""

from functools import cache
from uuid import UUID

from celery import Task

from app.core.database import Database, database
from app.core.outbox import Delivery
from app.core.settings import settings
from app.drift import reporting
from app.incidents import alerts, delivery
from app.incidents import service as incidents
from app.registry import mirroring, promoting, rolling_back
from app.registry.mlflow_registry import MlflowRegistry
from app.retraining import service as retraining
from workers.app import app
from workers.effects import External, Local
from workers.relay import relay_due

SWEEP, RELEASE_LEASES, REPEAT_ALERTS = (
    "periodic.sweep",
    "periodic.release_leases",
    "periodic.repeat_alerts",
)
LEASE_CHECK_SECONDS, ALERT_REPEAT_SECONDS = 10.0, 60.0

EFFECTS: dict[str, Local | External] = {}


def _database() -> Database:
    return database(settings().database)
