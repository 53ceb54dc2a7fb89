"""All queries on references and verdicts."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import extract, func, true
from sqlalchemy import select as columns
from sqlmodel import Session, col, delete, select, update

from app.drift.tables import (
    Evaluation,
    Reference,
    RoundSubject,
    StreamState,
    Verdict,
)
from app.rounds.tables import Round

MOST_NAMED = 500  # in one query: databases take only so many parameters
# As rounds are ordered: by what they say of themselves, and not by when they came.
STATES_IN_ORDER = (
    col(StreamState.global_step),
    col(Round.started_at),
    col(Round.run),
    col(Round.number),
    col(Round.phase),
)


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


def reference_before(session: Session, reference: Reference, step: int) -> Reference | None:
    """The newest reference of the same version, before one, whose rounds end before a step."""
    query = select(Reference).where(
        Reference.federation_id == reference.federation_id,
        Reference.model == reference.model,
        Reference.version == reference.version,
        Reference.number < reference.number,
        Reference.last_step < step,
    )
    return session.exec(query.order_by(col(Reference.number).desc()).limit(1)).first()


def newest_reference(
    session: Session, federation_id: UUID, model: str, version: str
) -> Reference | None:
    """The newest reference of a version, retired or not."""
    query = select(Reference).where(
        Reference.federation_id == federation_id,
        Reference.model == model,
        Reference.version == version,
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


def reference_with_id(session: Session, reference_id: UUID) -> Reference:
    """A reference that another row refers to."""
    return session.exec(select(Reference).where(Reference.id == reference_id)).one()


def supersede(session: Session, round_id: UUID, at: datetime) -> None:
    """Mark a round's verdicts as replaced by newer ones."""
    stale = update(Verdict).where(
        col(Verdict.round_id) == round_id, col(Verdict.superseded_at).is_(None)
    )
    session.exec(stale.values(superseded_at=at))


def newest_state(
    session: Session, reference_id: UUID, shard: int, before_step: int
) -> StreamState | None:
    """Where a shard's streams stood before a global step."""
    query = (
        select(StreamState)
        .join(Round, col(Round.id) == col(StreamState.round_id))
        .where(
            StreamState.reference_id == reference_id,
            StreamState.shard == shard,
            StreamState.global_step < before_step,
        )
        .order_by(*(column.desc() for column in STATES_IN_ORDER))
    )
    return session.exec(query.limit(1)).first()


def state_hashes(session: Session, reference_id: UUID, before_step: int) -> list[tuple[int, str]]:
    """By shard, the hash of where its streams stood before a global step."""
    query = (
        select(StreamState.shard, StreamState.sha256)
        .join(Round, col(Round.id) == col(StreamState.round_id))
        .where(StreamState.reference_id == reference_id, StreamState.global_step < before_step)
        .order_by(*STATES_IN_ORDER)
    )
    return sorted(dict(session.exec(query).all()).items())  # the newest of each shard


def replace_state(session: Session, state: StreamState, keep: int) -> None:
    """Keep a shard's state, and the `keep` newest up to it alone: later ones are not true now."""
    of_shard = (
        col(StreamState.reference_id) == state.reference_id,
        col(StreamState.shard) == state.shard,
    )
    kept = (
        select(StreamState.global_step)
        .where(*of_shard, StreamState.global_step < state.global_step)
        .distinct()
        .order_by(col(StreamState.global_step).desc())
        .limit(keep - 1)
    )
    of_this_step = col(StreamState.global_step) == state.global_step
    stale = ~of_this_step & col(StreamState.global_step).not_in(kept)
    of_this_round = col(StreamState.round_id) == state.round_id
    session.exec(delete(StreamState).where(*of_shard, stale | of_this_round))
    session.add(state)


def evaluation_of(session: Session, round_id: UUID) -> Evaluation | None:
    """How a round is judged at present."""
    query = select(Evaluation).where(
        Evaluation.round_id == round_id, col(Evaluation.superseded_at).is_(None)
    )
    return session.exec(query).first()


def inputs_of(session: Session, round_ids: Collection[UUID]) -> dict[UUID, str]:
    """By round, the hash of what it is judged from at present; those not judged are left out."""
    query = select(Evaluation.round_id, Evaluation.inputs_sha256).where(
        col(Evaluation.round_id).in_(round_ids), col(Evaluation.superseded_at).is_(None)
    )
    return dict(session.exec(query).all())


def evaluation_with_id(session: Session, evaluation_id: UUID) -> Evaluation | None:
    """An evaluation, held against others that would change it."""
    query = select(Evaluation).where(Evaluation.id == evaluation_id)
    return session.exec(query.with_for_update()).first()


def evaluation_under_way(session: Session, federation_id: UUID, model: str) -> Evaluation | None:
    """A round of a model whose shards are not all judged."""
    query = select(Evaluation).where(
        Evaluation.federation_id == federation_id,
        Evaluation.model == model,
        Evaluation.state == "evaluating",
        col(Evaluation.superseded_at).is_(None),
    )
    return session.exec(query.limit(1)).first()


def next_evaluation(session: Session, reference_id: UUID, after_step: int) -> Evaluation | None:
    """The first evaluation against a reference of a round after a step."""
    query = select(Evaluation).where(
        Evaluation.reference_id == reference_id,
        Evaluation.global_step > after_step,
        col(Evaluation.superseded_at).is_(None),
    )
    return session.exec(query.order_by(col(Evaluation.global_step)).limit(1)).first()


def every_reference(session: Session, federation_id: UUID) -> list[Reference]:
    """All references of a federation."""
    return list(session.exec(select(Reference).where(Reference.federation_id == federation_id)))


def every_state(session: Session, federation_id: UUID) -> Iterator[StreamState]:
    """Every state of a federation's streams, one after the other."""
    query = (
        select(StreamState)
        .join(Reference, col(Reference.id) == col(StreamState.reference_id))
        .where(Reference.federation_id == federation_id)
    )
    yield from session.exec(query.execution_options(yield_per=1))


def blank(
    session: Session, federation_id: UUID, client: str, mark: str, explanation: dict[str, Any]
) -> None:
    """Take every value, and the pseudonym, out of the stored verdicts on a client."""
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
    session.exec(about.values(**values))


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


def judged_steps(
    session: Session, federation_id: UUID, model: str, last_step: int, count: int
) -> list[int]:
    """The global steps of a model's newest judged rounds, up to one; newest first."""
    query = (
        select(Evaluation.global_step)
        .where(
            Evaluation.federation_id == federation_id,
            Evaluation.model == model,
            Evaluation.global_step <= last_step,
            col(Evaluation.superseded_at).is_(None),
        )
        .distinct()
    )
    return list(session.exec(query.order_by(col(Evaluation.global_step).desc()).limit(count)))


def newest_judged_step(session: Session, federation_id: UUID, model: str) -> int | None:
    """The global step of a model's newest judged round."""
    query = select(func.max(Evaluation.global_step)).where(
        Evaluation.federation_id == federation_id,
        Evaluation.model == model,
        col(Evaluation.superseded_at).is_(None),
    )
    return session.exec(query).one()


def outcomes(
    session: Session, verdicts: Sequence[Verdict], since_step: int
) -> list[tuple[str, str, str, int, str]]:
    """Subject, scope, key, step and outcome of what was said of these verdicts' subjects before.

    The verdicts are of one round; what is answered may hold other scopes of the same subjects, too.
    """
    first, keys = verdicts[0], {one.scope_key for one in verdicts}
    query = columns(
        col(Verdict.subject),
        col(Verdict.scope),
        col(Verdict.scope_key),
        col(Verdict.global_step),
        col(Verdict.outcome),
    ).where(
        col(Verdict.federation_id) == first.federation_id,
        col(Verdict.model) == first.model,
        col(Verdict.reference_id) == first.reference_id,
        col(Verdict.subject).in_({one.subject for one in verdicts}),
        col(Verdict.scope_key).in_(keys) if len(keys) <= MOST_NAMED else true(),
        col(Verdict.global_step) >= since_step,
        col(Verdict.global_step) < first.global_step,
        col(Verdict.superseded_at).is_(None),
    )
    return [(*row,) for row in session.execute(query)]


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


def replace_subject_rows(session: Session, round_id: UUID, rows: Iterable[RoundSubject]) -> None:
    """Put what dashboards read of a round in the place of what was there."""
    session.exec(delete(RoundSubject).where(col(RoundSubject.round_id) == round_id))
    session.add_all(rows)
    session.flush()


def subject_rows(session: Session, ids: Collection[UUID], least: int = 0) -> list[RoundSubject]:
    """What dashboards read of these rounds, oldest first; outcomes of at least `least`."""
    query = select(RoundSubject).where(RoundSubject.outcome >= least)
    query = query.where(col(RoundSubject.round_id).in_(ids))
    order = RoundSubject.global_step, RoundSubject.received_at, RoundSubject.round_id
    return list(session.exec(query.order_by(*(col(column) for column in order))))


def ended_by_state(session: Session) -> dict[str, int]:
    """How many judgings of all federations ended, by how."""
    ended = select(Evaluation.state, func.count()).where(col(Evaluation.ended_at).is_not(None))
    return dict(session.exec(ended.group_by(Evaluation.state)).all())


def seconds_of_judging(session: Session) -> float:
    """How long all judgings that ended took together."""
    seconds = extract("epoch", col(Evaluation.ended_at)) - extract(
        "epoch", col(Evaluation.began_at)
    )
    ended = select(func.coalesce(func.sum(seconds), 0)).where(col(Evaluation.ended_at).is_not(None))
    return float(session.exec(ended).one())
