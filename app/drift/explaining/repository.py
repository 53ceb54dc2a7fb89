"""All queries on explanations, and on the levels that they date drifts by."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, delete, select

from app.drift.tables import Evaluation, Explanation
from app.rounds.tables import Round

# As rounds are ordered: by what they say of themselves, and not by when they came.
IN_ORDER = (
    col(Round.global_step),
    col(Round.started_at),
    col(Round.run),
    col(Round.number),
    col(Round.phase),
)


@dataclass(frozen=True)
class Standing:
    """A judged round: which it is, when it began, and its levels as they are kept."""

    round_id: UUID
    step: int
    at: datetime
    levels: bytes


def judged_before(
    session: Session, reference_id: UUID, before_step: int, limit: int
) -> list[Standing]:
    """The newest rounds judged against a reference before a step, one a step, oldest first."""
    query = (
        select(Round.id, Round.global_step, Round.started_at, Evaluation.levels)
        .join(Evaluation, col(Evaluation.round_id) == col(Round.id))
        .where(
            Evaluation.reference_id == reference_id,
            Evaluation.global_step < before_step,
            col(Evaluation.superseded_at).is_(None),
            col(Evaluation.levels).is_not(None),
            Round.state != "superseded",
        )
        .order_by(*(column.desc() for column in IN_ORDER))
    )
    by_step: dict[int, Standing] = {}
    for round_id, step, at, levels in session.exec(query.limit(limit)):
        assert levels is not None
        by_step.setdefault(step, Standing(round_id, step, at, levels))
    return [by_step[step] for step in sorted(by_step)]


def of_evaluation(session: Session, evaluation_id: UUID) -> list[Explanation]:
    """The explanations that an evaluation made, by scope and subject."""
    query = select(Explanation).where(Explanation.evaluation_id == evaluation_id)
    order = (col(Explanation.scope).desc(), col(Explanation.scope_key), col(Explanation.subject))
    return list(session.exec(query.order_by(*order)))


def of_cause(
    session: Session, round_id: UUID, subject: str, scope: str, scope_key: str
) -> Explanation | None:
    """The explanation of one subject in one scope of a round, as it is judged at present."""
    query = (
        select(Explanation)
        .join(Evaluation, col(Evaluation.id) == col(Explanation.evaluation_id))
        .where(
            Explanation.round_id == round_id,
            Explanation.subject == subject,
            Explanation.scope == scope,
            Explanation.scope_key == scope_key,
            col(Evaluation.superseded_at).is_(None),
        )
    )
    return session.exec(query).first()


def every(session: Session, federation_id: UUID) -> Iterator[Explanation]:
    """Every explanation of a federation, one after the other."""
    query = select(Explanation).where(Explanation.federation_id == federation_id)
    yield from session.exec(query.execution_options(yield_per=100))


def drop_of_client(session: Session, federation_id: UUID, client: str) -> None:
    """Drop the explanations that are about one client."""
    own = delete(Explanation).where(
        col(Explanation.federation_id) == federation_id,
        col(Explanation.scope) == "client",
        col(Explanation.scope_key) == client,
    )
    session.exec(own)


def newest_evaluation(session: Session, federation_id: UUID, model: str) -> Evaluation | None:
    """How a model's newest judged round is judged."""
    query = (
        select(Evaluation)
        .join(Round, col(Round.id) == col(Evaluation.round_id))
        .where(
            Evaluation.federation_id == federation_id,
            Evaluation.model == model,
            Evaluation.state != "evaluating",
            col(Evaluation.superseded_at).is_(None),
            Round.state != "superseded",
        )
        .order_by(*(column.desc() for column in IN_ORDER))
    )
    return session.exec(query.limit(1)).first()
