"""How rounds are judged: what counts as drift, and what must not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from numpy.random import Generator, default_rng

from app.drift.findings import Case, Finding
from app.drift.judging import judge
from app.drift.measurements import ClientMeasure, RoundMeasure
from app.federations.policy import DriftPolicy
from detectors import Histogram, Outcome

CLIENTS = tuple(f"c_{number:032x}" for number in range(6))
ROUND_SD = 0.02


def measure(
    rng: Generator,
    step: int,
    *,
    rate: float = 0.2,
    sizes: Mapping[str, int] | None = None,
    moved: Mapping[str, float] | None = None,
    base: Mapping[str, float] | None = None,
) -> RoundMeasure:
    """One round: every client's late share is `rate` (or its own base) plus common noise."""
    weather = rng.normal(0, ROUND_SD)
    clients = {}
    for client, n in (sizes or dict.fromkeys(CLIENTS, 1000)).items():
        p = float(
            np.clip((base or {}).get(client, rate) + weather + (moved or {}).get(client, 0), 0, 1)
        )
        late = int(rng.binomial(n, p))
        clients[client] = ClientMeasure(
            client=client,
            cohorts={"side": "left" if CLIENTS.index(client) < 3 else "right"},
            n=n,
            rates={"label:late": late / n, "error_rate": late / n, "log_loss": 0.3 + late / n},
            histograms={"score": Histogram([0, 0.25, 0.5, 1], rng.multinomial(n, [0.5, 0.3, 0.2]))},
        )
    return RoundMeasure(uuid4(), step, clients)


def case(reference: Sequence[RoundMeasure], since: Sequence[RoundMeasure]) -> Case:
    return Case(reference, since, DriftPolicy(), 3, {"score": "probability"})


def outcomes(findings: Sequence[Finding], subject: str, scope: str = "federation") -> set[Outcome]:
    return {
        finding.outcome
        for finding in findings
        if finding.subject == subject
        and finding.scope.kind == scope
        and finding.detector == "median-shift"
    }


@pytest.fixture
def rng() -> Generator:
    return default_rng(2013)


@pytest.fixture
def reference(rng: Generator) -> list[RoundMeasure]:
    return [measure(rng, step) for step in range(8)]


def test_a_lasting_shift_is_drift(rng: Generator, reference: list[RoundMeasure]) -> None:
    since = [measure(rng, step, rate=0.4) for step in (8, 9, 10)]
    findings = judge(case(reference, since))
    assert outcomes(findings, "label:late") == {Outcome.DRIFT}
    finding = next(
        f for f in findings if f.subject == "label:late" and f.scope.kind == "federation"
    )
    assert finding.effect == pytest.approx(0.2, abs=0.04)
    assert finding.q_value is not None
    assert finding.q_value <= 0.05
    assert finding.minimum_detectable_effect is not None
    assert finding.explanation["participation_mix"] == pytest.approx(0, abs=1e-9)


def test_a_single_bad_round_is_weather(rng: Generator, reference: list[RoundMeasure]) -> None:
    since = [measure(rng, 8), measure(rng, 9), measure(rng, 10, rate=0.8)]
    assert outcomes(judge(case(reference, since)), "label:late") == {Outcome.STABLE}


def test_a_significant_but_small_shift_is_no_drift(rng: Generator) -> None:
    reference = [measure(rng, step, sizes=dict.fromkeys(CLIENTS, 10**6)) for step in range(8)]
    quiet = [replace_rates(r, 0.2 + 0.0005 * (i % 2)) for i, r in enumerate(reference)]
    moved = [replace_rates(r, 0.23) for r in reference[:3]]
    findings = judge(case(quiet, moved))
    finding = next(
        f for f in findings if f.subject == "label:late" and f.scope.kind == "federation"
    )
    assert finding.p_value is not None
    assert finding.p_value < 1e-4
    assert finding.outcome is Outcome.STABLE


def replace_rates(round_: RoundMeasure, rate: float) -> RoundMeasure:
    clients = {
        name: replace(client, rates=dict.fromkeys(client.rates, rate))
        for name, client in round_.clients.items()
    }
    return replace(round_, clients=clients)


def test_a_change_of_who_takes_part_is_no_drift(rng: Generator) -> None:
    base = dict(zip(CLIENTS, (0.1, 0.1, 0.1, 0.5, 0.5, 0.5), strict=True))
    reference = [measure(rng, step, base=base) for step in range(8)]
    few = dict(zip(CLIENTS, (200, 200, 200, 4000, 4000, 4000), strict=True))
    since = [measure(rng, step, base=base, sizes=few) for step in (8, 9, 10)]
    findings = judge(case(reference, since))
    assert outcomes(findings, "label:late") == {Outcome.STABLE}
    explained = next(
        f.explanation
        for f in findings
        if f.subject == "label:late" and f.scope.kind == "federation"
    )
    assert explained["pooled_change"] > 0.12
    # Both are rounded to steps of 0.05 among six clients.
    assert explained["participation_mix"] == pytest.approx(explained["pooled_change"], abs=0.1)


def test_a_cohort_that_moves_alone_is_seen(rng: Generator, reference: list[RoundMeasure]) -> None:
    moved = dict.fromkeys(CLIENTS[:3], 0.35)
    since = [measure(rng, step, moved=moved) for step in (8, 9, 10)]
    findings = judge(case(reference, since))
    by_cohort = {
        f.scope.key: f.outcome
        for f in findings
        if f.scope.kind == "cohort" and f.subject == "label:late" and f.detector == "median-shift"
    }
    assert by_cohort == {"side=left": Outcome.DRIFT, "side=right": Outcome.STABLE}


def test_a_cohort_below_the_minimum_size_does_not_exist_nor_one_that_gives_it_away(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    sizes = dict.fromkeys(CLIENTS[:5], 1000)
    since = [measure(rng, step, sizes=sizes) for step in (8, 9, 10)]
    assert not [f for f in judge(case(reference, since)) if f.scope.kind == "cohort"]


def test_a_subject_that_few_clients_of_a_cohort_tell_gives_no_number(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    def telling(round_: RoundMeasure, clients: Sequence[str]) -> RoundMeasure:
        kept = {
            name: client if name in clients else replace(client, rates={"log_loss": 0.5})
            for name, client in round_.clients.items()
        }
        return replace(round_, clients=kept)

    since = [telling(measure(rng, step), CLIENTS[:4]) for step in (8, 9, 10)]
    found = {
        (f.scope.key, f.subject): f
        for f in judge(case(reference, since))
        if f.scope.kind != "client" and f.detector == "median-shift"
    }
    assert found["", "error_rate"].effect is not None
    assert found["side=left", "log_loss"].effect is not None
    for key in ("side=right", "side=left"):  # one of the right told it: left would give it away
        assert found[key, "error_rate"].effect is None
        assert found[key, "error_rate"].outcome is Outcome.INSUFFICIENT_EVIDENCE
        assert "fewer clients" in found[key, "error_rate"].explanation["missing"]


def test_a_federation_below_the_minimum_size_gives_no_number(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    sizes = dict.fromkeys(CLIENTS[:2], 1000)
    since = [measure(rng, step, sizes=sizes) for step in (8, 9, 10)]
    for finding in judge(case(reference, since)):
        if finding.scope.kind == "federation":
            assert finding.effect is finding.statistic is finding.p_value is None
            assert set(finding.explanation) == {"missing"}


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        (dict.fromkeys(CLIENTS[:2], 1000), "clients"),
        (dict.fromkeys(CLIENTS, 2), "examples"),
    ],
)
def test_too_little_evidence_is_never_stable(
    rng: Generator, reference: list[RoundMeasure], sizes: dict[str, int], words: str
) -> None:
    since = [measure(rng, step, sizes=sizes) for step in (8, 9, 10)]
    federation = [f for f in judge(case(reference, since)) if f.scope.kind == "federation"]
    assert {f.outcome for f in federation} == {Outcome.INSUFFICIENT_EVIDENCE}
    assert words in federation[0].explanation["missing"]


def test_low_participation_is_insufficient_evidence(rng: Generator) -> None:
    reference = [measure(rng, step) for step in range(8)]
    only = {CLIENTS[0]: 1000, CLIENTS[1]: 10, CLIENTS[2]: 10}
    uneven = dict.fromkeys(CLIENTS, 3000) | only
    reference = [measure(rng, step, sizes=uneven) for step in range(8)]
    since = [measure(rng, step, sizes=only) for step in (8, 9, 10)]
    federation = [f for f in judge(case(reference, since)) if f.scope.kind == "federation"]
    assert {f.outcome for f in federation} == {Outcome.INSUFFICIENT_EVIDENCE}


def test_the_first_rounds_after_a_reference_are_insufficient_evidence(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    findings = judge(case(reference, [measure(rng, 8, rate=0.9)]))
    assert {f.outcome for f in findings} == {Outcome.INSUFFICIENT_EVIDENCE}


def test_sequential_alarms_warn_and_never_decide(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    since = [measure(rng, step, rate=0.6) for step in range(8, 20)]
    seen = set()
    for end in range(3, len(since) + 1):
        seen |= {
            f.outcome
            for f in judge(case(reference, since[:end]))
            if f.detector in {"adwin", "page-hinkley"}
        }
    assert seen == {Outcome.STABLE, Outcome.WARNING}


def test_without_drift_the_share_of_rounds_with_a_false_one_is_small(rng: Generator) -> None:
    """250 federations in which nothing moves: the family-wise rate stays near the budget."""
    runs, false = 250, 0
    for _ in range(runs):
        rounds = [measure(rng, step) for step in range(11)]
        findings = judge(case(rounds[:8], rounds[8:]))
        false += any(f.outcome is Outcome.DRIFT for f in findings if f.scope.kind == "federation")
    assert false / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_the_same_case_gives_the_same_findings(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    since = [measure(rng, step, rate=0.4) for step in (8, 9, 10)]
    assert judge(case(reference, since)) == judge(case(reference, since))
