"""References: frozen from named rounds, never from the window under test."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.database import one_at_a_time
from app.drift import repository
from app.drift.errors import RoundsBeforeOnsetError, TooFewRoundsError, TooFewRoundsYetError
from app.drift.tables import Reference
from app.federations import service as federations
from app.federations.policy import ReferencePolicy
from app.federations.tables import Federation
from app.rounds import service as rounds
from app.rounds.tables import Round

LEAST_ROUNDS = 5
CLIENTS_OF_A_SHARD = 16_384
BY_ITSELF = "policy"


def hold(session: Session, federation_id: UUID, model: str) -> None:
    """Let nobody else judge this model's rounds or freeze its references in this transaction.

    To be taken before the first audit entry, whose lock everybody else waits for.
    """
    one_at_a_time(session, f"{federation_id}/{model}/drift")


def freeze_named(
    session: Session,
    federation: Federation,
    model: str,
    version: str,
    round_ids: Sequence[UUID],
    actor: str,
) -> Reference:
    """Freeze a reference from these rounds and retire the one in force.

    Raises:
        TooFewRoundsError: if fewer than five of them measured the version.
    """
    hold(session, federation.id, model)
    measured = {round_.id for round_ in rounds.measuring(session, federation.id, model, version)}
    named = rounds.with_ids(session, federation.id, [i for i in round_ids if i in measured])
    if len(named) < LEAST_ROUNDS:
        raise TooFewRoundsError(len(named), LEAST_ROUNDS)
    return _freeze(session, federation, version, named, actor)


def freeze_newest(
    session: Session, federation: Federation, model: str, version: str, actor: str
) -> Reference | None:
    """Freeze a reference anew from the newest rounds that measured the version.

    None when there are too few; then it freezes by itself once there are enough. The caller has
    taken `hold`.
    """
    policy = _policy(federation)
    measured = rounds.measuring(session, federation.id, model, version)
    if len(measured) < min(policy.rounds, policy.most_rounds):
        return None
    return _freeze(session, federation, version, measured[-policy.most_rounds :], actor)


@dataclass(frozen=True)
class Acceptance:
    """What is accepted as the new normal: a version's state since an onset, for an incident."""

    model: str
    version: str
    onset_step: int
    incident_id: UUID
    why: str


def freeze_accepted(
    session: Session,
    federation: Federation,
    accepted: Acceptance,
    round_ids: Sequence[UUID] | None,
    actor: str,
) -> Reference:
    """Freeze a version's reference anew from rounds since an onset: named ones, or the newest.

    Only rounds after its last one are judged against it, so it never holds one under test.

    Raises:
        RoundsBeforeOnsetError: if a named round is older than the onset.
        TooFewRoundsError: if fewer than five of the named ones measured the version.
        TooFewRoundsYetError: if fewer than the policy's number measured it since the onset.
    """
    hold(session, federation.id, accepted.model)
    measured = rounds.measuring(session, federation.id, accepted.model, accepted.version)
    since = [round_ for round_ in measured if round_.global_step >= accepted.onset_step]
    if round_ids is None:
        policy = _policy(federation)
        needed = min(policy.rounds, policy.most_rounds)
        if len(since) < needed:
            raise TooFewRoundsYetError(len(since), needed, accepted.onset_step, LEAST_ROUNDS)
        chosen = since[-policy.most_rounds :]
    else:
        named = [round_ for round_ in measured if round_.id in set(round_ids)]
        if any(round_.global_step < accepted.onset_step for round_ in named):
            raise RoundsBeforeOnsetError(accepted.onset_step)
        if len(named) < LEAST_ROUNDS:
            raise TooFewRoundsError(len(named), LEAST_ROUNDS)
        chosen = named
    return _freeze(session, federation, accepted.version, chosen, actor, accepted)


def in_force(session: Session, federation: Federation, round_: Round) -> Reference | None:
    """The reference that a round may be judged against.

    A version without one gets it by itself as soon as the policy's number of rounds measured it. A
    round of the reference, or before its end, is not judged against it, but against the newest one
    before that ended earlier: so what was judged once is judged alike when it is corrected.
    """
    newest = repository.reference_in_force(session, federation.id, round_.model, round_.version)
    if newest is None:
        newest = _freeze_when_ready(session, federation, round_)
    # A round that overtook one of the reference's own finds it made just now, and is judged too.
    if newest is None or round_.global_step > newest.last_step:
        return newest
    return repository.reference_before(session, newest, round_.global_step)


def _freeze_when_ready(session: Session, federation: Federation, round_: Round) -> Reference | None:
    policy = _policy(federation)
    measured = rounds.measuring(session, federation.id, round_.model, round_.version)
    if len(measured) < policy.rounds:
        return None
    return _freeze(session, federation, round_.version, measured[: policy.rounds], BY_ITSELF)


def _policy(federation: Federation) -> ReferencePolicy:
    return federations.policy_of(federation).reference


def _freeze(
    session: Session,
    federation: Federation,
    version: str,
    named: Sequence[Round],
    actor: str,
    accepted: Acceptance | None = None,
) -> Reference:
    model = named[0].model
    retired = repository.reference_in_force(session, federation.id, model, version)
    if retired is not None:
        retired.retired_at = clock.now()
        session.add(retired)
    reference = Reference(
        federation_id=federation.id,
        model=model,
        version=version,
        number=repository.next_number(session, federation.id, model, version),
        round_ids=[str(round_.id) for round_ in named],
        last_step=max(round_.global_step for round_ in named),
        shards=ceil(max(round_.accepted for round_ in named) / CLIENTS_OF_A_SHARD),
        sha256=_content_hash(named),
        frozen_at=clock.now(),
        frozen_by=actor,
        parent=retired.id if retired else None,
        incident_id=accepted.incident_id if accepted else None,
        why=accepted.why if accepted else None,
    )
    session.add(reference)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="reference.freeze",
        entity=f"reference:{reference.id}",
        federation_id=federation.id,
        before={"reference": str(retired.id)} if retired else None,
        after={
            "model": model,
            "version": version,
            "number": reference.number,
            "rounds": reference.round_ids,
            "sha256": reference.sha256,
        },
        why=reference.why,
    )
    return reference


def _content_hash(named: Sequence[Round]) -> str:
    lines = "\n".join(f"{round_.id} {round_.body_sha256}" for round_ in named)
    return hashlib.sha256(lines.encode()).hexdigest()
