"""The streams of a shard between rounds: read where they stood, moved on, and kept.

A state belongs to one reference, one shard and the round that moved it. Rounds that came since and
are not in it yet are caught up with; states of later rounds are dropped when an earlier one comes,
and those rounds are judged again.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
import numpy as np
from sqlmodel import Session

from app.drift import cases, repository
from app.drift.measurements import Floats
from app.drift.tables import Reference, StreamState
from app.drift.watching import Chosen, Standard, Watch
from app.rounds.records import PSEUDONYM, Pseudonyms
from app.rounds.tables import Round

WIDE = -1  # the shard of the federation's own streams
STATES_KEPT = 4
MOST_ROUNDS = 260  # that are caught up with at most


class _Stored(msgspec.Struct):
    subjects: list[str]
    clients: bytes
    watch: bytes


@dataclass(frozen=True, eq=False)
class Streams:
    """The streams of a shard: each subject's of each client, one subject after the other.

    `reference` are their values in the reference's rounds, shape (rounds, streams), NaN where not
    told; `detectors` watch them. The federation's own streams are those of one nameless client.
    """

    subjects: Sequence[str]
    clients: Pseudonyms
    reference: Floats
    detectors: Sequence[Chosen]


@dataclass(frozen=True, eq=False)
class Moved:
    """Where streams stand after a round, with the round's own scores."""

    watch: Watch
    scores: Floats
    detectors: Sequence[Chosen]


def resume(
    session: Session, reference: Reference, shard: int, round_: Round, streams: Streams
) -> tuple[Watch | None, list[Round]]:
    """Where a shard's streams stood before a round, and the rounds that they have missed since.

    None is where they stand at the end of the reference.
    """
    found = repository.newest_state(session, reference.id, shard, round_.global_step)
    watch = None if found is None else _resumed(found.data, streams)
    step = reference.last_step if found is None or watch is None else found.global_step
    return watch, cases.since(session, round_, step, MOST_ROUNDS)


def stored(
    session: Session, reference: Reference, shard: int, round_: Round
) -> tuple[bytes | None, list[Round]]:
    """What else is kept for a reference, as it stood before a round, and the rounds missed since.

    None is how it stands at the end of the reference.
    """
    found = repository.newest_state(session, reference.id, shard, round_.global_step)
    step = reference.last_step if found is None else found.global_step
    data = None if found is None else found.data
    return data, cases.since(session, round_, step, MOST_ROUNDS)


def move(watch: Watch | None, streams: Streams, rounds: Iterable[Floats]) -> Moved:
    """Move streams on by their values in these rounds, NaN where not told."""
    standard = Standard.of(streams.reference)
    watch = watch or Watch.after(standard.scores(streams.reference), streams.detectors)
    scores = np.full(streams.reference.shape[1], np.nan)
    for values in rounds:
        scores = standard.scores(values)
        watch.advance(scores, streams.detectors)
    return Moved(watch, scores, streams.detectors)


def keep(session: Session, reference_id: UUID, shard: int, round_: Round, data: bytes) -> None:
    """Keep where a shard's streams stand after a round."""
    state = StreamState(
        reference_id=reference_id,
        shard=shard,
        round_id=round_.id,
        global_step=round_.global_step,
        sha256=hashlib.sha256(data).hexdigest(),
        data=data,
    )
    repository.replace_state(session, state, keep=STATES_KEPT)


def packed(streams: Streams, watch: Watch) -> bytes:
    """Streams as they are kept."""
    stored = _Stored(list(streams.subjects), streams.clients.tobytes(), watch.snapshot())
    return msgspec.msgpack.encode(stored)


def without(data: bytes, clients: Pseudonyms) -> bytes | None:
    """Kept streams without those of these clients; None if none of them is there."""
    stored = msgspec.msgpack.decode(data, type=_Stored)
    known = np.frombuffer(stored.clients, PSEUDONYM)
    stay = ~np.isin(known, clients)
    if stay.all():
        return None
    watch = Watch.restore(stored.watch)
    watch.keep(np.tile(stay, len(stored.subjects)))
    left = _Stored(stored.subjects, known[stay].tobytes(), watch.snapshot())
    return msgspec.msgpack.encode(left)


def _resumed(data: bytes, streams: Streams) -> Watch | None:
    """The stored streams, if they are these."""
    stored = msgspec.msgpack.decode(data, type=_Stored)
    if stored.clients != streams.clients.tobytes() or stored.subjects != [*streams.subjects]:
        return None
    watch = Watch.restore(stored.watch)
    return watch if watch.blocks.keys() == {one.key for one in streams.detectors} else None
