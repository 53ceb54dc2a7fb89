"""A model with a champion, and people and servers that ask for retraining of it."""

from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.federations.tables import Federation
from app.registry import service as registry
from app.registry.schemas import VersionIn
from app.registry.tables import ModelVersion
from app.retraining import service
from app.retraining.schemas import CompleteIn, ProgressIn
from app.retraining.service import RetrainAsk
from app.retraining.tables import RetrainRequest

MODEL = "late-arrival"
SERVER, OTHER, PERSON = "fl-1", "fl-2", "Ada"
LEASE = 60


def champion(session: Session, federation: Federation) -> ModelVersion:
    body = VersionIn(run="first", weights_sha256="1" * 64)
    return registry.register(session, federation, MODEL, body, SERVER)


def ask(step: int = 23, **more: Any) -> RetrainAsk:
    fields: dict[str, Any] = {
        "model": MODEL,
        "base_version": "1",
        "severity": "warning",
        "family": "concept",
        "step": step,
        "reason": "Drift in label:late since step 23",
    }
    return RetrainAsk(**(fields | more))


def claim(session: Session, federation: Federation, claimer: str = SERVER) -> RetrainRequest | None:
    return service.claim(session, federation, MODEL, claimer, LEASE)


def going(done: int = 3, claimer: str = SERVER) -> ProgressIn:
    return ProgressIn(claimer=claimer, completed_rounds=done, total_rounds=20)


def trained(claimer: str = SERVER, weights: str = "2") -> CompleteIn:
    return CompleteIn(claimer=claimer, run="again", weights_sha256=weights * 64, rounds=20)


def state(session: Session, federation: Federation, request: UUID) -> str:
    return service.get(session, federation, request).state
