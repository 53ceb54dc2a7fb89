"""Newcomers: they move nothing by coming, and count once they have a past of their own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from numpy.random import Generator, default_rng

from app.drift.findings import Case, Finding
from app.drift.joining import NOBODY, Joined, without
from app.drift.judging import judge
from app.drift.linking import link
from app.drift.measurements import Binned, RoundMeasure
from app.federations.policy import DriftPolicy
from app.rounds.records import pseudonyms
from detectors import Outcome

OLD = [f"c_{number:032x}" for number in range(8)]
NEW = [f"c_{number:032x}" for number in range(8, 24)]
EDGES = np.linspace(0.0, 1.0, 5)
REFERENCE = 8


def measure(
    rng: Generator, step: int, chances: Mapping[str, float], examples: int = 200
) -> RoundMeasure:
    """A round of these clients, each with its own chance of an error and shares of a score."""
    names = sorted(chances)
    wrong = np.array([rng.binomial(examples, chances[name]) / examples for name in names])
    scores = [rng.multinomial(examples, [1 - chances[name], chances[name], 0, 0]) for name in names]
    return RoundMeasure(
        uuid4(),
        step,
        clients=pseudonyms(names),
        tags={"side": np.array(["old" if name in OLD else "new" for name in names])},
        n=np.full(len(names), float(examples)),
        rates={"error_rate": wrong},
        histograms={"score": Binned(EDGES, np.array(scores, float), np.ones(len(names), bool))},
    )


def case(rounds: Sequence[RoundMeasure]) -> Case:
    """The newest of these rounds, with whoever joined between the reference and it."""
    at_hand = Case(
        rounds[:REFERENCE], rounds[-3:], len(rounds) - REFERENCE, DriftPolicy(), 3, {"score": "1"}
    )
    for one in rounds[REFERENCE:-1]:
        at_hand = replace(at_hand, joined=link(at_hand, one))
    return at_hand


def told(findings: Iterable[Finding], scope: str = "") -> dict[str, Finding]:
    return {one.subject: one for one in findings if one.scope.key == scope}


@pytest.fixture
def rng() -> Generator:
    return default_rng(1993)


@pytest.fixture
def usual(rng: Generator) -> list[RoundMeasure]:
    """A reference of clients that differ."""
    chances = dict(zip(OLD, rng.uniform(0.1, 0.3, len(OLD)), strict=True))
    return [measure(rng, step, chances) for step in range(REFERENCE)]


def with_old(usual: Sequence[RoundMeasure]) -> dict[str, float]:
    return dict(zip(OLD, np.mean([one.rates["error_rate"] for one in usual], axis=0), strict=True))


def test_newcomers_who_differ_move_nothing_by_coming(
    rng: Generator, usual: list[RoundMeasure]
) -> None:
    everyone = with_old(usual) | dict.fromkeys(NEW, 0.7)
    since = [measure(rng, step, everyone) for step in range(8, 14)]
    found = told(judge(case([*usual, *since])))
    assert {one.outcome for one in found.values()} == {Outcome.STABLE}
    assert found["error_rate"].effect == pytest.approx(0.0, abs=0.03)


def test_newcomers_that_have_a_past_are_found_to_move_when_nobody_else_does(
    rng: Generator, usual: list[RoundMeasure]
) -> None:
    """The scope is theirs as well: the clients of the reference alone would tell nothing."""
    before = with_old(usual) | dict.fromkeys(NEW, 0.3)
    since = [measure(rng, step, before) for step in range(8, 16)]
    moved = [measure(rng, step, before | dict.fromkeys(NEW, 0.6)) for step in range(16, 19)]
    found = told(judge(case([*usual, *since, *moved])))
    assert {one.outcome for one in found.values()} == {Outcome.DRIFT}
    assert found["error_rate"].effect == pytest.approx(0.2, abs=0.05)  # two thirds moved by 0.3


def test_a_shift_under_way_when_newcomers_come_is_not_taken_for_their_nature(
    rng: Generator, usual: list[RoundMeasure]
) -> None:
    shifted = {name: chance + 0.3 for name, chance in with_old(usual).items()}
    since = [measure(rng, step, shifted | dict.fromkeys(NEW, 0.5)) for step in range(8, 16)]
    left = [measure(rng, step, dict.fromkeys(NEW, 0.5)) for step in range(16, 19)]
    found = told(judge(case([*usual, *since, *left])))
    assert found["error_rate"].outcome is Outcome.DRIFT
    assert found["error_rate"].effect == pytest.approx(0.3, abs=0.04)


def test_where_everyone_is_new_nothing_links_them_and_nothing_is_told(
    rng: Generator, usual: list[RoundMeasure]
) -> None:
    since = [measure(rng, step, dict.fromkeys(NEW, 0.5)) for step in range(8, 14)]
    found = told(judge(case([*usual, *since])))
    assert {one.outcome for one in found.values()} <= {Outcome.INSUFFICIENT_EVIDENCE}


def test_what_is_kept_of_newcomers_comes_back_and_forgets_who_withdrew(
    rng: Generator, usual: list[RoundMeasure]
) -> None:
    since = [measure(rng, step, with_old(usual) | dict.fromkeys(NEW, 0.3)) for step in (8, 9, 10)]
    joined = case([*usual, *since]).joined
    assert joined.clients.tolist() == [name.encode() for name in NEW]
    assert joined.rounds.tolist() == [2.0] * len(NEW)
    assert Joined.unpack(joined.pack()).pack() == joined.pack()
    left = without(joined.pack(), pseudonyms(NEW[:3]))
    assert left is not None
    assert Joined.unpack(left).clients.tolist() == [name.encode() for name in NEW[3:]]
    assert without(left, pseudonyms(OLD)) is None
    assert without(NOBODY.pack(), pseudonyms(OLD)) is None


def test_few_examples_that_are_decided_are_a_drift_and_others_are_never_stable(
    rng: Generator, usual: list[RoundMeasure]
) -> None:
    """24 examples of which all fall elsewhere say enough; that 24 of them do not says nothing."""
    for moved, outcome in ((0.6, Outcome.DRIFT), (0.0, Outcome.INSUFFICIENT_EVIDENCE)):
        chances = {name: chance + moved for name, chance in with_old(usual).items()}
        since = [measure(rng, step, chances, examples=3) for step in (8, 9, 10)]
        found = told(judge(case([*usual, *since])))
        assert found["score"].outcome is outcome
        assert found["error_rate"].outcome is Outcome.INSUFFICIENT_EVIDENCE


def test_clients_that_miss_most_rounds_make_no_more_false_drifts() -> None:
    """Each lies nearer to a mean that it is a third of than it will to that mean next time."""
    rng, runs, false = default_rng(4), 150, 0
    clients = [f"c_{number:032x}" for number in range(40)]
    for _ in range(runs):
        chances = dict(zip(clients, rng.uniform(0.1, 0.4, len(clients)), strict=True))
        rounds = []
        for step in range(11):
            there = {name: chances[name] for name in clients if rng.random() < 0.3}
            rounds.append(measure(rng, step, there, examples=20))
        policy = {"min_participation": 0.0, "effects": {"error_rate": 1e-6, "score": 1e-6}}
        at_hand = replace(case(rounds), policy=DriftPolicy.model_validate(policy))
        found = judge(at_hand)
        false += any(one.outcome is Outcome.DRIFT for one in found if not one.scope.key)
    assert false / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
