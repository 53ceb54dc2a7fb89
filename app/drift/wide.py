"""What a round says of the federation and its cohorts: judged beside its shards, or with it.

Nothing of it depends on what single clients are found to do, so a worker has it done while others
judge clients. Gathered from the database, worked out without it, and recorded, as a shard is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from sqlmodel import Session

from app.core import clock
from app.drift import (
    cases,
    claims,
    linking,
    measuring,
    perspectives,
    shards,
    streams,
    watched,
)
from app.drift.claims import CLAIMS, Claims
from app.drift.explaining.levels import Levels, levels_of
from app.drift.findings import Case, Finding
from app.drift.judging import judge
from app.drift.linking import JOINED
from app.drift.measurements import Floats
from app.drift.scopes import Scope, ScopeKind
from app.drift.streams import WIDE, Streams
from app.drift.tables import Reference
from app.drift.watching import Watch
from app.federations.tables import Federation
from app.rounds import service as rounds
from app.rounds.tables import Round
from detectors import Outcome

EVALUATE_WIDE = "drift.evaluate_wide"


@dataclass(frozen=True, eq=False)
class Work:
    """What it is judged from: cases, the round's own first; streams with what they have missed."""

    own: Case
    cases: Sequence[Case]
    joined: bytes
    streams: Streams
    watch: Watch | None
    values: Floats
    claims: Claims | None


@dataclass(frozen=True, eq=False)
class Wide:
    """What was found, where every subject stands, and what is kept for the next round, by shard.

    Without `cases` it was found by another process, and nobody knows who is in the scopes.
    """

    findings: Sequence[Finding]
    levels: Levels
    states: Mapping[int, bytes]
    cases: Sequence[Case] = ()


def gather(
    session: Session, federation: Federation, case: Case, round_: Round, reference: Reference
) -> Work:
    """What the federation and its cohorts are judged from, given the round's case."""
    own = linking.resume(session, federation, case, round_, reference)
    wide = watched.wide_streams(own)
    watch, missed = streams.resume(session, reference, WIDE, round_, wide)
    measures = measuring.measure(session, federation, missed, round_.version)
    return Work(
        own,
        cases_of(session, federation, own, round_),
        linking.link(own, own.current).pack(),
        wide,
        watch,
        watched.wide_values(own, [*measures, own.current]),
        claims.resume(session, federation, own, round_, reference),
    )


def cases_of(
    session: Session, federation: Federation, own: Case, round_: Round
) -> tuple[Case, ...]:
    """The cases that subjects are judged by, given the round's own one, linked to who joined."""
    standing = perspectives.standing(session, federation, round_, own)
    return (standing, *perspectives.others(session, federation, round_, standing))


def perform(work: Work) -> Wide:
    """Judge the federation and its cohorts, and move their streams on."""
    moved = streams.move(work.watch, work.streams, work.values)
    standing, *others = work.cases
    alarms = watched.wide_alarms(work.own, moved)
    found = judge(standing, [replace(one, scope=standing.scopes[0]) for one in alarms], others)
    states = {JOINED: work.joined, WIDE: streams.packed(work.streams, moved.watch)}
    if work.claims is not None:
        found += claims.judge_claims(work.own, work.claims)
        states[CLAIMS] = msgspec.msgpack.encode(work.claims)
    return Wide(found, levels_of(work.cases), states, work.cases)


def keep(session: Session, wide: Wide, reference_id: UUID, round_: Round) -> None:
    """Keep what the next round goes on from."""
    for shard, data in wide.states.items():
        streams.keep(session, reference_id, shard, round_, data)


def prepare(session: Session, part_id: UUID) -> Work | None:
    """What a part that waits is judged from; None when it does not wait any more."""
    found = shards.waiting(session, part_id)
    if found is None:
        return None
    _, evaluation = found
    federation, round_, reference = shards.subject_of(session, evaluation)
    case = cases.build(session, federation, round_, reference)
    return gather(session, federation, case, round_, reference)


def record(session: Session, part_id: UUID, wide: Wide) -> None:
    """Keep what was found, and have the round concluded once no part of it waits."""
    found = shards.waiting(session, part_id)
    if found is not None:
        part, evaluation = found
        round_ = rounds.get(session, evaluation.federation_id, evaluation.round_id)
        keep(session, wide, evaluation.reference_id, round_)
        part.state, part.data, part.ended_at = "judged", pack(wide), clock.now()
        session.add(part)
        shards.conclude_after_the_last(session, evaluation)


def at_once(session: Session, part_id: UUID) -> None:
    """Judge it in one transaction, where nobody else waits to write."""
    work = prepare(session, part_id)
    if work is not None:
        record(session, part_id, perform(work))


class _Told(msgspec.Struct):
    """A finding without who is in its scope."""

    scope: ScopeKind
    key: str
    outcome: str
    others: dict[str, Any]


class _Packed(msgspec.Struct):
    findings: list[_Told]
    levels: bytes


def pack(wide: Wide) -> bytes:
    """Findings and levels as bytes; of scopes, their names."""
    told = [
        _Told(
            one.scope.kind,
            one.scope.key,
            one.outcome.value,
            {name: value for name, value in vars(one).items() if name not in {"scope", "outcome"}},
        )
        for one in wide.findings
    ]
    return msgspec.msgpack.encode(_Packed(told, wide.levels.packed()), enc_hook=_plain)


def unpack(data: bytes) -> Wide:
    """What `pack` packed; the scopes are empty until they are `located`."""
    packed = msgspec.msgpack.decode(data, type=_Packed)
    findings = [
        Finding(
            scope=Scope(one.scope, one.key, np.empty(0)),
            outcome=Outcome(one.outcome),
            **one.others,
        )
        for one in packed.findings
    ]
    return Wide(findings, Levels.unpacked(packed.levels), {})


def located(wide: Wide, judged: Sequence[Case]) -> Wide:
    """The same with its cases, and who is in the scopes of the subjects that they tell."""
    scopes = {
        (subject, scope.kind, scope.key): scope
        for case in reversed(judged)
        for subject in (*case.rates, *case.histograms)
        for scope in case.scopes
    }
    findings = [
        replace(one, scope=scopes.get((one.subject, one.scope.kind, one.scope.key), one.scope))
        for one in wide.findings
    ]
    return replace(wide, findings=findings, cases=judged)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a number of numpy's as one of Python's
    return value.item()
