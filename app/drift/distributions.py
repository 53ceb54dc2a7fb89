"""Distributions over rounds: the middle one of the newest rounds against the reference's."""

from collections.abc import Callable, Iterator, Sequence

from app.drift.findings import Case, Finding, kind_of
from app.drift.scopes import Scope
from detectors import (
    DetectorError,
    Histogram,
    Outcome,
    TwoSampleResult,
    energy_histogram,
    estimate_variation,
    ks_histogram,
    merge,
)

Test = Callable[..., TwoSampleResult]


def judge_distribution(case: Case, scope: Scope, subject: str) -> Iterator[Finding]:
    """Kolmogorov-Smirnov where bins have an order; at federation level energy distance too.

    Categories have no order, so energy distance alone judges them, in every scope.
    """
    reference = [h for m in case.reference if (h := scope.histogram(m, subject)) is not None]
    latest = [h for m in case.latest if (h := scope.histogram(m, subject)) is not None]
    if not reference or not latest:
        return
    gap = case.policy.effects.of(kind_of(subject))
    if reference[0].categorical:
        finding = Finding(subject, scope, "energy", Outcome.STABLE, "probability", gap)
        yield _middle_round(finding, energy_histogram, reference, latest)
        return
    finding = Finding(subject, scope, "ks", Outcome.STABLE, "probability", gap)
    yield _middle_round(finding, ks_histogram, reference, latest)
    if scope.kind == "federation":
        move = case.policy.energy_effect * reference[0].sd
        unit = case.units.get(subject, "")
        finding = Finding(subject, scope, "energy", Outcome.STABLE, unit, move)
        yield _middle_round(finding, energy_histogram, reference, latest)


def _middle_round(
    finding: Finding, test: Test, reference: Sequence[Histogram], latest: Sequence[Histogram]
) -> Finding:
    """The test's answer for the middle one of the newest rounds, by effect.

    Its p-value is that round's own, which is conservative: two rounds of three have to move for it
    to be small.
    """
    try:
        pooled, variation = merge(reference), estimate_variation(reference)
        results = [test(pooled, histogram, variation=variation) for histogram in latest]
    except DetectorError as error:
        return finding.insufficient(str(error))
    middle = sorted(results, key=lambda result: result.effect)[(len(results) - 1) // 2]
    return finding.answered(middle)
