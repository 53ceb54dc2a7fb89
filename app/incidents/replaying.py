"""A federation's history played once more, beside the service: with its own policies, or another.

Everything happens in a database of its own that is thrown away: rounds come in the order and at the
times in which they came, references are frozen as they were, and verdicts and incidents follow by
the same code. So nothing that is live is read by what is tried, or changed by it.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlmodel import Session, SQLModel

from app.core import clock, migrations, outbox
from app.core.database import Database
from app.core.outbox import OutboxState
from app.drift import service as drift
from app.drift import shards, wide
from app.drift.errors import TooFewRoundsError
from app.drift.references import BY_ITSELF
from app.drift.tables import Reference, Verdict
from app.federations import service as federations
from app.federations.policy import Policy, document_of, sha256_of
from app.federations.tables import Federation, PolicyVersion
from app.incidents import service
from app.incidents.errors import ReplayFailedError
from app.incidents.tables import Incident
from app.rounds import bin_specs
from app.rounds import service as rounds
from app.rounds.tables import Round

Progress = Callable[[int, int], None]  # rounds played, of how many
Numbers = tuple[Any, ...]
MOST = 10_000  # incidents that are compared
EXPLANATION = "explanation"  # in place of a detector
NEARBY = 5  # global steps between two openings that are taken for the same incident
RESEND_SECONDS = 1e9  # nothing gets lost here


@dataclass(frozen=True)
class Mismatch:
    """A verdict or explanation that the replay has otherwise than the service, or not at all."""

    step: int
    subject: str
    scope: str
    detector: str


@dataclass(frozen=True)
class Replayed:
    """What a replay under the federation's own policies found."""

    rounds: int
    verdicts: int
    mismatches: list[Mismatch]


@dataclass(frozen=True)
class Backtest:
    """Incidents under another policy beside today's: of both, of it alone, of today's alone."""

    rounds: int
    same: list[Incident]
    opened: list[Incident]
    spared: list[Incident]


def backtest(
    database: Database, name: str, policy: Policy, since: datetime, progress: Progress
) -> Backtest:
    """Play a federation's stored rounds under a policy; compare the incidents opened since then.

    Raises:
        NotFoundError: if there is no such federation.
    """
    with _history(database, name) as history:
        tried = history.add(policy)
        with _scratch(history) as scratch:
            played = _play(scratch, history, progress, lambda _round: tried)
            with scratch.read_scope() as session:
                found = service.list_of(session, history.federation.id, limit=MOST)
    theirs = [one for one in found if one.opened_at >= since]
    ours = [one for one in history.incidents if one.opened_at >= since]
    return Backtest(
        played,
        same=[one for one in theirs if _beside(one, ours)],
        opened=[one for one in theirs if not _beside(one, ours)],
        spared=[one for one in ours if not _beside(one, theirs)],
    )


def replay(database: Database, name: str, progress: Progress) -> Replayed:
    """Play a federation's stored rounds under the policies that they were judged by, and compare.

    Raises:
        NotFoundError: if there is no such federation.
    """
    with _history(database, name) as history, _scratch(history) as scratch:
        played = _play(scratch, history, progress, history.version_of)
        with scratch.read_scope() as session:
            again = {one.id: _numbers(session, one.id) for one in history.rounds}
    mismatches = [
        Mismatch(one.global_step, subject, scope or "federation", detector)
        for one in history.rounds
        for subject, scope, detector in sorted(_differing(history.verdicts[one.id], again[one.id]))
    ]
    verdicts = sum(
        detector != EXPLANATION for told in history.verdicts.values() for _, _, detector in told
    )
    return Replayed(played, verdicts, mismatches)


@dataclass
class _History:
    """What a federation has lived through, as it is read from its own database."""

    session: Session
    federation: Federation
    policies: list[PolicyVersion]
    rounds: list[Round]
    references: list[Reference]
    incidents: list[Incident]
    verdicts: dict[UUID, dict[tuple[str, str, str], Numbers]]

    def add(self, policy: Policy) -> int:
        """Have a policy among its own; the version that it is known by here."""
        document, newest = document_of(policy), max(one.version for one in self.policies)
        tried = PolicyVersion(
            federation_id=self.federation.id,
            version=newest + 1,
            document=document,
            sha256=sha256_of(document),
            set_by="backtest",
            set_at=clock.now(),
        )
        self.policies.append(tried)
        return tried.version

    def version_of(self, round_: Round) -> int:
        """The version of the policy that a round was judged by, or of the one in force."""
        evaluation = drift.evaluation_of(self.session, round_.id)
        if evaluation is None:
            return self.federation.policy_version
        return evaluation.policy_version


@contextmanager
def _history(database: Database, name: str) -> Iterator[_History]:
    with database.read_scope() as session:
        federation = federations.named(session, name)
        whole = rounds.whole(session, federation.id)
        yield _History(
            session,
            federation,
            federations.policy_versions(session, federation, limit=MOST),
            whole,
            [one for one in drift.every_reference(session, federation.id) if _asked_for(one)],
            service.list_of(session, federation.id, limit=MOST),
            {one.id: _numbers(session, one.id) for one in whole},
        )


@contextmanager
def _scratch(history: _History) -> Iterator[Database]:
    with tempfile.TemporaryDirectory(prefix="vigie-replay-") as folder:
        scratch = Database(f"sqlite:///{Path(folder) / 'replay.db'}")
        migrations.upgrade(scratch)
        with scratch.session_scope() as session:
            session.add(_copy(history.federation))
            session.flush()
            session.add_all(_copy(one) for one in history.policies)
            specs = bin_specs.every(history.session, history.federation)
            session.add_all(_copy(spec) for spec in specs)
        try:
            yield scratch
        finally:
            scratch.dispose()


def _play(
    scratch: Database,
    history: _History,
    progress: Progress,
    version_of: Callable[[Round], int],
) -> int:
    """Have every round, and every reference that somebody asked for, happen once more."""
    pending = list(history.references)
    for played, round_ in enumerate(history.rounds):
        while pending and pending[0].frozen_at <= round_.received_at:
            _freeze(scratch, history, pending.pop(0))
        with clock.using(_always(round_.received_at)):
            _take_in(scratch, history, round_, version_of(round_))
            _judge(scratch)
        progress(played + 1, len(history.rounds))
    return len(history.rounds)


def _take_in(scratch: Database, history: _History, round_: Round, version: int) -> None:
    """Store a round, under the policy that it is to be judged by."""
    with scratch.session_scope() as session:
        federation = federations.get(session, history.federation.id)
        (document,) = (one.document for one in history.policies if one.version == version)
        federation.policy_version, federation.policy = version, document
        session.add(federation)
        session.add(_copy(round_, state="received", evaluated_at=None))
        session.flush()
        session.add_all(_copy(block) for block in rounds.blocks_of(history.session, round_.id))
        outbox.enqueue(session, rounds.EVALUATE, round_.id)


def _judge(scratch: Database) -> None:
    """Have what there is to judge judged, and what follows from it; nobody is told of anything."""
    effects = {
        rounds.EVALUATE: service.on_round,
        shards.EVALUATE_SHARD: shards.at_once,
        wide.EVALUATE_WIDE: wide.at_once,
        shards.CONCLUDE: service.on_shards_judged,
    }
    while True:
        with scratch.session_scope() as session:
            due = outbox.claim_due(session, RESEND_SECONDS)
        if not due:
            return
        for one in due:
            effect = effects.get(one.task, _nothing)
            if outbox.settle(scratch, one.row_id, effect) != OutboxState.DONE:
                raise ReplayFailedError(one.task)


def _nothing(_session: Session, _subject: UUID) -> None:
    """What is left out of a replay: telling people, and what is asked of other services."""


def _always(at: datetime) -> clock.Clock:
    return lambda: at


def _freeze(scratch: Database, history: _History, reference: Reference) -> None:
    ids = [UUID(text) for text in reference.round_ids]
    with clock.using(_always(reference.frozen_at)), scratch.session_scope() as session:
        federation = federations.get(session, history.federation.id)
        try:
            drift.freeze_named(
                session, federation, reference.model, reference.version, ids, reference.frozen_by
            )
        except TooFewRoundsError:  # its rounds have been dropped since
            return


def _numbers(session: Session, round_id: UUID) -> dict[tuple[str, str, str], Numbers]:
    """What a round's verdicts and explanations say, by subject, scope and detector."""
    shared = (one for one in drift.verdicts_of(session, round_id) if one.scope != "client")
    verdicts = (*shared, *drift.client_verdicts(session, round_id))
    told: dict[tuple[str, str, str], Numbers] = {
        (one.subject, one.scope_key, one.detector): _told(one) for one in verdicts
    }
    for why in drift.explanations_of(session, round_id):
        told[why.subject, why.scope_key, EXPLANATION] = (why.sentence, why.explained, why.clients)
    return told


def _told(one: Verdict) -> Numbers:
    return one.outcome, one.statistic, one.effect, one.p_value, one.q_value


def _differing(
    before: dict[tuple[str, str, str], Numbers], after: dict[tuple[str, str, str], Numbers]
) -> set[tuple[str, str, str]]:
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _asked_for(reference: Reference) -> bool:
    return reference.frozen_by != BY_ITSELF


def _beside(incident: Incident, others: list[Incident]) -> bool:
    """Whether one of the others is of the same family and scope, and was opened about then."""
    return any(
        _place(other) == _place(incident)
        and abs(other.opened_step - incident.opened_step) <= NEARBY
        for other in others
    )


def _place(incident: Incident) -> tuple[str, str, str, str]:
    return incident.model, incident.family, incident.scope, incident.scope_key


def _copy(row: SQLModel, **changed: object) -> SQLModel:
    return type(row)(**{**row.model_dump(), **changed})
