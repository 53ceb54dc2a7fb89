"""Cohorts held to what the model's scores promise, over all rounds together."""

from collections.abc import Mapping, Sequence
from uuid import uuid4

import numpy as np
import pytest

from app.drift.claims import Claims, begun, judge_claims
from app.drift.findings import Case, Finding
from app.drift.measurements import Binned, RoundMeasure
from app.federations.policy import DriftPolicy
from app.rounds.records import pseudonyms
from detectors import Outcome

EDGES = np.array([0.0, 0.1, 0.2, 0.4])
CHANCES = np.array([0.05, 0.15, 0.3])
COUNTRIES = ("ARGE", "ITAL", "SWIT")
REFERENCE = 8


def measure(
    rng: np.random.Generator,
    step: int,
    factors: Mapping[str, float],
    *,
    claimed: float = 1.0,
    swing: float = 0.0,
) -> RoundMeasure:
    """Three hospitals a country with some 15 patients each; of those promised, `factors` die."""
    names = [f"c_{at:032x}" for at in range(3 * len(factors))]
    countries = np.repeat(sorted(factors), 3)
    counts = rng.poisson([8, 5, 2], (len(names), 3)).astype(float)
    counts[:, 0] += 1
    rounds = {name: np.clip(1 + swing * rng.normal(), 0, 3) for name in factors}
    truth = [CHANCES * factors[name] * rounds[name] / claimed for name in countries]
    events = rng.binomial(counts.astype(int), np.clip(truth, 0, 1)).sum(axis=1)
    total = counts.sum(axis=1)
    return RoundMeasure(
        uuid4(),
        step,
        clients=pseudonyms(names),
        tags={"country": countries},
        n=total,
        rates={"label:dead": events / total},
        histograms={"score": Binned(EDGES, counts, np.ones(len(names), dtype=bool))},
        outcomes=np.column_stack((total, events)).astype(float),
    )


def told(rounds: Sequence[RoundMeasure]) -> dict[str, Finding]:
    """What is told of each cohort after the last of these rounds."""
    at_hand = Case(rounds[:REFERENCE], rounds[-3:], 9, DriftPolicy(), 3, {})
    claims = begun(at_hand)
    for one in rounds[REFERENCE:]:
        claims.add(one)
    return {one.scope.key.removeprefix("country="): one for one in judge_claims(at_hand, claims)}


def world(rounds: int, seed: int = 1, **more: float) -> list[RoundMeasure]:
    rng = np.random.default_rng(seed)
    factors = {"ARGE": more.pop("arge", 1.6), "ITAL": 1.0, "SWIT": more.pop("swit", 0.6)}
    return [measure(rng, step, factors, **more) for step in range(rounds)]


def test_countries_with_a_few_deaths_a_month_are_found_and_another_is_not() -> None:
    found = told(world(36))
    assert {name: one.outcome for name, one in found.items()} == {
        "ARGE": Outcome.DRIFT,
        "ITAL": Outcome.STABLE,
        "SWIT": Outcome.DRIFT,
    }
    assert found["ARGE"].effect == pytest.approx(0.6, abs=0.2)
    assert found["SWIT"].effect == pytest.approx(-0.4, abs=0.2)
    assert found["ITAL"].minimum_detectable_effect is not None


def test_true_claims_are_hardly_ever_refuted_whenever_one_looks() -> None:
    """20 worlds of three countries, looked at after every sixth of 36 rounds."""
    runs, false = 20, 0
    for seed in range(runs):
        rounds = world(44, seed, arge=1.0, swit=1.0)
        looks = (told(rounds[:end]) for end in range(REFERENCE + 6, len(rounds) + 1, 6))
        false += any(one.outcome is Outcome.DRIFT for found in looks for one in found.values())
    assert false / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


def test_rounds_that_swing_more_than_deaths_do_are_no_evidence() -> None:
    false = 0
    for seed in range(20):
        found = told(world(24, seed, arge=1.0, swit=1.0, swing=0.8))
        false += any(one.outcome is Outcome.DRIFT for one in found.values())
    assert false <= 2


def test_scores_that_were_no_probabilities_from_the_start_refute_nobody() -> None:
    rounds = world(40, arge=1.0, swit=1.0, claimed=2.0)
    for one in told(rounds).values():
        assert one.outcome is Outcome.INSUFFICIENT_EVIDENCE
        assert "no probabilities" in one.explanation["missing"]


def test_cohorts_below_the_minimum_size_are_summed_up_and_not_told() -> None:
    rounds = world(20)
    two = rounds[-1].of(np.arange(len(rounds[-1].clients)) != 0)
    assert "ARGE" not in told([*rounds[:-1], two])
    assert "ARGE" in told([*rounds[:-1], two, world(1, 5)[0]])


def test_on_other_bins_of_the_score_nothing_is_added() -> None:
    claims = Claims([0.0, 0.5, 1.0], {})
    claims.add(world(1)[0])
    assert claims.cohorts == {}
