"""Healthy calls of every public function that takes data, for `test_bad_input.py` to spoil."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import detectors as d
from detectors.catalogue import KNOWN

EDGES = np.linspace(-4.0, 4.0, 9)
UNIT_EDGES = np.linspace(0.0, 1.0, 9)


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
    "binning_bounds": Case(
        lambda reference, current: d.binning_bounds(
            np.reshape(reference, (-1, 1)), np.reshape(current, (-1, 1))
        ),
        {"reference": COUNTS, "current": COUNTS},
    ),
    "energy_categories": Case(
        d.energy_categories, {"reference": counts(3, 8), "current": counts(3, 8)}
    ),
    "estimate_variations": Case(d.estimate_variations, {"counts": counts(3, 2, 8)}),
    "median_shifts": Case(
        lambda reference, latest: d.median_shifts(reference[:, np.newaxis], latest[:, np.newaxis]),
        {"reference": VALUES, "latest": VALUES},
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
    "Standardiser.scores": Case(
        lambda x: d.Standardiser(0.0, 1.0, 9, 0.3).scores(x), {"x": VALUES}
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
        lambda se: d.half_width(se.item(), 5, 1.0, 0.05), {"se": scalar("number", 1.0)}
    ),
    "e_value_below": Case(
        lambda t: d.e_value_below(t.item(), 5, 1.0), {"t": scalar("number", -1.0)}
    ),
    "paired_looks": Case(
        lambda n, sums: d.paired_looks(n[np.newaxis], sums[np.newaxis]),
        {
            "n": Argument("counts", lambda rng, n: rng.uniform(50, 60, 5)),
            "sums": Argument("sums", lambda rng, n: rng.uniform(-2, 2, 5)),
        },
    ),
}
