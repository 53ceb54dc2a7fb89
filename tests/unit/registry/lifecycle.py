"""Versions and canary rounds as they lie in the database, for tests of the registry."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, select

from app.core.database import Database
from app.core.outbox import OutboxRow
from app.federations.roles import Role
from app.federations.tables import Federation
from app.registry import service
from app.registry.schemas import VersionIn
from app.registry.tables import Model, ModelVersion, Promotion
from app.rounds.reports import ClientReport
from app.rounds.tables import Round
from tests.rounds import blocks, pseudonym

MODEL = "late-arrival"
AT = datetime(2013, 6, 10, tzinfo=UTC)
SERVER, OWNER, VALIDATOR = "fl-server", "Ada", "Grace"


def version_in(number: int, **more: Any) -> VersionIn:
    return VersionIn(run=f"run-{number}", weights_sha256=f"{number:064x}", **more)


def register(
    session: Session, federation: Federation, number: int, actor: str = SERVER, **more: Any
) -> ModelVersion:
    return service.register(session, federation, MODEL, version_in(number, **more), actor)


def register_two(database: Database, federation: Federation) -> None:
    """Version 1 is champion, version 2 canary."""
    with database.session_scope() as session:
        register(session, federation, 1)
        register(session, federation, 2)


def draft(session: Session, federation: Federation, candidate: str = "2") -> Promotion:
    return service.draft_promotion(session, federation, MODEL, candidate, OWNER, "better")


def submitted(session: Session, federation: Federation, candidate: str = "2") -> Promotion:
    return service.submit(session, federation, draft(session, federation, candidate).id, OWNER)


def approved(session: Session, federation: Federation, candidate: str = "2") -> Promotion:
    promotion = submitted(session, federation, candidate)
    return approve(session, federation, promotion.id, VALIDATOR, "agreed")


def approve(
    session: Session,
    federation: Federation,
    promotion_id: UUID,
    actor: str,
    reason: str,
    role: Role = Role.VALIDATOR,
) -> Promotion:
    """Approve the evidence as it is read."""
    found = service.get_promotion(session, federation.id, promotion_id)
    return service.approve(
        session,
        federation,
        promotion_id,
        actor,
        reason,
        role=role,
        evidence_sha256=found.evidence_sha256 or "",
    )


def model_now(database: Database, federation: Federation) -> Model:
    with database.read_scope() as session:
        return service.model_named(session, federation.id, MODEL)


def tasks(session: Session) -> list[str]:
    return [row.task for row in session.exec(select(OutboxRow).order_by(col(OutboxRow.created_at)))]


def stored_round(federation: Federation, step: int, phase: str, **more: Any) -> Round:
    fields: dict[str, Any] = {
        "federation_id": federation.id,
        "run": "canary",
        "number": step,
        "phase": phase,
        "attempt": 1,
        "global_step": step,
        "model": MODEL,
        "version": "1",
        "started_at": AT,
        "ended_at": AT,
        "envelope": {},
        "body_sha256": "0" * 64,
        "accepted": 1,
        "quarantined": 0,
        "received_at": AT,
    }
    return Round(**(fields | more))


def canary_report(
    round_: Round,
    client: int,
    champion_loss: float,
    candidate_loss: float,
    n: int = 100,
    hub: str = "EWR",
    **more: Any,
) -> ClientReport:
    """`n` examples: the champion is right on 70, the candidate on 75, both on 65."""
    record = {
        "metrics": {"loss_sum": champion_loss * n, "correct_count": 0.70 * n},
        "confusion": [[0.5 * n, 0.1 * n], [0.2 * n, 0.2 * n]],
        "canary": {
            "metrics": {"loss_sum": candidate_loss * n, "correct_count": 0.75 * n},
            "confusion": [[0.5 * n, 0.1 * n], [0.15 * n, 0.25 * n]],
            "agreement": [[0.65 * n, 0.05 * n], [0.10 * n, 0.20 * n]],
        },
    }
    fields: dict[str, Any] = {
        "round_id": round_.id,
        "client": pseudonym(client),
        "status": "ok",
        "num_examples": n,
        "cohorts": {"hub": hub},
        "record": record,
    }
    return ClientReport(**(fields | more))


def store_canary_rounds(
    session: Session, federation: Federation, steps: int, gain: float, clients: int = 6
) -> None:
    """Rounds in which the candidate's log loss is lower by about `gain` at every client."""
    for step in range(steps):
        round_ = stored_round(federation, step, "canary", canary_version="2")
        session.add(round_)
        session.flush()
        reports = []
        for client in range(clients):
            champion = 0.5 + 0.01 * client
            candidate = champion - gain * (1 + 0.1 * (client - (clients - 1) / 2))
            hub = "EWR" if client < 4 else "JFK"
            reports.append(canary_report(round_, client, champion, candidate, hub=hub))
        session.add_all(blocks(reports))
    session.flush()
