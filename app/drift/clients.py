"""Clients one by one: every subject of every client that the reference knows, in arrays.

A federation has thousands of clients with dozens of subjects each; so a test takes all clients of a
subject at once.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from app.drift.client_distributions import judge_distribution
from app.drift.client_findings import Answers, ClientFindings, Codes, Missing
from app.drift.contrasts import judge_contrasts
from app.drift.findings import RATIO, Case
from app.drift.known import Places
from app.drift.measurements import Floats, RoundMeasure
from detectors import median_shifts


def judge_clients(case: Case) -> Iterator[ClientFindings]:
    """Every client's answers, with p-values that no error budget was charged with yet."""
    places = case.places_after[-1]
    known = places[places >= 0]
    if not known.size:
        return
    missing = missing_of(case)
    for subject in case.client_rates:
        if "median-shift" in case.judged(subject).detectors:
            yield _of_rate(case, subject, known, missing)
    for subject in case.histograms:
        yield from judge_distribution(case, subject, known, missing)
    yield from judge_contrasts(case, known, missing)


def missing_of(case: Case) -> Codes:
    """What is missing for any verdict on each known client that took part."""
    examples = case.current.n[case.places_after[-1] >= 0]
    missing = np.zeros(len(examples), dtype=np.int8)
    missing[examples < case.policy.min_examples] = Missing.FEW_EXAMPLES
    if case.rounds_since < case.policy.latest_rounds:
        missing[:] = Missing.FEW_ROUNDS_SINCE
    if case.current.stands_for > 1:
        missing[:] = Missing.SUMS_ONLY
    if case.season_to_come:
        missing[:] = Missing.SEASON
    return missing


def table(
    rounds: Sequence[RoundMeasure], places: Sequence[Places], subject: str, clients: int
) -> Floats:
    """A rate by round and known client, NaN where it was not told."""
    told = np.full((len(rounds), clients), np.nan)
    for row, measure, at in zip(told, rounds, places, strict=True):
        values = measure.rates.get(subject)
        if values is not None:
            row[at[at >= 0]] = values[at >= 0]
    return told


def _of_rate(case: Case, subject: str, known: Places, missing: Codes) -> ClientFindings:
    clients = len(case.known.clients)
    reference = table(case.reference, case.places_before, subject, clients)[:, known]
    latest = table(case.latest, case.places_after, subject, clients)[:, known]
    found = median_shifts(reference, latest, alpha=case.level("client"))
    judged = case.judged(subject)
    level = _levels(reference) if judged.unit == RATIO else np.ones(known.size)
    return ClientFindings.undecided(
        subject,
        "median-shift",
        judged.unit,
        judged.effect,
        case.known.clients[known],
        Answers(
            found.statistics,
            found.effects / level,
            found.p_values,
            found.minimum_detectable_effects / level,
        ),
        np.where(missing > 0, missing, found.why).astype(np.int8),
    )


def _levels(reference: Floats) -> Floats:
    """Each client's own level, by which its changes are divided."""
    told = ~np.isnan(reference)
    sums = np.where(told, np.abs(reference), 0.0).sum(axis=0)
    means = sums / np.maximum(told.sum(axis=0), 1)
    levels: Floats = np.where(means > 0, means, 1.0)
    return levels
