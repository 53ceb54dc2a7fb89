"""Distributions over rounds: the middle one of the newest rounds against the reference's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache, cached

import detectors
from app.drift.departures import Summary
from app.drift.findings import Case, Finding
from app.federations.policy.catalogue import DETECTORS
from detectors import (
    DetectorError,
    Histogram,
    Outcome,
    RoundVariation,
    TwoSampleResult,
    estimate_variation,
    merge,
)

# Their effects are how far examples moved, in the subject's own unit.
DISTANCES = frozenset({"energy", "wasserstein"})
NO_ORDER = "the policy names only detectors of ordered bins, and categories have no order"
# The share of a test's error budget that the newest round alone has, beside the middle one.
NEWEST_ALONE = 1e-4
MOST_TESTS = 2048  # whose answers a process remembers


def judge_distribution(case: Case, at: int, subject: str) -> Iterator[Finding]:
    """The policy's tests of a distribution; in cohorts one of them, since there are many.

    That one is Kolmogorov-Smirnov where bins have an order, and else energy distance, if the policy
    names it. `at` is the position of the scope among the case's.
    """
    judged = case.judged(subject)
    reference = _histograms(case.before, at, subject)
    latest = _histograms(case.after, at, subject)
    if not reference or not latest:
        return
    fitting = [name for name in judged.detectors if _fits(name, reference[0])]
    if not fitting:
        unfit = _asked(case, at, subject, next(iter(judged.detectors)), reference[0])
        yield unfit.insufficient(NO_ORDER)
    elif case.scopes[at].kind != "federation":
        main = "energy" if reference[0].categorical else "ks"
        fitting = [main if main in fitting else fitting[0]]
    side = _Reference(reference)
    for name in fitting:
        finding = _asked(case, at, subject, name, reference[0])
        parameters = {"alpha": case.level(finding.scope.kind), **judged.detectors[name]}
        yield _middle_round(finding, side, latest, parameters)


@dataclass(frozen=True)
class _Reference:
    """The reference's rounds, with what every test of them asks for, worked out once."""

    rounds: Sequence[Histogram]

    @cached_property
    def pooled(self) -> Histogram:
        """All of them together."""
        return merge(self.rounds)

    @cached_property
    def content(self) -> tuple[object, ...]:
        """What makes them what they are."""
        return tuple(_content(one) for one in self.rounds)

    @cached_property
    def variation(self) -> RoundVariation:
        """How much they vary."""
        return estimate_variation(self.rounds)


def _asked(case: Case, at: int, subject: str, detector: str, first: Histogram) -> Finding:
    judged, unit = case.judged(subject), case.units.get(subject, "")
    if detector in DISTANCES and not first.categorical:
        move = case.policy.energy_effect * first.sd
        return Finding(subject, case.scopes[at], detector, Outcome.STABLE, unit, move)
    scope = case.scopes[at]
    return Finding(subject, scope, detector, Outcome.STABLE, judged.unit, judged.effect)


def _fits(detector: str, histogram: Histogram) -> bool:
    shape = "categories" if histogram.categorical else "ordered"
    return shape in DETECTORS[detector].judges


def _histograms(rounds: Sequence[Summary], at: int, subject: str) -> list[Histogram]:
    return [h for summary in rounds if (h := summary.histogram(at, subject)) is not None]


def _middle_round(
    finding: Finding,
    reference: _Reference,
    latest: Sequence[Histogram],
    parameters: Mapping[str, Any],
) -> Finding:
    """The test's answer for the middle one of the newest rounds, by effect.

    Its p-value is that round's own, which is conservative: two rounds of three have to move for it
    to be small. The newest round alone answers where it is overwhelming: then there is nothing to
    wait for.
    """
    try:
        by_size = sorted(latest, key=lambda one: _size(finding.detector, reference.pooled, one))
        middle = by_size[(len(by_size) - 1) // 2]
        result = _result(finding.detector, reference, middle, parameters)
        newest = latest[-1]
        alone = (
            result if newest is middle else _result(finding.detector, reference, newest, parameters)
        )
    except DetectorError as error:
        return finding.insufficient(str(error))
    if alone.p_value / NEWEST_ALONE < result.p_value:
        by_itself = finding.answered(alone)
        told = {**by_itself.explanation, "newest_round_alone": True}
        return replace(by_itself, p_value=alone.p_value / NEWEST_ALONE, explanation=told)
    return finding.answered(result)


def _size(detector: str, reference: Histogram, current: Histogram) -> float:
    """What orders rounds as the effects of a detector do, without a test."""
    reference.require_same_bins(current)
    if reference.categorical:
        return float(np.abs(current.pmf() - reference.pmf()).sum())
    gaps = np.abs(current.cdf() - reference.cdf())[:-1]
    if detector in DISTANCES:
        return float(gaps @ np.diff(reference.mid_points))
    return float(gaps.max())


def _content(histogram: Histogram) -> tuple[object, ...]:
    noise = histogram.noise_sd, histogram.noise_kurtosis
    return histogram.counts.tobytes(), histogram.edges.tobytes(), histogram.categorical, *noise


def _test_of(
    detector: str, reference: _Reference, current: Histogram, parameters: Mapping[str, Any]
) -> object:
    return detector, reference.content, _content(current), repr(sorted(parameters.items()))


@cached(LRUCache(maxsize=MOST_TESTS), key=_test_of, lock=Lock())
def _result(
    detector: str, reference: _Reference, current: Histogram, parameters: Mapping[str, Any]
) -> TwoSampleResult:
    """A test's answer: the newest round's may be the middle one's of the rounds to come."""
    told = DETECTORS[detector]
    assert told.test is not None
    test = getattr(detectors, told.test)
    rounds = {"variation": reference.variation} if told.takes_variation else {}
    result: TwoSampleResult = test(reference.pooled, current, **rounds, **parameters)
    return result
