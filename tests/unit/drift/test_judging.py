"""How rounds are judged: what counts as drift, and what must not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from numpy.random import Generator, default_rng

from app.drift import streams, watched
from app.drift.client_findings import DRIFT, STABLE, Missing, decide
from app.drift.clients import judge_clients
from app.drift.contrasts import centres_of
from app.drift.findings import Case, Finding, error_budget
from app.drift.judging import judge
from app.drift.measurements import Binned, RoundMeasure
from app.drift.packing import pack, unpack, without
from app.drift.watching import Watch
from app.federations.policy import DriftPolicy
from app.rounds.records import pseudonyms
from detectors import (
    Histogram,
    Outcome,
    estimate_variation,
    ks_histogram,
    median_shift,
    merge,
)

CLIENTS = tuple(f"c_{number:032x}" for number in range(6))
ROUND_SD = 0.02
EDGES = np.array([0, 0.25, 0.5, 1])


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
    n = sizes or dict.fromkeys(CLIENTS, 1000)
    chances = {
        client: float(
            np.clip((base or {}).get(client, rate) + weather + (moved or {}).get(client, 0), 0, 1)
        )
        for client in n
    }
    late = np.array([rng.binomial(n[client], chances[client]) / n[client] for client in n])
    scores = np.array([rng.multinomial(n[client], [0.5, 0.3, 0.2]) for client in n], dtype=float)
    told = RoundMeasure(
        uuid4(),
        step,
        clients=pseudonyms(n),
        tags={"side": np.array(["left" if name in CLIENTS[:3] else "right" for name in n])},
        n=np.array(list(n.values()), dtype=float),
        rates={"label:late": late, "error_rate": late, "log_loss": 0.3 + late},
        histograms={"score": Binned(EDGES, scores, np.ones(len(n), dtype=bool))},
    )
    return replace(told, centres=centres_of(told))


def case(reference: Sequence[RoundMeasure], since: Sequence[RoundMeasure]) -> Case:
    units = {"score": "probability"}
    return Case(reference, since[-3:], len(since), DriftPolicy(), 3, units)


def alarms(reference: Sequence[RoundMeasure], since: Sequence[RoundMeasure]) -> list[Finding]:
    """The sequential detectors' answers on the newest round."""
    at_hand = case(reference, since)
    wide = watched.wide_streams(at_hand)
    moved = streams.move(None, wide, watched.wide_values(at_hand, since))
    return list(watched.wide_alarms(at_hand, moved))


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


def test_a_budget_for_many_rounds_asks_for_more(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    policy = DriftPolicy(budget_rounds=50)
    told = {}
    for rate in (0.27, 0.4):
        since = [measure(rng, step, rate=rate) for step in (8, 9, 10)]
        usual, strict = case(reference, since), replace(case(reference, since), policy=policy)
        assert outcomes(judge(usual), "label:late") == {Outcome.DRIFT}
        told[rate] = outcomes(judge(strict), "label:late")
        assert _detectable(judge(usual)) < _detectable(judge(strict))
    assert told == {0.27: {Outcome.STABLE}, 0.4: {Outcome.DRIFT}}


def _detectable(findings: Sequence[Finding]) -> float:
    here = (f for f in findings if f.subject == "label:late" and f.scope.kind == "federation")
    told = next(here).minimum_detectable_effect
    assert told is not None
    return told


def test_where_nothing_changes_a_budget_lasts_for_its_rounds(rng: Generator) -> None:
    worlds, rounds, streams = 1_000, 50, 6
    level = error_budget(DriftPolicy(budget_rounds=rounds), "federation")
    assert level == 0.001
    # All of a round's q-values lie over its budget unless the smallest is within it (Simes).
    p_values = np.sort(rng.random((worlds, rounds, streams)), axis=-1)
    q_values = (p_values * streams / np.arange(1, streams + 1)).min(axis=-1)
    alarmed = (q_values <= level).any(axis=1).mean()
    assert 0.02 < alarmed < 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds)
    alone = (q_values <= error_budget(DriftPolicy(), "federation")).any(axis=1).mean()
    assert alone > 0.85  # a budget for a round is none for fifty


def test_the_smallest_effects_are_told_at_the_level_that_is_judged_at(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    since = [measure(rng, step) for step in (8, 9, 10)]
    at_hand = case(reference, since)
    strict = replace(at_hand, policy=DriftPolicy(cohort_false_discovery_rate=1e-4))
    pairs = list(zip(judge(at_hand), judge(strict), strict=True))
    told = [pair for pair in pairs if pair[0].minimum_detectable_effect is not None]
    assert {one.detector for one, _ in told} >= {"median-shift", "ks", "energy"}
    for one, other in told:
        assert other.minimum_detectable_effect is not None
        if one.scope.kind == "cohort":
            assert other.minimum_detectable_effect > one.minimum_detectable_effect
        else:
            assert other.minimum_detectable_effect == one.minimum_detectable_effect


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
    same = {name: np.full(len(round_.clients), rate) for name in round_.rates}
    return replace(round_, rates=same)


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
        told = np.isin(round_.clients, pseudonyms(clients))
        few = {name: np.where(told, values, np.nan) for name, values in round_.rates.items()}
        return replace(round_, rates={**few, "log_loss": np.where(told, 0.4, 0.5)})

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


def test_an_overwhelming_change_of_a_distribution_waits_for_no_median(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    """Every example in another bin than ever before; a fiftieth is weather."""
    for share, outcome in ((1.0, Outcome.DRIFT), (0.02, Outcome.STABLE)):
        since = [measure(rng, step) for step in (8, 9, 10)]
        usual = since[-1].histograms["score"]
        moved = usual.counts * (1 - share)
        moved[:, -1] += share * usual.counts.sum(axis=1)
        since[-1] = replace(since[-1], histograms={"score": replace(usual, counts=moved)})
        (found,) = [
            one
            for one in judge(case(reference, since))
            if (one.subject, one.scope.key, one.detector) == ("score", "", "ks")
        ]
        assert found.outcome is outcome
        assert found.explanation.get("newest_round_alone", False) is (share == 1.0)


def test_categories_that_only_detectors_of_ordered_bins_are_named_for_are_insufficient_evidence(
    rng: Generator,
) -> None:
    def categories(step: int) -> RoundMeasure:
        told = measure(rng, step)
        binned = replace(told.histograms["score"], edges=np.arange(4.0), categorical=True)
        return replace(told, histograms={"feature:origin": binned})

    rounds = [categories(step) for step in range(11)]
    subjects = {"feature": {"detectors": {"ks": {}}}}
    policy = DriftPolicy.model_validate({"subjects": subjects})
    found = judge(replace(case(rounds[:8], rounds[8:]), policy=policy))
    features = {one.scope.key: one for one in found if one.subject == "feature:origin"}
    assert features.keys() == {"", "side=left", "side=right"}
    for one in features.values():
        assert one.outcome is Outcome.INSUFFICIENT_EVIDENCE
        assert "order" in one.explanation["missing"]


def test_a_client_whose_season_has_not_come_round_is_not_judged(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    since = [measure(rng, step, moved={CLIENTS[4]: 0.3}) for step in (8, 9, 10)]
    at_hand = replace(case(reference, since), season_to_come=True)
    for one in judge_clients(at_hand):
        assert set(one.missing.tolist()) == {Missing.SEASON}
    wide = [one for one in judge(at_hand) if one.scope.kind == "federation"]
    assert Outcome.INSUFFICIENT_EVIDENCE not in {one.outcome for one in wide}


def test_sequential_alarms_warn_and_never_decide(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    since = [measure(rng, step, rate=0.6) for step in range(8, 20)]
    found = [alarms(reference, since[:end]) for end in range(3, len(since) + 1)]
    told = [finding for findings in found for finding in findings]
    assert {finding.detector for finding in told} == {"adwin", "page-hinkley"}
    assert {finding.outcome for finding in told} == {Outcome.STABLE, Outcome.WARNING}


def test_streams_put_down_and_taken_up_again_go_on_bit_for_bit(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    since = [measure(rng, step, rate=0.6) for step in range(8, 20)]
    at_hand = case(reference, since)
    own = watched.client_streams(at_hand)
    values = watched.client_values(at_hand, since)
    whole = streams.move(None, own, values)
    half = streams.move(None, own, values[:5])
    rest = streams.move(Watch.restore(half.watch.snapshot()), own, values[5:])
    assert rest.watch.snapshot() == whole.watch.snapshot()
    assert np.array_equal(rest.scores, whole.scores, equal_nan=True)


def test_each_client_gets_the_answer_that_it_would_get_alone(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    since = [measure(rng, step, moved={CLIENTS[4]: 0.3}) for step in (8, 9, 10)]
    at_hand = case(reference, since)
    found = {(one.subject, one.detector): one for one in decide(judge_clients(at_hand), 0.05)}
    rates = found["error_rate", "median-shift"]
    assert rates.outcomes.tolist() == [STABLE] * 4 + [DRIFT, STABLE]
    for at in range(len(CLIENTS)):
        before = [float(one.rates["error_rate"][at]) for one in reference]
        alone = median_shift(before, [float(one.rates["error_rate"][at]) for one in since])
        assert rates.answers.p_values[at] == pytest.approx(alone.p_value, rel=1e-7)
        assert rates.answers.effects[at] == pytest.approx(alone.effect)
        now = (Histogram(EDGES, one.histograms["score"].counts[at]) for one in since)
        told = [Histogram(EDGES, one.histograms["score"].counts[at]) for one in reference]
        variation = estimate_variation(told)
        each = [ks_histogram(merge(told), one, variation=variation) for one in now]
        middle = sorted(each, key=lambda result: result.effect)[1]
        scores = found["score", "ks"].answers
        assert scores.effects[at] == pytest.approx(middle.effect)
        assert scores.p_values[at] >= 0.99 * middle.p_value  # in bulk, bins are not allowed for


def test_what_moves_all_clients_alike_is_no_contrast_and_what_moves_one_is(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    together = [measure(rng, step, rate=0.45) for step in (8, 9, 10)]
    alone = [measure(rng, step, moved={CLIENTS[2]: 0.2}) for step in (8, 9, 10)]
    for since, drifting in ((together, []), (alone, [2])):
        found = decide(judge_clients(case(reference, since)), 0.05)
        (contrast,) = [
            one for one in found if (one.subject, one.detector) == ("error_rate", "contrast")
        ]
        assert np.flatnonzero(contrast.outcomes == DRIFT).tolist() == drifting


def test_bins_that_changed_within_the_reference_stop_nobody(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    def coarse(one: RoundMeasure) -> RoundMeasure:
        fine = one.histograms["score"]
        counts = np.stack((fine.counts[:, :2].sum(axis=1), fine.counts[:, 2]), axis=1)
        scores = replace(fine, edges=EDGES[[0, 2, 3]], counts=counts)
        return replace(one, histograms={"score": scores})

    since = [measure(rng, step) for step in (8, 9, 10)]
    at_hand = case([*map(coarse, reference[:4]), *reference[4:]], since)
    of_clients = {(one.subject, one.detector): one for one in judge_clients(at_hand)}
    assert not np.isnan(of_clients["score", "contrast"].answers.p_values).any()
    assert set(of_clients["score", "ks"].missing.tolist()) == {Missing.OTHER_BINS}
    scores = [one for one in judge(at_hand) if one.subject == "score"]
    assert {one.outcome for one in scores} == {Outcome.INSUFFICIENT_EVIDENCE}


def test_noise_that_was_declared_makes_no_client_drift(rng: Generator) -> None:
    def noisy(step: int) -> RoundMeasure:
        quiet = measure(rng, step, sizes=dict.fromkeys(CLIENTS, 200))
        exact = quiet.histograms["score"]
        counts = exact.counts + rng.laplace(0, 20, exact.counts.shape)
        noised = replace(exact, counts=counts, noise_sd=20 * np.sqrt(2))
        return replace(quiet, histograms={"score": noised})

    rounds = [noisy(step) for step in range(11)]
    found = decide(judge_clients(case(rounds[:8], rounds[8:])), 0.05)
    (scores,) = [one for one in found if (one.subject, one.detector) == ("score", "ks")]
    assert scores.count(DRIFT) == 0
    assert (scores.answers.p_values > 0.01).all()


def test_packed_findings_are_the_same_when_unpacked(
    rng: Generator, reference: list[RoundMeasure]
) -> None:
    since = [measure(rng, step, rate=0.4) for step in (8, 9, 10)]
    found = list(judge_clients(case(reference, since)))
    again = unpack(pack(found))
    for before, after in zip(decide(found, 0.05), decide(again, 0.05), strict=True):
        assert (before.subject, before.detector) == (after.subject, after.detector)
        assert np.array_equal(before.outcomes, after.outcomes)
        assert np.array_equal(before.q_values, after.q_values, equal_nan=True)
    left, gone = without(pack(found), pseudonyms([CLIENTS[0]]))
    assert gone == len(found)
    assert all(CLIENTS[0].encode() not in one.clients for one in unpack(left))


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
