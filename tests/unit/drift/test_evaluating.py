"""Judging rounds as tasks: at once or in shards, in any order, and again when more comes."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session, col, delete, select

from app.core import clock, outbox
from app.core.database import Database
from app.drift import measuring, service, shards
from app.drift.tables import Evaluation, EvaluationShard, Reference, StreamState, Verdict
from app.federations.policy import Policy
from app.federations.roles import Role
from app.federations.tables import Federation
from app.incidents import replaying
from app.rounds.tables import Round
from tests.rounds import BIN_SPEC, body, pseudonym, record
from tests.working import EFFECTS_HERE, judge
from workers.effects import External

FEDERATION = "/v1/federations/flights"
CLIENTS = [f"carrier {number}" for number in range(12)]
REFERENCE_ROUNDS, ROUNDS, LATE = 8, 13, 11
JUDGED = range(REFERENCE_ROUNDS + 1, ROUNDS + 1)


class Story:
    """A federation whose rounds are pushed and judged as tasks."""

    def __init__(self, api: TestClient, database: Database, key_of: Any) -> None:
        self.api, self.database, self.headers = api, database, key_of(Role.INGEST)
        made = api.post(f"{FEDERATION}/bin-specs", json=BIN_SPEC, headers=self.headers)
        self.spec = made.json()["id"]
        self.hours = [0.1, 0.4, 0.4, 0.1]

    def push(self, step: int, late: int = 20, phase: str = "evaluate", **more: Any) -> None:
        """A round of all clients; its numbers follow from its step."""
        rng = np.random.default_rng(step)
        records = [
            record(name, 200, int(rng.binomial(200, late / 100)), **self.says(rng))
            for name in CLIENTS
        ]
        url = f"{FEDERATION}/runs/serve/rounds/{step}/{phase}"
        told = body(*records, step=step, spec=self.spec, **more)
        answer = self.api.post(url, json=told, headers=self.headers)
        assert answer.status_code == 202, answer.text

    def says(self, rng: np.random.Generator) -> dict[str, Any]:
        """What else each client says; `hours` are the chances of the hour's bins."""
        hours = rng.multinomial(200, self.hours).tolist()
        return {"features": {"hour": hours, "origin": [200, 0, 0, 0]}}

    def judge(self) -> None:
        """Have every effect that is asked for, and what follows from it."""
        judge(self.database)

    def play(self, steps: Iterable[int], drift_from: int = 99) -> None:
        for step in steps:
            self.push(step, late=60 if step >= drift_from else 20)
            self.judge()

    def verdicts(self, step: int) -> dict[tuple[str, ...], tuple[Any, ...]]:
        """What counts of a round: the answer on each subject in each scope, clients included."""
        with self.database.read_scope() as session:
            round_id = self.round_at(step)
            wide = [one for one in service.verdicts_of(session, round_id) if one.scope != "client"]
            return {
                (one.scope, one.scope_key, one.subject, one.detector): (
                    one.outcome,
                    one.statistic,
                    one.p_value,
                    one.q_value,
                )
                for one in (*wide, *service.client_verdicts(session, round_id))
            }

    def explained(self, step: int) -> list[tuple[Any, ...]]:
        """Why what drifts in a round does, as it is kept, and where its subjects stand."""
        with self.database.read_scope() as session:
            found = [
                (one.scope, one.scope_key, one.subject, one.sentence, one.explained, one.clients)
                for one in service.explanations_of(session, self.round_at(step))
            ]
        return [*sorted(found, key=lambda one: one[:3]), (self.evaluation(step).levels,)]

    def evaluation(self, step: int) -> Evaluation:
        with self.database.read_scope() as session:
            found = service.evaluation_of(session, self.round_at(step))
            assert found is not None
            return found

    def round_at(self, step: int) -> UUID:
        with self.database.read_scope() as session:
            return session.exec(select(Round.id).where(Round.global_step == step)).one()


@pytest.fixture
def story(
    api: TestClient, database: Database, federation: Federation, key_of: Callable[[Role], Any]
) -> Story:
    return Story(api, database, key_of)


def told(story: Story) -> list[dict[tuple[str, ...], tuple[Any, ...]]]:
    return [story.verdicts(step) for step in JUDGED]


def split_references(session: Session, parts: int) -> None:
    """Have the clients of all references judged in so many shards from now on."""
    for reference in session.exec(select(Reference)):
        reference.shards = parts
        session.add(reference)
    session.exec(delete(StreamState))


def test_in_shards_the_verdicts_are_those_of_a_round_judged_at_once(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.play(range(1, ROUNDS + 1), drift_from=10)
    at_once, explained = told(story), [story.explained(step) for step in JUDGED]
    assert any(len(found) > 1 for found in explained)
    assert {outcome for found in at_once for outcome, *_ in found.values()} >= {"drift", "stable"}
    with story.database.session_scope() as session:
        split_references(session, 3)
        judged = select(Round).where(Round.global_step > REFERENCE_ROUNDS)
        for round_ in session.exec(judged.order_by(col(Round.global_step))):
            outbox.enqueue(session, "incidents.on_round", round_.id, step="again")
    story.judge()
    assert {story.evaluation(step).shards for step in JUDGED} == {3}
    for before, after in zip(at_once, told(story), strict=True):
        assert before.keys() == after.keys()
        differing = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
        assert not differing
    assert [story.explained(step) for step in JUDGED] == explained
    monkeypatch.setattr(measuring, "MOST_BYTES", 0)  # shards read what is theirs alone
    with story.database.session_scope() as session:
        outbox.enqueue(session, "incidents.on_round", story.round_at(ROUNDS), step="apart")
    story.judge()
    assert story.verdicts(ROUNDS) == at_once[-1]


def test_a_shard_that_keeps_failing_is_left_out_and_the_round_is_partial(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.play(range(1, ROUNDS))
    with story.database.session_scope() as session:
        split_references(session, 3)
    story.push(ROUNDS)
    poisoned = set(CLIENTS[:1])
    perform = shards.perform

    def failing(work: shards.Work) -> shards.Judged:
        if pseudonym(CLIENTS[0]).encode() in work.case.known.clients:
            raise ValueError(f"poisoned by {len(poisoned)}")
        return perform(work)

    monkeypatch.setitem(
        EFFECTS_HERE,
        shards.EVALUATE_SHARD,
        External(shards.prepare, failing, shards.record, shards.quarantine, 3),
    )
    story.judge()
    assert story.evaluation(ROUNDS).state == "partial"
    with story.database.read_scope() as session:
        parts = session.exec(select(EvaluationShard).where(EvaluationShard.state == "quarantined"))
        (left_out,) = parts.all()
        assert left_out.error == "ValueError: poisoned by 1"
    url = f"{FEDERATION}/rounds/{story.round_at(ROUNDS)}/evaluation"
    told = story.api.get(url, headers=story.headers).json()
    assert (told["state"], told["shards"], told["shards_done"]) == ("partial", 3, 3)
    assert told["errors"] == ["ValueError: poisoned by 1"]
    answered = {key for scope, key, *_ in story.verdicts(ROUNDS) if scope == "client"}
    assert pseudonym(CLIENTS[0]) not in answered
    assert 0 < len(answered) < len(CLIENTS)


def test_while_a_round_is_judged_in_shards_the_next_one_waits_for_it(story: Story) -> None:
    story.play(range(1, ROUNDS - 1))
    with story.database.session_scope() as session:
        split_references(session, 3)
    story.push(ROUNDS - 1)
    story.push(ROUNDS)
    story.judge()
    assert [story.evaluation(step).state for step in (ROUNDS - 1, ROUNDS)] == ["evaluated"] * 2
    with story.database.read_scope() as session:
        states = session.exec(select(StreamState).where(StreamState.global_step == ROUNDS)).all()
    # Three shards of clients, the federation's own streams, who joined, and what cohorts saw.
    assert len(states) == 6


def test_a_late_round_has_those_judged_anew_that_it_touches_and_no_other(story: Story) -> None:
    story.play(step for step in range(1, ROUNDS + 1) if step != LATE)
    before = {step: story.evaluation(step).id for step in JUDGED if step != LATE}
    story.play([LATE])
    after = {step: story.evaluation(step).id for step in JUDGED}
    assert [step for step in before if before[step] != after[step]] == [
        step for step in JUDGED if step > LATE
    ]
    with story.database.read_scope() as session:
        replaced = session.exec(select(Verdict).where(col(Verdict.superseded_at).is_not(None)))
        assert {one.global_step for one in replaced} == {step for step in JUDGED if step > LATE}


def test_every_order_of_arrival_ends_in_the_same_verdicts(story: Story) -> None:
    order = [*range(1, REFERENCE_ROUNDS + 1), 12, 9, 13, 11, 10]
    story.play(order, drift_from=11)
    shuffled = told(story)
    with story.database.session_scope() as session:
        session.exec(delete(StreamState))
        first = select(Round).where(Round.global_step == REFERENCE_ROUNDS + 1)
        outbox.enqueue(session, "incidents.on_round", session.exec(first).one().id, step="again")
    story.judge()
    assert told(story) == shuffled


def test_a_client_that_withdrew_is_in_no_finding_and_no_stream(
    story: Story, api: TestClient, key_of: Callable[[Role], Any]
) -> None:
    story.play(range(1, ROUNDS))
    gone = pseudonym(CLIENTS[3])
    answer = api.post(
        f"{FEDERATION}/withdrawals", json={"clients": [gone]}, headers=key_of(Role.OWNER)
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["verdicts"] > 0
    with story.database.read_scope() as session:
        states = session.exec(select(StreamState)).all()
        assert states
        assert all(gone.encode() not in state.data for state in states)
    keys = {key for step in JUDGED[:-1] for _, key, *_ in story.verdicts(step)}
    assert gone not in keys
    story.push(ROUNDS)
    story.judge()
    assert gone not in {key for _, key, *_ in story.verdicts(ROUNDS)}


def played(_done: int, _all: int) -> None:
    """Nobody watches."""


def test_a_replay_gives_every_verdict_to_the_last_bit(story: Story) -> None:
    order = [*range(1, REFERENCE_ROUNDS + 1), 12, 9, 13, 11, 10]
    story.play(order, drift_from=11)
    found = replaying.replay(story.database, "flights", played)
    assert (found.rounds, found.mismatches) == (ROUNDS, [])
    assert found.verdicts > 500


def test_a_replay_says_which_verdict_was_tampered_with(story: Story) -> None:
    story.play(range(1, ROUNDS + 1))
    with story.database.session_scope() as session:
        query = select(Verdict).where(Verdict.subject == "error_rate", Verdict.global_step == 12)
        for one in session.exec(query):
            if one.detector == "median-shift":
                one.p_value = 0.5
                session.add(one)
    (mismatch,) = replaying.replay(story.database, "flights", played).mismatches
    assert (mismatch.step, mismatch.subject) == (12, "error_rate")


def test_a_backtest_says_what_a_policy_would_have_opened_and_spared(story: Story) -> None:
    story.play(range(1, ROUNDS + 3), drift_from=11)
    long_ago = clock.now() - timedelta(days=1)

    def under(**parts: Any) -> replaying.Backtest:
        policy = Policy.model_validate(parts)
        return replaying.backtest(story.database, "flights", policy, long_ago, played)

    today = under()
    assert today.same
    assert not today.opened
    assert not today.spared
    concept = ("log_loss", "error_rate", "label", "calibration")
    deaf = under(drift={"effects": dict.fromkeys(concept, 0.9)})
    assert "concept" in {one.family for one in deaf.spared}
    keen = under(incidents={"scopes": ["federation", "cohort", "client"]})
    assert {one.family for one in keen.same} == {one.family for one in today.same}


def outcomes(story: Story, step: int, subject: str) -> dict[tuple[str, str], str]:
    """By scope and detector, what is said of a subject in a round."""
    return {
        (scope, detector): outcome
        for (scope, _, told, detector), (outcome, *_) in story.verdicts(step).items()
        if told == subject and scope != "client"
    }


def test_what_a_model_is_served_is_judged_against_what_it_was_trained_on(story: Story) -> None:
    for step in range(1, 7):
        story.push(step, phase="fit")
    story.hours = [0.7, 0.1, 0.1, 0.1]
    for step in range(7, 19):
        story.push(step, phase="serve")
        story.judge()
    assert outcomes(story, 18, "skew:hour")["federation", "ks"] == "drift"
    assert outcomes(story, 18, "feature:hour")["federation", "ks"] == "stable"


def test_a_retrained_version_that_errs_more_where_its_parent_did_not_forgets(story: Story) -> None:
    story.play(range(1, 10))
    child = {"model": {"name": "late-arrival", "version": "2", "parent_version": "1"}}
    for step in range(10, 21):
        story.push(step, late=45, **child)
        story.judge()
    assert outcomes(story, 20, "forgetting")["federation", "median-shift"] == "drift"
    assert outcomes(story, 20, "log_loss")["federation", "median-shift"] == "stable"


def test_a_trailing_reference_follows_and_a_fixed_one_does_not(story: Story) -> None:
    story.play(range(1, 26), drift_from=10)
    assert outcomes(story, 25, "error_rate")["federation", "median-shift"] == "drift"
    policy = Policy.model_validate({"reference": {"kind": "trailing", "trailing_rounds": 8}})
    long_ago = clock.now() - timedelta(days=1)
    found = replaying.backtest(story.database, "flights", policy, long_ago, played)
    (resolved,) = [one for one in found.same if one.family == "concept"]
    assert (resolved.state, resolved.resolution) == ("resolved", "subsided")
