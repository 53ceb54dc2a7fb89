"""All queries on rounds, client reports, refusals and bin specs."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select, update

from app.core.database import insert_unless_there
from app.rounds.tables import BinSpec, ClientReport, Refusal, Round

MEASURED = ("evaluate", "canary", "serve")


def attempts_of(
    session: Session, federation_id: UUID, run: str, number: int, phase: str
) -> list[Round]:
    """Every attempt that was accepted of one round and phase, oldest first."""
    query = select(Round).where(
        Round.federation_id == federation_id,
        Round.run == run,
        Round.number == number,
        Round.phase == phase,
    )
    return list(session.exec(query.order_by(col(Round.attempt))))


def supersede(session: Session, rounds: Sequence[Round]) -> None:
    """Mark rounds that a higher attempt replaces."""
    ids = [round_.id for round_ in rounds]
    session.exec(update(Round).where(col(Round.id).in_(ids)).values(state="superseded"))


def round_of(session: Session, federation_id: UUID, round_id: UUID) -> Round | None:
    """A federation's round by id."""
    query = select(Round).where(Round.id == round_id, Round.federation_id == federation_id)
    return session.exec(query).first()


def round_with_id(session: Session, round_id: UUID) -> Round | None:
    """A round by id alone, for work that a committed row asked for."""
    return session.get(Round, round_id)


def recent(session: Session, federation_id: UUID, model: str | None, limit: int) -> list[Round]:
    """The newest rounds that count, newest first."""
    query = select(Round).where(Round.federation_id == federation_id, Round.state != "superseded")
    if model is not None:
        query = query.where(Round.model == model)
    newest = query.order_by(col(Round.global_step).desc(), col(Round.received_at).desc())
    return list(session.exec(newest.limit(limit)))


def canary_rounds(
    session: Session, federation_id: UUID, model: str, champion: str, candidate: str
) -> list[Round]:
    """The rounds that measured both versions on the same examples, oldest first."""
    query = select(Round).where(
        Round.federation_id == federation_id,
        Round.model == model,
        Round.version == champion,
        Round.canary_version == candidate,
        Round.phase == "canary",
        Round.state != "superseded",
    )
    return list(session.exec(query.order_by(col(Round.global_step), col(Round.received_at))))


def measuring(session: Session, federation_id: UUID, model: str, version: str) -> list[Round]:
    """The rounds that measured a version, as champion or as candidate, oldest first."""
    query = select(Round).where(
        Round.federation_id == federation_id,
        Round.model == model,
        (col(Round.version) == version) | (col(Round.canary_version) == version),
        col(Round.phase).in_(MEASURED),
        Round.state != "superseded",
    )
    return list(session.exec(query.order_by(col(Round.global_step), col(Round.received_at))))


def of_run(session: Session, federation_id: UUID, run: str, phase: str) -> list[Round]:
    """A run's rounds of one phase that count, in order."""
    query = select(Round).where(
        Round.federation_id == federation_id,
        Round.run == run,
        Round.phase == phase,
        Round.state != "superseded",
    )
    return list(session.exec(query.order_by(col(Round.number))))


def with_ids(session: Session, federation_id: UUID, ids: Sequence[UUID]) -> list[Round]:
    """A federation's rounds by id, oldest first."""
    query = select(Round).where(Round.federation_id == federation_id, col(Round.id).in_(ids))
    return list(session.exec(query.order_by(col(Round.global_step), col(Round.received_at))))


def reports_of(session: Session, round_ids: Sequence[UUID]) -> list[ClientReport]:
    """What clients said in these rounds, by round and pseudonym."""
    query = select(ClientReport).where(col(ClientReport.round_id).in_(round_ids))
    return list(session.exec(query.order_by(col(ClientReport.round_id), col(ClientReport.client))))


def refusals_of_round(session: Session, round_id: UUID) -> list[Refusal]:
    """The records of a round that were refused, in their order."""
    query = select(Refusal).where(Refusal.round_id == round_id)
    return list(session.exec(query.order_by(col(Refusal.index))))


def newest_refusals(session: Session, federation_id: UUID, limit: int) -> list[Refusal]:
    """A federation's newest refusals, newest first."""
    query = select(Refusal).where(Refusal.federation_id == federation_id)
    return list(session.exec(query.order_by(col(Refusal.at).desc()).limit(limit)))


def refusal_counts(session: Session, federation_id: UUID | None) -> dict[str, int]:
    """How many refusals there are by code, of one federation or (None) of all."""
    query = select(Refusal.code, func.count()).group_by(Refusal.code).order_by(Refusal.code)
    if federation_id is not None:
        query = query.where(Refusal.federation_id == federation_id)
    return dict(session.exec(query).all())


def count_rounds(session: Session) -> int:
    """How many rounds were ever accepted."""
    return session.exec(select(func.count()).select_from(Round)).one()


def insert_bin_spec(session: Session, spec: BinSpec) -> bool:
    """Insert a bin spec; False, and nothing done, where the federation has it already."""
    return insert_unless_there(session, spec)


def bin_spec(session: Session, federation_id: UUID, spec_id: str) -> BinSpec | None:
    """A federation's bin spec by id."""
    return session.get(BinSpec, (federation_id, spec_id))
