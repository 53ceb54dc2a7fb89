"""From stored rounds to a case: the reference's measures and the newest rounds' before a round."""

from uuid import UUID

from sqlmodel import Session

from app.drift import measurements
from app.drift.findings import Case
from app.drift.measuring import measure
from app.drift.references import LEAST_ROUNDS
from app.drift.tables import Reference
from app.federations import service as federations
from app.federations.policy import ReferencePolicy
from app.federations.tables import Federation
from app.rounds import bin_specs
from app.rounds import service as rounds
from app.rounds.records import Mine
from app.rounds.tables import Round

# Of one step there may be a round in each phase that measures, and of more than one run.
MOST_OF_A_STEP = 8
BEFORE_ANY = -1  # a global step
_DIGITS = 4  # of a pseudonym's first, by which shards divide: they are a keyed hash, so even


def build(
    session: Session,
    federation: Federation,
    round_: Round,
    reference: Reference,
    shard: int | None = None,
) -> Case:
    """The case of a round, or what one shard of its clients says of it."""
    policy = federations.policy_of(federation).drift
    latest = [*before(session, round_, reference, policy.latest_rounds - 1), round_]
    frozen = reference_rounds(session, reference)
    mine = _members(shard, reference.shards)
    return Case(
        reference=measure(
            session, federation, frozen, round_.version, until=reference.frozen_at, mine=mine
        ),
        latest=measure(session, federation, latest, round_.version, mine=mine),
        rounds_since=len(latest),
        policy=policy,
        min_cohort_size=federation.min_cohort_size,
        units=measurements.units(bin_specs.bins_of(session, federation, round_)),
        mine=mine,
    )


def moving(
    session: Session, federation: Federation, round_: Round, policy: ReferencePolicy
) -> list[Round] | None:
    """The rounds of a reference that moves along; None while there are too few, or for a fixed one.

    They never overlap the rounds under test.
    """
    window = policy.window(federations.policy_of(federation).drift.latest_rounds)
    if window is None:
        return None
    earlier = since(session, round_, BEFORE_ANY, window.oldest)
    taken = earlier[len(earlier) - window.oldest : len(earlier) - window.newest + 1]
    return taken if len(earlier) == window.oldest and len(taken) >= LEAST_ROUNDS else None


def before(session: Session, round_: Round, reference: Reference, count: int) -> list[Round]:
    """The version's newest rounds since the reference and before this one, one a step."""
    return since(session, round_, reference.last_step, count) if count else []


def since(session: Session, round_: Round, step: int, count: int) -> list[Round]:
    """The newest `count` rounds of a round's version after a step and before it, one a step."""
    newest_first = rounds.between(
        session,
        round_.federation_id,
        round_.model,
        round_.version,
        after=step,
        before=round_.global_step,
        limit=count * MOST_OF_A_STEP,
    )
    by_step: dict[int, Round] = {}
    for other in newest_first:
        by_step.setdefault(other.global_step, other)
    return [by_step[step] for step in sorted(by_step)[-count:]]


def reference_rounds(session: Session, reference: Reference) -> list[Round]:
    """The rounds that a reference was frozen from."""
    ids = [UUID(text) for text in reference.round_ids]
    return rounds.with_ids(session, reference.federation_id, ids)


def _members(shard: int | None, shards: int) -> Mine | None:
    if shard is None or shards == 1:
        return None
    return Mine(_first_of(shard, shards), _first_of(shard + 1, shards))


def _first_of(shard: int, shards: int) -> bytes:
    """The pseudonym that a shard begins with; of the one behind the last, what is behind all."""
    place = -(-shard * 16**_DIGITS // shards)
    return b"c_%04x" % place if shard < shards else b"d"
