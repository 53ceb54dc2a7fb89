"""What a worker does, done in the test's own process.

MLflow stays out of it. Its store migrates itself in the process that opens it, in a thread of the
worker's, and Alembic knows one migration a process at a time.
"""

from sqlmodel import col, select

from app.core.database import Database
from app.core.outbox import OutboxRow, OutboxState
from app.drift import shards, wide
from app.registry import mirroring, promoting, training_runs
from app.registry.deciding import APPLY
from app.rounds.chunks import EVALUATE
from tests.mirrored import mirrored
from workers.effects import Effect, External, Local
from workers.tasks import EFFECTS

JUDGING = (EVALUATE, shards.EVALUATE_SHARD, wide.EVALUATE_WIDE, shards.CONCLUDE)

EFFECTS_HERE: dict[str, Effect] = EFFECTS | {
    mirroring.MIRROR: External(mirroring.prepare, mirrored, mirroring.record),
    APPLY: External(promoting.prepare, mirrored, promoting.record),
    training_runs.LOG: Local(lambda _session, _round_id: None),
    mirroring.LOG_CARD: Local(lambda _session, _version_id: None),
}


def work(database: Database, *tasks: str) -> None:
    """Have every effect of these tasks that is asked for, and what follows from it of them."""
    while rows := _waiting(database, tasks):
        for row in rows:
            EFFECTS_HERE[row.task].run(database, row.id)


def judge(database: Database) -> None:
    """Judge the rounds that wait."""
    work(database, *JUDGING)


def _waiting(database: Database, tasks: tuple[str, ...]) -> list[OutboxRow]:
    query = select(OutboxRow).where(
        col(OutboxRow.task).in_(tasks), OutboxRow.state == OutboxState.PENDING
    )
    with database.read_scope() as session:
        return list(session.exec(query.order_by(col(OutboxRow.created_at))))
