"""Queries for the parts that a large round is judged in: shards of clients, and the federation.

No decisions here.
"""

from collections.abc import Iterator
from uuid import UUID

from sqlmodel import Session, col, select

from app.drift.streams import WIDE
from app.drift.tables import Evaluation, EvaluationShard

OF_CLIENTS = col(EvaluationShard.number) != WIDE


def shards_of(session: Session, evaluation_id: UUID) -> list[EvaluationShard]:
    """The shards of clients of an evaluation, by number."""
    query = select(EvaluationShard).where(
        EvaluationShard.evaluation_id == evaluation_id, OF_CLIENTS
    )
    return list(session.exec(query.order_by(col(EvaluationShard.number))))


def shard_states(session: Session, evaluation_id: UUID) -> list[tuple[str, str | None]]:
    """The state of each shard of clients of an evaluation, and why it was left out."""
    query = select(EvaluationShard.state, EvaluationShard.error).where(
        EvaluationShard.evaluation_id == evaluation_id, OF_CLIENTS
    )
    return list(session.exec(query))


def has_waiting_parts(session: Session, evaluation_id: UUID) -> bool:
    """Whether a part of an evaluation, of clients or of the federation, is still to be judged."""
    query = select(EvaluationShard.id).where(
        EvaluationShard.evaluation_id == evaluation_id, EvaluationShard.state == "waiting"
    )
    return session.exec(query.limit(1)).first() is not None


def wide_part(session: Session, evaluation_id: UUID) -> EvaluationShard | None:
    """The part of an evaluation that is on the federation, where it is one of its own."""
    query = select(EvaluationShard).where(
        EvaluationShard.evaluation_id == evaluation_id, ~OF_CLIENTS
    )
    return session.exec(query).first()


def shard_with_id(session: Session, shard_id: UUID) -> EvaluationShard | None:
    """A shard by id."""
    return session.get(EvaluationShard, shard_id)


def every_shard(session: Session, federation_id: UUID) -> Iterator[EvaluationShard]:
    """Every judged shard of clients of a federation's rounds, one after the other."""
    query = (
        select(EvaluationShard)
        .join(Evaluation, col(Evaluation.id) == col(EvaluationShard.evaluation_id))
        .where(
            Evaluation.federation_id == federation_id,
            EvaluationShard.state == "judged",
            OF_CLIENTS,
        )
    )
    yield from session.exec(query.execution_options(yield_per=1))
