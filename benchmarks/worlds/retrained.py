"""Beijing's air with an FL server that retrains when Vigie asks, and people who decide.

The model of March to August 2013 begins to serve as in `beijing.py`. What a request asks for is
trained on the newest weeks, runs beside the champion as its canary, and is promoted once the
comparison says so; a candidate that does not get so far in time is left. The champion before goes
on being measured for as long as Vigie asks, and people go back to it where that is proposed.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
from sqlmodel import Session, col, func, select
from vigie_client import Bins, Summary

from app.core import clock, outbox
from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.tables import Federation
from app.incidents import notices
from app.incidents.asking import ASSESS
from app.incidents.notices import ANNOUNCE, ANNOUNCE_REQUEST, LOG
from app.incidents.tables import Notice
from app.registry import promoting
from app.registry import service as registry
from app.registry.approving import ROLLBACK
from app.registry.mirroring import Mirrored
from app.registry.promoting import ON_APPLIED
from app.registry.promotions import PromotionState
from app.registry.shadow import WATCH
from app.registry.tables import Promotion
from app.registry.twins import Held
from benchmarks.worlds.beijing import START, Beijing, _examples, _inputs, _label, _table
from benchmarks.worlds.model import ROUNDS, Logistic, train
from benchmarks.worlds.service import JUDGING, MODEL, RESEND_SECONDS, Service, in_process, perform
from benchmarks.worlds.world import POSITIVE_FROM, Examples, Record, WorldRound, pseudonym

WEEKS_OF_TRAINING = 26
MOST_CANARY_ROUNDS = 8
BYTES_OF_A_WEIGHT = 8
FOLLOWING = JUDGING | {ASSESS, ANNOUNCE_REQUEST, ON_APPLIED, WATCH}
PEOPLE = Settings(secret="s" * 32)  # whose notices go to the log alone
RETRAINING = {
    "rounds": ROUNDS,
    "window_rounds": WEEKS_OF_TRAINING,
    "families": ["concept", "data"],
    "benefit": {"required": True},
}


@dataclass
class Played:
    """What became of a history: alerts, requests, errors by round, and what training cost."""

    alerts: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    promoted: list[str] = field(default_factory=list)
    went_back: list[str] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    examples: list[int] = field(default_factory=list)
    client_seconds: float = 0.0
    bytes: float = 0.0

    @property
    def error(self) -> float:
        """Wrong answers of the version in use, as a share of all."""
        return sum(self.wrong) / sum(self.examples)


def play(*, retraining: bool, rounds: int | None = None) -> Played:
    """Play it with the policy that retrains, or with one that does not."""
    world = Beijing()
    policy = {**world.setting.policy, "retraining": {**RETRAINING, "automatic": retraining}}
    with in_process(replace(world.setting, policy=policy)) as running:
        return _History(running, Bins(world.setting.bin_spec)).play(islice(world.rounds(), rounds))


class _History:
    def __init__(self, running: Service, bins: Bins) -> None:
        self.running, self.bins = running, bins
        self.models: dict[str, Logistic] = {}
        self.champion, self.canary, self.before = "1", "", ""
        self.looks = 0  # at the canary
        self.played = Played()
        self.pushes = 0

    def play(self, rounds: Iterator[WorldRound]) -> Played:
        """Round by round: measured, judged, and what is asked for done."""
        start = pd.Timestamp(START)
        self._train("first", start)
        body = {"run": "first", "weights_sha256": "0" * 64}
        self.running.call(Role.INGEST, "POST", f"/models/{MODEL}/versions", body)
        for step, each in enumerate(rounds, 1):
            with clock.using(lambda at=each.ended_at: at):  # type: ignore[misc]
                self._measure(step, each)
                settle(self.running.database)
                self._decide()
                self._retrain_if_asked(pd.Timestamp(each.ended_at).tz_localize(None))
                settle(self.running.database)
        return self._told()

    def _measure(self, step: int, each: WorldRound) -> None:
        hours = _hours(each)
        model, beside = self.models[self.champion], self.models.get(self.canary or self.before)
        measured = [_examples(station, model) for station in hours]
        others = [beside.probability(_inputs(station)) for station in hours] if beside else []
        for one in measured:
            says = one.probability >= POSITIVE_FROM
            self.played.wrong.append(int((says != one.label).sum()))
            self.played.examples.append(len(one.label))
        records = [
            _record(one, self.bins, others[at] if others else None)
            for at, one in enumerate(measured)
        ]
        ref = {"name": MODEL, "version": self.champion}
        if beside is not None:
            ref["canary_version"] = self.canary or self.before
            self.looks += 1
        phase = "canary" if beside else "evaluate"
        self._push(phase, step, ref, records, each.started_at, each.ended_at)

    def _push(
        self,
        phase: str,
        step: int,
        ref: Mapping[str, str],
        records: Sequence[Record],
        start: datetime,
        end: datetime,
        **more: Any,  # noqa: ANN401 - fields of the envelope
    ) -> None:
        self.pushes += 1
        body = {
            "schema_version": 1,
            "global_step": step,
            "model": ref,
            "started_at": start.isoformat(),
            "ended_at": end.isoformat(),
            "bin_spec": self.running.bin_spec,
            "clients": records,
            **more,
        }
        self.running.call(Role.INGEST, "POST", f"/runs/world/rounds/{self.pushes}/{phase}", body)

    def _train(self, name: str, until: "pd.Timestamp", step: int = 0) -> None:
        """A model of the weeks before a time; what that cost is reported as a fit round."""
        table = _table()
        since = until - pd.Timedelta(weeks=WEEKS_OF_TRAINING)
        known = table[(table["ts"] < until) & (table["ts"] >= since)]
        stations = [(_inputs(own), _label(own)) for _, own in known.groupby("station")]
        began = time.process_time()
        self.models[name] = train(stations)
        each = 1e3 * (time.process_time() - began) / ROUNDS / len(stations)
        volume = float(len(stations) * len(self.models[name].weights) * BYTES_OF_A_WEIGHT)
        if name == "first":
            self.models[self.champion] = self.models.pop(name)
        else:
            self.played.client_seconds += each * ROUNDS * len(stations) / 1e3
            self.played.bytes += 2 * volume * ROUNDS
        records = [
            {
                "client": pseudonym(str(station)),
                "num_examples": len(own),
                "resources": {"train_ms": each},
            }
            for station, own in known.groupby("station")
        ]
        at = until.tz_localize("UTC").to_pydatetime()
        told = {"participation": {"bytes_up": volume, "bytes_down": volume}}
        ref = {"name": MODEL, "version": self.champion}
        self._push("fit", step, ref, records, at - timedelta(hours=1), at, **told)

    def _retrain_if_asked(self, until: "pd.Timestamp") -> None:
        claim = {"model": MODEL, "claimer": "fl-1", "lease_seconds": 3600}
        found = _claimed(self.running, claim)
        if found is None:
            return
        self._train("next", until, found["requested_step"])
        body = {"claimer": "fl-1", "run": found["id"][:8], "rounds": ROUNDS}
        body["weights_sha256"] = f"{self.pushes:064x}"
        path = f"/retrain-requests/{found['id']}/complete"
        done = self.running.call(Role.INGEST, "POST", path, body)
        self.canary, self.looks = done["result_version"], 0
        self.models[self.canary] = self.models.pop("next")

    def _decide(self) -> None:
        """What a validator does: promote what the comparison recommends, leave what it does not."""
        if not self.canary:
            self._look_back()
        elif self.looks:
            path = f"/models/{MODEL}/versions/{self.canary}/comparison"
            action = self.running.call(Role.OWNER, "GET", path)["recommendation"]["action"]
            if action == "promote":
                with self.running.database.session_scope() as session:
                    _promote(session, _federation(session), self.canary)
                self.played.promoted.append(self.canary)
                self.champion, self.canary, self.before = self.canary, "", self.champion
            elif action == "reject" or self.looks >= MOST_CANARY_ROUNDS:
                self.canary = ""

    def _look_back(self) -> None:
        """Go back to the champion before where that is proposed; measure it while that is asked."""
        if not self.before:
            return
        with self.running.database.session_scope() as session:
            here = _federation(session)
            proposed = [one for one in registry.promotions_of(session, here.id) if _waits(one)]
            for one in proposed:
                _apply(session, here, one.id)
        shadow = self.running.call(Role.OWNER, "GET", f"/models/{MODEL}/shadow")
        if proposed:
            self.played.went_back.append(self.before)
            self.champion, self.before = self.before, ""
        elif not shadow["rounds_left"]:
            self.before = ""

    def _told(self) -> Played:
        call, played = self.running.call, self.played
        played.requests = call(Role.OWNER, "GET", "/retrain-requests?limit=1000")[::-1]
        played.decisions = call(Role.OWNER, "GET", "/retrain-requests/decisions?limit=1000")[::-1]
        with self.running.database.read_scope() as session:
            of_incidents = col(Notice.incident_id).is_not(None)
            sent = select(func.count()).where(Notice.channel == LOG, of_incidents)
            played.alerts = session.exec(sent).one()
        for request in played.requests:
            with_outcome = _outcome(self.running, request["id"])
            played.outcomes += [with_outcome] if with_outcome else []
        return played


def settle(database: Database) -> None:
    """Do what follows from rounds and decisions, as workers do; nothing goes to MLflow."""
    while True:
        with database.session_scope() as session:
            due = outbox.claim_due(session, RESEND_SECONDS)
        mine = [one for one in due if one.task in FOLLOWING or one.task == ANNOUNCE]
        if not mine:
            return
        for one in mine:
            if one.task == ANNOUNCE:
                outbox.settle(database, one.row_id, _spread)
            else:
                perform(database, one)


def _spread(session: Session, announcement_id: UUID) -> None:
    notices.spread(session, announcement_id, PEOPLE)


def _hours(each: WorldRound) -> list["pd.DataFrame"]:
    table = _table()
    start, end = (pd.Timestamp(at).tz_localize(None) for at in (each.started_at, each.ended_at))
    week = table[(table["ts"] >= start) & (table["ts"] < end)]
    return [station for _, station in week.groupby("station")]


def _record(one: Examples, bins: Bins, candidate: "np.ndarray[Any, Any] | None") -> Record:
    summary = Summary(bins, positive_from=POSITIVE_FROM)
    summary.add(one.probability, one.label, features=one.features, candidate=candidate)
    return summary.record(pseudonym(one.client), cohorts=one.cohorts)


def _claimed(running: Service, claim: Mapping[str, object]) -> dict[str, Any] | None:
    """The request that waits, if one does."""
    waiting = running.call(Role.INGEST, "GET", "/retrain-requests?limit=1")
    if not waiting or waiting[0]["state"] != "requested":
        return None
    found: dict[str, Any] = running.call(Role.INGEST, "POST", "/retrain-requests/claim", claim)
    return found


def _outcome(running: Service, request_id: str) -> dict[str, Any] | None:
    try:
        path = f"/retrain-requests/{request_id}/outcome"
        found: dict[str, Any] = running.call(Role.OWNER, "GET", path)
    except RuntimeError:  # not known yet
        return None
    return found


def _federation(session: Session) -> Federation:
    return federations.everyone(session)[0]


def _waits(promotion: Promotion) -> bool:
    """Whether it proposes to go back, and nobody has decided yet."""
    return promotion.kind == ROLLBACK and promotion.state == PromotionState.AWAITING_REVIEW


def _promote(session: Session, here: Federation, version: str) -> None:
    """Two people decide."""
    draft = registry.draft_promotion(session, here, MODEL, version, "owner", "it is better")
    _apply(session, here, registry.submit(session, here, draft.id, "owner").id)


def _apply(session: Session, here: Federation, promotion_id: UUID) -> None:
    """The validator approves what was submitted, and it is put in force, with MLflow left out."""
    seen = registry.get_promotion(session, here.id, promotion_id).evidence_sha256
    assert seen is not None, "it was frozen when it was submitted"
    registry.approve(
        session,
        here,
        promotion_id,
        "validator",
        "it is better",
        role=Role.VALIDATOR,
        evidence_sha256=seen,
    )
    wanted = promoting.prepare(session, promotion_id)
    assert wanted is not None, "it was approved just now"
    held = {name: Held(name, twin.tags, "") for name, twin in wanted.twins.items()}
    promoting.record(session, promotion_id, Mirrored(wanted, held, {}, wanted.aliases))
