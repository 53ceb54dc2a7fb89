"""The table of bad input in the docs, held to: every public function, every kind, as it says.

`docs/reference/detectors/bad-input.md` says, function by function, what comes of each kind of bad
input. Its tables are read here, and each cell is tried: a healthy call, one argument of which is
spoiled at a place, in a size and by a magnitude that hypothesis chooses.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detectors as d
from detectors import DetectorError, errors
from detectors.catalogue import KNOWN

PAGE = Path(__file__).parents[3] / "docs/reference/detectors/bad-input.md"
EDGES = np.linspace(-4.0, 4.0, 9)
UNIT_EDGES = np.linspace(0.0, 1.0, 9)
Spoil = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Argument:
    """A healthy array of one sort ("values", "counts", ...), of a size that is asked for."""

    sort: str
    make: Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Case:
    """A public function as called with healthy arguments, by name."""

    call: Callable[..., object]
    arguments: Mapping[str, Argument]


def values(*trailing: int) -> Argument:
    return Argument("values", lambda rng, n: rng.normal(size=(n, *trailing)))


def counts(*shape: int) -> Argument:
    return Argument("counts", lambda rng, n: rng.integers(20, 20 + n, shape or (8,)).astype(float))


def scalar(sort: str, value: float) -> Argument:
    return Argument(sort, lambda rng, n: np.array([value]))


VALUES, VECTORS, COUNTS = values(), values(3), counts()
WEIGHTS = Argument("weights", lambda rng, n: rng.uniform(0.5, 2.0, n))
BINS = Argument("edges", lambda rng, n: EDGES)
SCORE_BINS = Argument("edges", lambda rng, n: UNIT_EDGES)
P_VALUES = Argument("p-values", lambda rng, n: rng.uniform(size=n))
E_VALUES = Argument("e-values", lambda rng, n: rng.exponential(size=n))
OUTCOMES = Argument("outcomes", lambda rng, n: rng.integers(0, 2, n).astype(float))
RATES = Argument("rates", lambda rng, n: rng.uniform(size=n))
PAIR = Argument("two values", lambda rng, n: rng.normal(size=2))
LENGTHS = Argument("lengths", lambda rng, n: rng.uniform(1.0, 2.0, n))
COSINES = Argument("cosines", lambda rng, n: rng.uniform(0.2, 0.9, n))
ERRORS = Argument("standard errors", lambda rng, n: rng.uniform(0.5, 2.0, n))


def samples(test: Callable[..., object], sort: Argument = VALUES) -> Case:
    return Case(lambda x, y: test(x, y), {"x": sort, "y": sort})  # noqa: PLW0108 - names differ


def weighted(test: Callable[..., object]) -> Case:
    return Case(test, {"x": VALUES, "y": VALUES, "wx": WEIGHTS, "wy": WEIGHTS})


def sides(use: Callable[[Any, Any], object], build: Callable[..., Any], bins: Argument) -> Case:
    """Two histograms, or what is `build`-t of edges and counts, one for each side."""

    def call(edges: Any, reference: Any, other_edges: Any, current: Any) -> object:
        return use(build(edges, reference), build(other_edges, current))

    names = {"edges": bins, "reference": COUNTS, "other_edges": bins, "current": COUNTS}
    return Case(call, names)


def histograms(test: Callable[..., object], bins: Argument = BINS) -> Case:
    return sides(test, d.Histogram, bins)


def by_client(use: Callable[[Any, Any], object]) -> Case:
    """Two clients on each side, the second of which is always healthy."""

    def call(edges: Any, reference: Any, other_edges: Any, current: Any) -> object:
        steady = d.Histogram(EDGES, np.full(8, 25.0))
        return use(
            {"a": d.Histogram(edges, reference), "b": steady},
            {"a": d.Histogram(other_edges, current), "b": steady},
        )

    return Case(call, histograms(use).arguments)


def several(use: Callable[[list[Any]], object]) -> Case:
    return sides(lambda a, b: use([a, b, a]), d.Histogram, BINS)


def scored(edges: Any, examples: Any) -> d.ScoredOutcomes:
    return d.ScoredOutcomes(edges, examples, np.asarray(examples) / 4)


def sketched(test: Callable[..., object]) -> Case:
    return samples(lambda x, y: test(d.KllSummary.of_values(x), d.KllSummary.of_values(y)))


def watched(name: str, sort: Argument, **parameters: Any) -> Case:
    def call(stream: Any) -> object:
        detector = d.create(name, **parameters)
        for value in stream:
            detector.update(value)
        return (detector.drift_detected, detector.warning_detected, public(detector))

    return Case(call, {"stream": sort})


def watched_block(name: str, sort: Argument, **parameters: Any) -> Case:
    def call(stream: Any) -> object:
        block = d.create_block(name, np.size(stream), **parameters)
        return block.run(np.tile(stream, (40, 1)))

    return Case(call, {"stream": sort})


def public(detector: object) -> dict[str, Any]:
    """What a detector shows of itself beside its flags."""
    names = [name for name in dir(type(detector)) if not name.startswith("_")]
    found = {name: getattr(detector, name) for name in names}
    return {name: each for name, each in found.items() if isinstance(each, float)}


def gap(a: d.Histogram, b: d.Histogram) -> float:
    return float(np.abs(a.cdf() - b.cdf()).max())


HISTOGRAM_TESTS = (
    *("ks_histogram", "cvm_histogram", "anderson_darling_histogram", "mann_whitney_histogram"),
    *("wasserstein_histogram", "energy_histogram", "chi_square", "g_test"),
    *("psi", "hellinger", "jensen_shannon"),
)
SAMPLE_TESTS = (
    *("ks_samples", "cvm_samples", "anderson_darling_samples", "mann_whitney_samples"),
    *("wasserstein_samples", "mean_shift", "median_shift"),
)
WEIGHTED_TESTS = (
    *("ks_weighted", "cvm_weighted", "anderson_darling_weighted", "mann_whitney_weighted"),
    *("wasserstein_weighted", "energy_distance", "energy_distance_1d"),
)
SKETCH_TESTS = ("ks_sketch", "energy_sketch", "mann_whitney_sketch", "wasserstein_sketch")
SORTS = {"ddm": OUTCOMES, "eddm": OUTCOMES, "hddm-a": RATES, "hddm-w": RATES}
QUICK = {"permutations": 19}

CASES: dict[str, Case] = {
    **{name: samples(getattr(d, name)) for name in SAMPLE_TESTS},
    **{name: weighted(getattr(d, name)) for name in WEIGHTED_TESTS},
    **{name: histograms(getattr(d, name)) for name in HISTOGRAM_TESTS},
    **{name: sketched(getattr(d, name)) for name in SKETCH_TESTS},
    **{f"create({name!r})": watched(name, SORTS.get(name, VALUES)) for name in KNOWN},
    **{f"create_block({name!r})": watched_block(name, SORTS.get(name, VALUES)) for name in KNOWN},
    "create('sprt', family='bernoulli')": watched(
        "sprt", OUTCOMES, family="bernoulli", null=0.2, alternative=0.4
    ),
    "energy_samples": samples(partial(d.energy_samples, **QUICK)),
    "energy_multivariate": weighted(partial(d.energy_multivariate, **QUICK)),
    "compare_columns": samples(d.compare_columns, VECTORS),
    "domain_classifier": samples(partial(d.domain_classifier, **QUICK), VECTORS),
    "importance_drift": samples(partial(d.importance_drift, **QUICK), VECTORS),
    "importance_shares": Case(d.importance_shares, {"sums": VECTORS}),
    "ks_many": Case(lambda x, y: d.ks_many(x, [y, y]), {"x": VALUES, "y": VALUES}),
    "ks_histograms": Case(
        lambda reference, current: (
            d.ks_histograms(np.reshape(reference, (-1, 1)), np.reshape(current, (-1, 1))).p_values
        ),
        {"reference": COUNTS, "current": COUNTS},
    ),
    "Histogram": histograms(lambda a, b: (a.cdf(), a.mean, a.sd, a.total, b.pmf())),
    "Histogram.of_categories": Case(
        lambda counts: d.Histogram.of_categories(counts).pmf(), {"counts": COUNTS}
    ),
    "Histogram.of_values": Case(d.Histogram.of_values, {"values": VALUES, "edges": BINS}),
    "merge": several(d.merge),
    "KllSummary.of_values": Case(d.KllSummary.of_values, {"values": VALUES}),
    "merge_sketches": sketched(lambda a, b: d.merge_sketches([a, b])),
    "energy_from_projections": histograms(lambda a, b: d.energy_from_projections([a], [b], 1)),
    "energy_from_projection_counts": Case(
        lambda reference, current, edges: d.energy_from_projection_counts(
            reference, current, edges, 2
        ),
        {"reference": counts(3, 2, 8), "current": counts(3, 2, 8), "edges": BINS},
    ),
    "merge_projection_counts": Case(d.merge_projection_counts, {"counts": counts(3, 2, 8)}),
    "Standardiser.fit": Case(d.Standardiser.fit, {"reference_values": VALUES}),
    "Standardiser.mean_shift": Case(
        lambda x: d.Standardiser(0.0, 1.0, 9).mean_shift(x), {"x": VALUES}
    ),
    "Standardiser.score": Case(
        lambda x: d.Standardiser(0.0, 1.0, 9, 0.3).score(x[0], x[1]),
        {"x": PAIR},
    ),
    "Baseline.fit": Case(d.Baseline.fit, {"reference": VALUES}),
    "Baseline.judge": Case(
        lambda x: d.Baseline.fit(np.sin(np.arange(12.0))).judge(x), {"x": VALUES}
    ),
    "recent_shift": Case(
        lambda x: d.recent_shift(d.Baseline.fit(np.sin(np.arange(12.0))), x), {"x": VALUES}
    ),
    "robust_scores": samples(d.robust_scores),
    "seasonal_difference": Case(lambda x: d.seasonal_difference(x, 2), {"x": VALUES}),
    "innovations": Case(lambda x: d.innovations(x, 0.5), {"x": VALUES}),
    "difference_correlation": Case(lambda x: d.difference_correlation(0.5, 3, x), {"x": VALUES}),
    "estimate_variation": several(lambda rounds: (v := d.estimate_variation(rounds), v.phi)),
    "effective_sample_size": Case(
        lambda n, tau: d.effective_sample_size(n.item(), tau.item()),
        {"n": scalar("number", 100.0), "tau": scalar("number", 0.1)},
    ),
    "uncertainty_drift": histograms(d.uncertainty_drift, SCORE_BINS),
    "uncertainty_variation": sides(
        lambda a, b: d.uncertainty_variation([a, b]), d.Histogram, SCORE_BINS
    ),
    "ScoredOutcomes": Case(
        lambda edges, examples: d.ScoredOutcomes(edges, examples, examples / 4).gaps(),
        {"edges": SCORE_BINS, "examples": COUNTS},
    ),
    "merge_outcomes": sides(lambda a, b: d.merge_outcomes([a, b]), scored, SCORE_BINS),
    "calibration_drift": sides(d.calibration_drift, scored, SCORE_BINS),
    "calibration_variation": sides(
        lambda a, b: d.calibration_variation([a, b, a]), scored, SCORE_BINS
    ),
    "benjamini_hochberg": Case(d.benjamini_hochberg, {"p_values": P_VALUES}),
    "benjamini_yekutieli": Case(d.benjamini_yekutieli, {"p_values": P_VALUES}),
    "e_benjamini_hochberg": Case(lambda e: d.e_benjamini_hochberg(e, 0.05), {"e": E_VALUES}),
    "simes": Case(d.simes, {"p_values": P_VALUES}),
    "hierarchical": Case(
        lambda p: d.hierarchical(p, {"client": np.arange(np.size(p))}, 0.05), {"p": P_VALUES}
    ),
    "ErrorBudget": Case(
        lambda p: d.ErrorBudget(0.05).judge(p, [str(i) for i in range(np.size(p))]),
        {"p": P_VALUES},
    ),
    **{
        name: Case(lambda p, name=name: getattr(d, name)(0.05).judge(p), {"p": P_VALUES})
        for name in ("Addis", "LordPlusPlus", "Saffron")
    },
    "split_histograms": by_client(d.split_histograms),
    "split_distance": by_client(lambda a, b: d.split_distance(a, b, gap)),
    "client_contributions": by_client(lambda a, b: d.client_contributions(a, b, gap)),
    "cohort_contributions": by_client(
        lambda a, b: d.cohort_contributions(a, b, gap, {"north": ["a"]})
    ),
    "reweight": by_client(d.reweight),
    "likenesses": by_client(lambda a, b: d.likenesses(a | {"c": b["a"]})),
    "outlying": by_client(
        lambda a, b: d.outlying(a | {f"{name}{k}": b[name] for name in "ab" for k in range(4)})
    ),
    "recurrence_of": histograms(lambda a, b: d.recurrence_of(a, {"v1": b})),
    "merge_capped": several(lambda parts: d.merge_capped(parts, 1.0)),
    "merge_robustly": several(lambda parts: d.merge_robustly(parts, d.geometric_median)),
    "split_rates": Case(
        lambda total, n: d.split_rates(
            {"a": d.Rate(total[0], n[0])}, {"a": d.Rate(total[1], n[1])}
        ),
        {
            "total": PAIR,
            "n": Argument("sizes", lambda rng, n: rng.uniform(5, 9, 2)),
        },
    ),
    "cap_factors": Case(lambda sizes: d.cap_factors(sizes, 0.9), {"sizes": WEIGHTS}),
    "merge_sums_capped": Case(
        lambda sums, sizes: d.merge_sums_capped(sums, sizes, 0.9),
        {"sums": VECTORS, "sizes": WEIGHTS},
    ),
    **{
        name: Case(getattr(d, name), {"vectors": VECTORS, "weight": WEIGHTS})
        for name in ("geometric_median", "trimmed_mean", "median_of_means")
    },
    "consensus_distance": Case(
        d.consensus_distance, {"norms": LENGTHS, "cosines": COSINES, "peer_weights": WEIGHTS}
    ),
    "neighbourhood_distance": Case(
        d.neighbourhood_distance,
        {"norms": LENGTHS, "mean_norms": LENGTHS, "cosines": COSINES, "peer_weights": WEIGHTS},
    ),
    "leave_one_out": Case(
        lambda x: d.leave_one_out(["a", "b"], lambda kept: float(x[len(kept) % 2])),
        {"x": PAIR},
    ),
    "cluster_movements": Case(d.cluster_movements, {"effects": VALUES, "standard_errors": ERRORS}),
    "cluster_clients": Case(lambda n: d.cluster_clients(n / 4, n), {"n": counts(2, 4, 1)}),
    "concept_shift": Case(
        d.concept_shift, {"reference": counts(3, 2, 2), "current": counts(3, 2, 2)}
    ),
    "judge_round": Case(
        lambda confusions: d.judge_round(confusions, np.zeros(3, dtype=int)),
        {"confusions": counts(3, 3, 2, 2)},
    ),
    "track_concepts": Case(d.track_concepts, {"confusions": counts(3, 3, 2, 2)}),
    "origin_of_drift": Case(
        d.origin_of_drift, {"reference": counts(2, 2), "current": counts(2, 2)}
    ),
    "contradictions": Case(
        lambda n, labels: d.contradictions(d.Claims(n.item(), label_counts=labels)),
        {"n": scalar("number", 200.0), "labels": COUNTS},
    ),
    "find_implausible": Case(
        lambda n, labels: d.find_implausible({"a": d.Claims(n.item(), label_counts=labels)}),
        {"n": scalar("number", 200.0), "labels": COUNTS},
    ),
    "compare_canary": Case(
        lambda n, loss, correct: d.compare_canary(n, loss, loss / 2, correct, correct),
        {
            "n": Argument("counts", lambda rng, n: rng.uniform(50, 60, 5)),
            "loss": Argument("sums", lambda rng, n: rng.uniform(5, 9, 5)),
            "correct": Argument("counts", lambda rng, n: rng.uniform(30, 40, 5)),
        },
    ),
    "kind_of_drift": Case(d.kind_of_drift, {"series": VALUES}),
    "onset_of": Case(d.onset_of, {"weights": WEIGHTS}),
    "half_width": Case(
        lambda se: d.half_width(se.item(), 5, 1, 0.05), {"se": scalar("number", 1.0)}
    ),
    "e_value_below": Case(lambda t: d.e_value_below(t.item(), 5), {"t": scalar("number", -1.0)}),
}

LOUDEST = 300  # the decimal exponent of what is too large, at most


def put(value: Callable[[np.random.Generator], float]) -> Spoil:
    """Put a value at a random place."""

    def spoil(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        spoilt = np.array(array, dtype=np.float64)
        spoilt.reshape(-1)[rng.integers(spoilt.size)] = value(rng)
        return spoilt

    return spoil


def billion(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.rint(array * 1e9 / array.sum())


def crowded(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return put(lambda _: 1e9)(np.minimum(array, 30.0), rng)


SPOILS: Mapping[str, Spoil] = {
    "empty": lambda array, rng: array[:0],
    "NaN": put(lambda rng: np.nan),
    "infinite": put(lambda rng: np.inf * rng.choice([-1, 1])),
    "beyond 1e100": put(lambda rng: rng.choice([-1, 1]) * 10.0 ** rng.integers(101, LOUDEST)),
    "1e99": put(lambda rng: rng.choice([-1, 1]) * 1e99),
    "negative": put(lambda rng: -rng.uniform(0.5, 1e6)),
    "above 1": put(lambda rng: 1 + rng.uniform(0.01, 1e6)),
    "all zero": lambda array, rng: np.zeros_like(array),
    "all equal": lambda array, rng: np.full_like(array, float(rng.integers(-5, 5))),
    "different": lambda array, rng: array * rng.uniform(0.9, 0.99),
    "falling": lambda array, rng: array[::-1].copy(),
    "2^62": lambda array, rng: np.full(array.shape, 2**62, dtype=np.int64),
    "1e9 rows": billion,
    "1e9 in a bin": crowded,
}
TOGETHER = {"one", "all equal"}  # kinds that befall all arguments of a sort


def rows() -> Iterator[tuple[str, str, dict[str, set[str]]]]:
    """Yield function, sort of argument and, a kind of bad input, what may come of it."""
    sort, kinds = "", [""]
    for line in PAGE.read_text().splitlines():
        if heading := re.fullmatch(r"### (.+)", line):
            sort = heading[1].lower()
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| functions"):
            kinds = cells[1:]
        elif sort and line.startswith("| `"):
            promised = [set(re.findall(r"\w+Error|answer", cell)) for cell in cells[1:]]
            for name in re.findall(r"`([^`]+)`", cells[0]):
                yield name, sort, dict(zip(kinds, promised, strict=True))


ROWS = list(rows())


def spoilt(case: Case, sort: str, kind: str, rng: np.random.Generator, n: int) -> dict[str, Any]:
    size = 1 if kind == "one" else n
    arguments = {name: each.make(rng, size) for name, each in case.arguments.items()}
    names = [name for name, each in case.arguments.items() if each.sort == sort]
    if kind in SPOILS:
        chosen = names if kind in TOGETHER else [str(rng.choice(names))]
        arguments |= {name: SPOILS[kind](arguments[name], rng) for name in chosen}
    return arguments


def numbers(found: object, field: str = "") -> Iterator[tuple[str, float]]:
    """Yield every float in an answer, with the field that it is in."""
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        for each in dataclasses.fields(found):
            yield from numbers(getattr(found, each.name), each.name)
    elif isinstance(found, Mapping):
        for each in found.values():
            yield from numbers(each, field)
    elif isinstance(found, (list, tuple)):
        for each in found:
            yield from numbers(each, field)
    elif isinstance(found, (float, np.ndarray)) and not isinstance(found, Enum):
        for number in np.atleast_1d(np.asarray(found)).ravel().tolist():
            yield field, number


def outcome(case: Case, arguments: Mapping[str, Any]) -> str:
    """Return the name of the refusal, or "answer" for a sound one."""
    try:
        answer = case.call(**arguments)
    except DetectorError as refusal:
        return type(refusal).__name__
    for field, number in numbers(answer):
        assert np.isfinite(number) or field in MAY_BE_INFINITE, (field, number)
        assert not field.startswith(("p_value", "p_adj")) or 0 <= number <= 1, (field, number)
    return "answer"


MAY_BE_INFINITE = {"minimum_detectable_effect"}


@pytest.mark.parametrize(("name", "sort", "promised"), ROWS, ids=[f"{r[0]}-{r[1]}" for r in ROWS])
@settings(max_examples=3, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), n=st.integers(6, 20).map(lambda half: 2 * half + 1))
def test_what_the_page_promises_is_what_happens(name, sort, promised, seed, n):
    for kind, outcomes in promised.items():
        arguments = spoilt(CASES[name], sort, kind, np.random.default_rng(seed), n)
        if outcomes:
            assert outcome(CASES[name], arguments) in outcomes, (kind, arguments)


@pytest.mark.parametrize("bad", [b"", b"junk", bytes(8), bytes(range(64))])
def test_bytes_that_are_no_sketch_are_refused(bad):
    with pytest.raises(errors.NotASketchError):
        d.KllSummary.from_bytes(bad)


@pytest.mark.parametrize(
    ("total", "error"), [(1e101, errors.OutOfRangeError), (4e-7, errors.EmptySampleError)]
)
def test_pairs_of_histograms_with_too_much_or_too_little_are_refused(total, error):
    healthy, bad = np.full((4, 3), 5.0), np.full((4, 3), 5.0)
    bad[:, 1] = [total, 0.0, 0.0, 0.0]
    for pair in ((healthy, bad), (bad, healthy)):
        with pytest.raises(error):
            d.ks_histograms(*pair)


@pytest.mark.parametrize("test", [d.chi_square, d.g_test])
def test_counts_that_cannot_be_added_are_told_so_as_counts(test):
    huge = d.Histogram.of_categories([2.0**62, 1.0])
    with pytest.raises(errors.OutOfRangeError, match="one example more changes nothing"):
        test(huge, huge)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e101])
def test_a_refused_update_of_a_block_leaves_no_trace(name, bad):
    block = d.create_block(name, 3)
    block.update([1.0, 0.0, 1.0])
    before = block.snapshot()
    with pytest.raises(DetectorError):
        block.run([[1.0, 1.0, 0.0], [0.0, bad, 1.0]])
    assert block.snapshot() == before


@pytest.mark.parametrize("name", CASES)
def test_a_healthy_call_is_answered(name):
    healthy = spoilt(CASES[name], "", "healthy", np.random.default_rng(1), 15)
    assert outcome(CASES[name], healthy) == "answer"


def test_the_page_has_a_row_for_every_argument_that_is_tried():
    tried = {(name, each.sort) for name, case in CASES.items() for each in case.arguments.values()}
    assert {(name, sort) for name, sort, _ in ROWS} == tried


def test_every_public_name_that_takes_data_is_on_the_page():
    roots = {re.split(r"[.(]", name)[0] for name, _, _ in ROWS}
    watched_classes = {detector.__name__ for detector in KNOWN.values()}
    exempt = set(re.findall(r"`(\w+)`", PAGE.read_text().split("Not in the tables: ")[1]))
    assert set(d.__all__) - {n for n in d.__all__ if answers(n)} - watched_classes - exempt == roots


def answers(name: str) -> bool:
    """Whether a name is an enumeration, an error, or a dataclass that is only ever an answer."""
    found = getattr(d, name)
    if not isinstance(found, type):
        return not callable(found)
    checks = hasattr(found, "__post_init__") or hasattr(found, "fit") or hasattr(found, "of_values")
    plain = dataclasses.is_dataclass(found) and not checks
    return plain or issubclass(found, (Enum, Exception)) or getattr(found, "_is_protocol", False)


def test_every_error_on_the_page_exists():
    named = set(re.findall(r"\w+Error", PAGE.read_text())) - {"ValueError"}
    assert all(issubclass(getattr(errors, name), DetectorError) for name in named)
