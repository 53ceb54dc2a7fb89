"""Decisions on drift: judge a round, keep its verdicts, answer for them."""

from collections.abc import Collection, Iterable, Iterator
from uuid import UUID

from sqlmodel import Session

from app.core.errors import NotFoundError
from app.drift import parts_repository, repository, shards
from app.drift.cases import reference_rounds
from app.drift.client_findings import ClientFindings
from app.drift.evaluating import begin, conclude, stale
from app.drift.explaining.carriers import Carriers, carriers
from app.drift.explaining.service import fitting_version
from app.drift.explaining.service import of_round as explanations_of
from app.drift.explaining.service import of_verdict as explanation_of
from app.drift.findings import error_budget
from app.drift.measuring import measure
from app.drift.onsets import Series, Timeline, onsets, timeline
from app.drift.references import (
    Acceptance,
    freeze_accepted,
    freeze_named,
    freeze_newest,
    hold,
)
from app.drift.subject_rows import OUTCOMES
from app.drift.tables import Evaluation, Reference, RoundSubject, Verdict
from app.drift.verdicts import gravest_of_clients, of_clients
from app.federations import service as federations
from app.rounds import service as rounds
from app.rounds.tables import Round

__all__ = [
    "OUTCOMES",
    "Acceptance",
    "Carriers",
    "Series",
    "Timeline",
    "begin",
    "carriers",
    "conclude",
    "explanation_of",
    "explanations_of",
    "fitting_version",
    "freeze_accepted",
    "freeze_named",
    "freeze_newest",
    "hold",
    "measure",
    "onsets",
    "reference_rounds",
    "stale",
    "timeline",
]


def evaluation_of(session: Session, round_id: UUID) -> Evaluation | None:
    """How a round is judged at present; None if it is not."""
    return repository.evaluation_of(session, round_id)


def inputs_of(session: Session, round_ids: Collection[UUID]) -> dict[UUID, str]:
    """By round, the hash of what it is judged from at present; those not judged are left out."""
    return repository.inputs_of(session, round_ids)


def subject_rows(session: Session, round_ids: Collection[UUID]) -> list[RoundSubject]:
    """What the verdicts on these rounds say of each subject in each shown scope, oldest first."""
    return repository.subject_rows(session, round_ids)


def evaluation_to_conclude(session: Session, evaluation_id: UUID) -> Evaluation | None:
    """An evaluation whose shards are all judged; None if it was concluded or replaced meanwhile."""
    found = repository.evaluation_with_id(session, evaluation_id)
    under_way = found is not None and found.state == "evaluating" and found.superseded_at is None
    return found if under_way else None


def under_way(session: Session, federation_id: UUID, model: str) -> Evaluation | None:
    """A round of a model whose shards are not all judged."""
    return repository.evaluation_under_way(session, federation_id, model)


def progress(session: Session, evaluation: Evaluation) -> tuple[int, list[str]]:
    """How many of an evaluation's shards are done, and why some were left out."""
    parts = parts_repository.shard_states(session, evaluation.id)
    errors = [error for _, error in parts if error is not None]
    return sum(state != "waiting" for state, _ in parts), errors


def verdicts_of(session: Session, round_id: UUID) -> list[Verdict]:
    """The verdicts on a round, by scope and subject; of clients only those that drift."""
    return repository.verdicts_of(session, [round_id])


def client_verdicts(
    session: Session, round_id: UUID, *, drifting: bool = False
) -> Iterator[Verdict]:
    """The verdicts on every client of a round, by subject, or those of drift alone."""
    found = _decided(session, round_id)
    if found is not None:
        evaluation, decided, level = found
        yield from of_clients(decided, evaluation, level, drifting=drifting)


def gravest_client_verdicts(session: Session, round_id: UUID, most: int) -> list[Verdict]:
    """So many verdicts on single clients of a round, the gravest first."""
    found = _decided(session, round_id)
    if found is None:
        return []
    evaluation, decided, level = found
    return gravest_of_clients(decided, evaluation, level, most)


def _decided(
    session: Session, round_id: UUID
) -> tuple[Evaluation, Iterable[ClientFindings], float] | None:
    """A round's evaluation, what was found of its clients, and the level that decided on it."""
    evaluation = repository.evaluation_of(session, round_id)
    if evaluation is None:
        return None
    federation = federations.get(session, evaluation.federation_id)
    policy = federations.policy_at(session, federation, evaluation.policy_version).drift
    level = error_budget(policy, "client")
    return (
        evaluation,
        shards.decided(parts_repository.shards_of(session, evaluation.id), level),
        level,
    )


def recent_rounds_with_verdicts(
    session: Session, federation_id: UUID, model: str, version: str, last_step: int, count: int
) -> list[tuple[Round, list[Verdict]]]:
    """The `count` newest rounds judged against the reference in force, oldest first."""
    reference = repository.reference_in_force(session, federation_id, model, version)
    if reference is None:
        return []
    ids = repository.judged_round_ids(session, reference.id, last_step, count)
    by_round: dict[UUID, list[Verdict]] = {round_id: [] for round_id in ids}
    for verdict in repository.verdicts_of(session, ids):
        by_round[verdict.round_id].append(verdict)
    judged = rounds.with_ids(session, federation_id, ids)
    return [(round_, by_round[round_.id]) for round_ in judged]


def drifts_of(
    session: Session, federation_id: UUID, model: str, version: str, last_step: int, count: int
) -> tuple[int, list[RoundSubject]]:
    """How many rounds were judged against the reference in force, and what drifted in them.

    The `count` newest are looked at; what drifted is of the federation or of a cohort that may be
    shown, oldest first.
    """
    reference = repository.reference_in_force(session, federation_id, model, version)
    if reference is None:
        return 0, []
    ids = repository.judged_round_ids(session, reference.id, last_step, count)
    return len(ids), repository.subject_rows(session, ids, OUTCOMES.index("drift"))


def newest_judged_step(session: Session, federation_id: UUID, model: str) -> int | None:
    """The global step of a model's newest judged round; None before the first."""
    return repository.newest_judged_step(session, federation_id, model)


def references_of(session: Session, federation_id: UUID, model: str) -> list[Reference]:
    """A model's references, newest first."""
    return repository.references_of(session, federation_id, model)


def every_reference(session: Session, federation_id: UUID) -> list[Reference]:
    """All references of a federation, oldest first."""
    found = repository.every_reference(session, federation_id)
    return sorted(found, key=lambda one: one.frozen_at)


def reference_in_force(
    session: Session, federation_id: UUID, model: str, version: str
) -> Reference | None:
    """The newest reference of a version that was not retired."""
    return repository.reference_in_force(session, federation_id, model, version)


def reference_of(session: Session, federation_id: UUID, reference_id: UUID) -> Reference:
    """A federation's reference by id."""
    found = repository.reference_of(session, federation_id, reference_id)
    if found is None:
        raise NotFoundError("reference", reference_id)
    return found


def series(
    session: Session, federation_id: UUID, model: str, subject: str, scope: str, limit: int
) -> list[Verdict]:
    """One subject's verdicts over rounds, oldest first."""
    return repository.series(session, federation_id, model, subject, scope, limit)
