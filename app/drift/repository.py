"""All queries on references and verdicts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select, update

from app.drift.tables import Reference, Verdict
from app.rounds.tables import Round


def reference_in_force(
    session: Session, federation_id: UUID, model: str, version: str
) -> Reference | None:
    """The newest reference of a version that was not retired."""
    query = select(Reference).where(
        Reference.federation_id == federation_id,
        Reference.model == model,
        Reference.version == version,
        col(Reference.retired_at).is_(None),
    )
    return session.exec(query.order_by(col(Reference.number).desc()).limit(1)).first()


def references_in_force(session: Session, federation_id: UUID) -> list[Reference]:
    """A federation's references that were not retired."""
    query = select(Reference).where(
        Reference.federation_id == federation_id, col(Reference.retired_at).is_(None)
    )
    return list(session.exec(query))


def next_number(session: Session, federation_id: UUID, model: str, version: str) -> int:
    """The number that a version's next reference gets."""
    newest = select(func.max(Reference.number)).where(
        Reference.federation_id == federation_id,
        Reference.model == model,
        Reference.version == version,
    )
    return (session.exec(newest).one() or 0) + 1


def references_of(session: Session, federation_id: UUID, model: str) -> list[Reference]:
    """A model's references, newest first."""
    query = select(Reference).where(
        Reference.federation_id == federation_id, Reference.model == model
    )
    return list(session.exec(query.order_by(col(Reference.frozen_at).desc())))


def reference_of(session: Session, federation_id: UUID, reference_id: UUID) -> Reference | None:
    """A federation's reference by id."""
    query = select(Reference).where(
        Reference.id == reference_id, Reference.federation_id == federation_id
    )
    return session.exec(query).first()


def supersede(session: Session, round_id: UUID, at: datetime) -> None:
    """Mark a round's verdicts as replaced by newer ones."""
    stale = update(Verdict).where(
        col(Verdict.round_id) == round_id, col(Verdict.superseded_at).is_(None)
    )
    session.exec(stale.values(superseded_at=at))


def every_reference(session: Session, federation_id: UUID) -> list[Reference]:
    """All references of a federation."""
    return list(session.exec(select(Reference).where(Reference.federation_id == federation_id)))


def blank(
    session: Session, federation_id: UUID, client: str, mark: str, explanation: dict[str, Any]
) -> int:
    """Take every value, and the pseudonym, out of the verdicts on a client; return how many."""
    about = update(Verdict).where(
        col(Verdict.federation_id) == federation_id,
        col(Verdict.scope) == "client",
        col(Verdict.scope_key) == client,
    )
    values: dict[str, Any] = {
        "scope_key": mark,
        "outcome": "insufficient_evidence",
        "explanation": explanation,
        **dict.fromkeys(("statistic", "effect", "p_value", "q_value")),
        "minimum_detectable_effect": None,
    }
    blanked: int = session.exec(about.values(**values)).rowcount
    return blanked


def verdicts_of(session: Session, round_ids: Sequence[UUID]) -> list[Verdict]:
    """The verdicts on these rounds that count, by scope and subject."""
    query = select(Verdict).where(
        col(Verdict.round_id).in_(round_ids), col(Verdict.superseded_at).is_(None)
    )
    order = (
        col(Verdict.scope).desc(),  # federation, cohort, client
        col(Verdict.scope_key),
        col(Verdict.subject),
        col(Verdict.detector),
    )
    return list(session.exec(query.order_by(*order)))


def judged_round_ids(
    session: Session, reference_id: UUID, last_step: int, count: int
) -> list[UUID]:
    """The newest rounds judged against a reference, up to a step; newest first."""
    query = (
        select(Round.id)
        .join(Verdict, col(Verdict.round_id) == col(Round.id))
        .where(
            Verdict.reference_id == reference_id,
            Verdict.global_step <= last_step,
            col(Verdict.superseded_at).is_(None),
            Round.state != "superseded",
        )
        .group_by(col(Round.id), col(Round.global_step), col(Round.received_at))
        .order_by(col(Round.global_step).desc(), col(Round.received_at).desc())
        .limit(count)
    )
    return list(session.exec(query))


def series(
    session: Session, federation_id: UUID, model: str, subject: str, scope: str, limit: int
) -> list[Verdict]:
    """One subject's verdicts over rounds, oldest first."""
    query = select(Verdict).where(
        Verdict.federation_id == federation_id,
        Verdict.model == model,
        Verdict.subject == subject,
        Verdict.scope == scope,
        col(Verdict.superseded_at).is_(None),
    )
    newest = query.order_by(col(Verdict.global_step).desc(), col(Verdict.at).desc()).limit(limit)
    return list(reversed(session.exec(newest).all()))
