"""Judged rounds as they lie in the database, for tests of incidents and what follows from them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, select

from app.core import clock
from app.core.outbox import OutboxRow, OutboxState
from app.core.settings import Settings
from app.drift import service as drift
from app.drift.tables import Evaluation, Reference, Verdict
from app.federations import service as federations
from app.federations.policy import Policy
from app.federations.tables import Federation
from app.incidents import notices, service
from app.incidents.notices import ANNOUNCE
from app.incidents.tables import Incident, Notice
from app.rounds import service as rounds
from app.rounds.tables import Round
from tests.rounds import pseudonym

MODEL = "late-arrival"
AT = datetime(2013, 6, 10, 12, tzinfo=UTC)
RATES = ("label:late", "error_rate", "log_loss")


def verdict(scope: str = "federation", key: str = "", **more: Any) -> Verdict:
    """A drift of the share of late arrivals, 1.6 times what is practical."""
    fields: dict[str, Any] = {
        "subject": "label:late",
        "family": "concept",
        "scope": scope,
        "scope_key": key,
        "detector": "median-shift",
        "outcome": "drift",
        "statistic": 4.0,
        "effect": 0.08,
        "effect_unit": "probability",
        "p_value": 0.001,
        "q_value": 0.004,
        "error_budget": 0.05,
        "threshold": 0.05,
        "policy_version": 1,
    }
    return Verdict(**(fields | more))


def at_clients(drifting: int, judged: int, **more: Any) -> list[Verdict]:
    """Verdicts on `judged` clients, of which the first `drifting` drifted."""
    moved = [("drift", 0.08)] * drifting + [("stable", 0.001)] * (judged - drifting)
    return [
        verdict("client", pseudonym(number), **({"outcome": outcome, "effect": effect} | more))
        for number, (outcome, effect) in enumerate(moved)
    ]


def stable(**more: Any) -> Verdict:
    fields: dict[str, Any] = {"outcome": "stable", "effect": 0.001, "q_value": 0.9}
    return verdict(**(fields | more))


def breadth(found: Verdict, told: Sequence[Verdict]) -> dict[str, int]:
    """What a verdict on the federation says of the clients' verdicts on the same subject."""
    each = [one for one in told if one.scope == "client" and one.subject == found.subject]
    judged = [one for one in each if one.outcome != "insufficient_evidence"]
    moved = [one for one in judged if (one.effect or 0) * (found.effect or 0) > 0]
    return {
        "clients_judged": len(judged),
        "clients_drifting": sum(one.outcome == "drift" for one in judged),
        "clients_moved": sum(abs(one.effect or 0) >= one.threshold for one in moved),
    }


def concluded(told: Sequence[Verdict]) -> list[Verdict]:
    """Verdicts as judging leaves them: clients' are counted, and kept where they drift."""
    for found in told:
        if found.scope == "federation":
            found.explanation = {**found.explanation, **breadth(found, told)}
    return [found for found in told if found.scope != "client" or found.outcome == "drift"]


class Story:
    """A model's judged rounds, one after the other; `drift.conclude` is told what it finds."""

    def __init__(self, session: Session, federation: Federation, monkeypatch: Any) -> None:
        self.session, self.federation = session, federation
        self.found: dict[UUID, Sequence[Verdict]] = {}
        self.references: dict[str, Reference] = {}
        self.pushed = 0
        monkeypatch.setattr(drift, "begin", self.begin)
        monkeypatch.setattr(drift, "conclude", self.conclude)
        monkeypatch.setattr(drift, "stale", lambda _session, _evaluation: None)

    def begin(self, session: Session, round_: Round) -> Evaluation | None:
        if not self.found[round_.id]:
            return None
        made = Evaluation(
            federation_id=round_.federation_id, round_id=round_.id, model=round_.model,
            reference_id=self.reference(round_.version).id, version=round_.version,
            global_step=round_.global_step, policy_version=1, inputs_sha256="0" * 64, shards=1,
            state="evaluated", began_at=clock.now(),
        )  # fmt: skip
        session.add(made)
        return made

    def conclude(self, session: Session, evaluation: Evaluation) -> list[Verdict]:
        round_ = rounds.received(session, evaluation.round_id)
        verdicts = concluded(self.found[round_.id])
        for found in verdicts:
            found.federation_id, found.round_id = round_.federation_id, round_.id
            found.model, found.version = round_.model, round_.version
            found.global_step, found.at = round_.global_step, clock.now()
            found.reference_id = self.reference(round_.version).id
        session.add_all(verdicts)
        session.flush()
        return verdicts

    def reference(self, version: str) -> Reference:
        if version not in self.references:
            made = Reference(
                federation_id=self.federation.id, model=MODEL, version=version, number=1,
                round_ids=[], last_step=0, sha256="0" * 64, frozen_at=AT, frozen_by="test",
            )  # fmt: skip
            self.session.add(made)
            self.session.flush()
            self.references[version] = made
        return self.references[version]

    def push(self, step: int, *verdicts: Verdict, version: str = "1") -> Round:
        """Store a round and have its outbox task's effect."""
        self.pushed += 1
        at = AT + timedelta(weeks=step)
        round_ = Round(
            federation_id=self.federation.id, run="serve", number=self.pushed, phase="evaluate",
            attempt=1, global_step=step, model=MODEL, version=version, started_at=at, ended_at=at,
            envelope={}, body_sha256="0" * 64, receipt={}, accepted=1, quarantined=0,
            received_at=at,
        )  # fmt: skip
        self.session.add(round_)
        self.session.flush()
        self.found[round_.id] = verdicts
        service.on_round(self.session, round_.id)
        self.session.flush()
        return round_

    def policy(self, **parts: Any) -> None:
        federations.set_policy(self.session, self.federation, Policy.model_validate(parts), "test")

    def incidents(self) -> list[Incident]:
        """All of them, oldest first."""
        return service.list_of(self.session, self.federation.id)[::-1]

    def only_incident(self) -> Incident:
        (incident,) = self.incidents()
        return incident

    def spread(self, settings: Settings | None = None) -> None:
        """What a worker does with the announcements that wait."""
        waiting = select(OutboxRow).where(
            OutboxRow.task == ANNOUNCE, OutboxRow.state == OutboxState.PENDING
        )
        for row in self.session.exec(waiting.order_by(col(OutboxRow.created_at))).all():
            notices.spread(self.session, row.subject, settings or Settings())
            row.state = OutboxState.DONE
            self.session.add(row)
        self.session.flush()

    def notices(self, settings: Settings | None = None) -> list[tuple[str, str, str]]:
        """Event, channel and state of every notice."""
        self.spread(settings)
        rows = self.session.exec(select(Notice).order_by(col(Notice.at), col(Notice.channel)))
        return [(notice.event, notice.channel, notice.state) for notice in rows]
