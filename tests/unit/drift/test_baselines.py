"""What is remembered of a reference says the same as what is worked out anew."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest

from app.drift.baselines import baseline_of
from app.drift.clients import judge_clients
from app.drift.findings import Case
from app.drift.judging import judge
from app.drift.measurements import Binned, RoundMeasure
from app.drift.packing import pack
from app.federations.policy import DriftPolicy
from app.rounds.records import Mine, pseudonyms

CLIENTS = pseudonyms([f"c_{number:04x}{0:028x}" for number in range(0, 2**16, 2**13)])
EDGES = np.linspace(0, 1, 6)


def measure(rng: np.random.Generator, step: int, taking_part: slice) -> RoundMeasure:
    """A round in which some clients take part, on one side or the other."""
    clients = CLIENTS[taking_part]
    counts = rng.multinomial(200, [0.1, 0.2, 0.4, 0.2, 0.1], size=len(clients)).astype(float)
    return RoundMeasure(
        uuid4(),
        step,
        clients=clients,
        tags={"side": np.array(["left", "right"])[np.arange(len(clients)) % 2]},
        n=np.full(len(clients), 200.0),
        rates={"error_rate": rng.binomial(200, 0.2, len(clients)) / 200},
        histograms={"score": Binned(EDGES, counts, np.ones(len(clients), dtype=bool))},
    )


def case(reference: Sequence[RoundMeasure], latest: Sequence[RoundMeasure]) -> Case:
    return Case(reference, latest, 3, DriftPolicy(), 3, {})


@pytest.fixture
def rounds() -> list[RoundMeasure]:
    """Eight rounds of a reference, and three that each lack another client."""
    rng = np.random.default_rng(7)
    newest = [measure(rng, step, slice(step - 8, None)) for step in (8, 9, 10)]
    return [*(measure(rng, step, slice(None)) for step in range(8)), *newest]


def test_the_same_rounds_have_one_baseline_and_others_their_own(
    rounds: list[RoundMeasure],
) -> None:
    one, again = case(rounds[:8], rounds[8:]), case(list(rounds[:8]), rounds[8:])
    assert one.baseline is again.baseline
    assert case(rounds[:7], rounds[8:]).baseline is not one.baseline
    copies = [replace(one) for one in rounds[:8]]
    assert case(copies, rounds[8:]).baseline is not one.baseline


def test_a_part_of_the_clients_has_a_baseline_that_nobody_keeps(
    rounds: list[RoundMeasure],
) -> None:
    part = replace(case(rounds[:8], rounds[8:]), mine=Mine(b"c_0000", b"c_8000"))
    assert part.baseline is not replace(part).baseline


def test_a_round_is_judged_the_same_from_what_others_left(rounds: list[RoundMeasure]) -> None:
    for newest in (8, 9, 10):  # other clients, so other scopes, each time
        judged = case(rounds[:8], rounds[8 : newest + 1])
        fresh = case([replace(one) for one in rounds[:8]], rounds[8 : newest + 1])
        assert judged.baseline is baseline_of(tuple(rounds[:8]))
        assert pack([*judge_clients(judged)]) == pack([*judge_clients(fresh)])
        assert judge(judged) == judge(fresh)


def test_a_distribution_on_other_bins_is_worked_out_for_them(rounds: list[RoundMeasure]) -> None:
    baseline = case(rounds[:8], rounds[8:]).baseline
    now = rounds[-1].histograms["score"]
    assert baseline.usual("score", now) is baseline.usual("score", now)
    assert baseline.usual("score", replace(now, edges=EDGES**2)) is None
    assert baseline.usual("score", now) is not None
