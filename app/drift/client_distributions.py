"""Distributions of clients one by one: the middle one of the newest rounds against the reference's.

The bulk tests take counts as exact. Where noise was declared, its variance is added to that of each
gap, as if all of it fell where the noise is largest: p-values are then at most too large.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.special

from app.drift.baselines import Stack, stacked
from app.drift.client_findings import Answers, ClientFindings, Codes, Missing
from app.drift.findings import Case
from app.drift.known import Places
from app.drift.measurements import Binned, Floats, Mask, RoundMeasure
from detectors import RoundVariations, energy_categories, ks_histograms

POWER = 0.8
LEAST_ROUNDS = 2  # that tell how rounds vary


@dataclass(frozen=True, eq=False)
class _Sides:
    """A subject's counts of K clients on both sides, and the noise on each of them."""

    pooled: Floats  # (clients, bins), of all the reference's rounds
    variations: RoundVariations
    rounds: int
    after: Stack
    told: Mask  # (newest rounds, clients)
    noise_sd: float


def judge_distribution(
    case: Case, subject: str, known: Places, missing: Codes
) -> Iterator[ClientFindings]:
    """Kolmogorov-Smirnov where bins have an order, energy distance of categories."""
    now = case.current.histograms.get(subject)
    if now is None:
        return
    judged = case.judged(subject)
    detector = "energy" if now.categorical else "ks"
    if detector not in judged.detectors:
        return
    sides = _sides(case, subject, known, now)
    clients = case.known.clients[known]
    if sides is None:
        nothing = np.full(known.size, np.nan)
        answers = Answers(nothing, nothing, nothing, nothing)
        lacking = np.where(missing > 0, missing, Missing.OTHER_BINS).astype(np.int8)
    else:
        lacking = _lacking(sides, missing)
        # Noised categories are judged by their gaps, too.
        gaps = _gaps(case, subject, unordered=now.categorical and not now.noise_sd)
        answers = _middle_round(sides, gaps[:, known], now.categorical, case.level("client"))
    yield ClientFindings.undecided(
        subject, detector, judged.unit, judged.effect, clients, answers, lacking
    )


def _sides(case: Case, subject: str, known: Places, now: Binned) -> _Sides | None:
    """Both sides' counts; None where they were not counted on the same bins."""
    usual = case.baseline.usual(subject, now)
    size = len(case.known.clients)
    after = stacked(case.latest, case.places_after, subject, size, now)
    if usual is None or after is None:
        return None
    return _Sides(
        pooled=usual.pooled[known],
        variations=usual.variations.of(known),
        rounds=len(case.reference),
        after=after[:, known],
        told=after[:, known].sum(axis=2) > 0,
        noise_sd=now.noise_sd,
    )


def _lacking(sides: _Sides, missing: Codes) -> Codes:
    few = (sides.variations.rounds < LEAST_ROUNDS) | (sides.pooled.sum(axis=1) <= 0)
    lacking = np.where(few, Missing.FEW_REFERENCE_ROUNDS, Missing.NOTHING)
    lacking = np.where(sides.told.any(axis=0), lacking, Missing.NOT_TOLD_LATELY)
    codes: Codes = np.where(missing > 0, missing, lacking).astype(np.int8)
    return codes


def _middle_round(sides: _Sides, gaps: Floats, categorical: bool, alpha: float) -> Answers:
    """The answer for the middle one, by effect, of each client's newest rounds."""
    place = (np.maximum(sides.told.sum(axis=0), 1) - 1) // 2
    order = np.argsort(gaps, axis=0, kind="stable")
    row = np.take_along_axis(order, place[np.newaxis], axis=0)[0]
    middle = _counted(sides.after[row, np.arange(row.size)])
    return _tested(sides, _counted(sides.pooled), middle, categorical, alpha)


def _gaps(case: Case, subject: str, *, unordered: bool) -> Floats:
    """Each known client's effect in each of the newest rounds; infinite where it told nothing.

    Of all the reference's clients, since a round is among the newest for several rounds judged.
    """

    def of(measure: RoundMeasure, places: Places) -> Floats:
        work = partial(_gaps_in, case, subject, measure, places, unordered=unordered)
        return case.baseline.beside(measure, ("gaps", subject, unordered), work)

    return np.array([of(*one) for one in zip(case.latest, case.places_after, strict=True)])


def _gaps_in(
    case: Case, subject: str, measure: RoundMeasure, places: Places, *, unordered: bool
) -> Floats:
    gaps = np.full(len(case.known.clients), np.inf)
    binned = measure.histograms.get(subject)
    usual = None if binned is None else case.baseline.usual(subject, binned)
    if binned is None or usual is None:
        return gaps
    told = (places >= 0) & (binned.counts.sum(axis=1) > 0)
    at = places[told]
    gaps[at] = _apart(_counted(usual.pooled[at]), binned.counts[told], unordered)
    return gaps


def _apart(reference: Floats, current: Floats, categorical: bool) -> Floats:
    """Each client's effect: total variation of categories, the largest gap of what is ordered."""
    shares = [side / side.sum(axis=1, keepdims=True) for side in (reference, current)]
    apart = shares[0] - shares[1]
    if categorical:
        return np.asarray(np.abs(apart).sum(axis=1) / 2)
    return np.asarray(np.abs(np.cumsum(apart, axis=1))[:, :-1].max(axis=1))


def _tested(
    sides: _Sides, reference: Floats, current: Floats, categorical: bool, alpha: float
) -> Answers:
    """Each client's test; what it says of clients without counts on a side means nothing."""
    if sides.noise_sd:
        return _noised(sides, reference, current, alpha)
    if categorical:
        shifts = energy_categories(reference, current, variations=sides.variations, alpha=alpha)
        detectable = shifts.minimum_detectable_effects
        return Answers(shifts.statistics, shifts.effects, shifts.p_values, detectable)
    by_bin = (np.ascontiguousarray(side.T) for side in (reference, current))
    gaps = ks_histograms(*by_bin, variations=sides.variations)
    detectable = gaps.minimum_detectable_effects(alpha)
    return Answers(gaps.statistics, gaps.statistics, gaps.p_values, detectable)


def _noised(sides: _Sides, reference: Floats, current: Floats, alpha: float) -> Answers:
    """Kolmogorov-Smirnov on noised counts, in any order of categories."""
    values, weights = sides.variations.spread(current.sum(axis=1))
    values = values + _noise(sides, reference, current)[:, np.newaxis]
    gaps = _apart(reference, current, categorical=False)
    tails = scipy.special.kolmogorov(gaps[:, np.newaxis] / np.sqrt(values))
    # Not by BLAS, whose last bit of a row may depend on how many rows there are.
    p_values = np.minimum((tails * weights).sum(axis=1), 1.0)
    typical = np.sqrt((np.minimum(values, 1.0) * weights).sum(axis=1))
    beyond = float(scipy.special.kolmogi(alpha)) + float(scipy.special.ndtri(POWER)) / 2
    return Answers(gaps, gaps, p_values, np.minimum(beyond * typical, 1.0))


def _counted(counts: Floats) -> Floats:
    """The counts, with one example for clients that have none, whose answer nobody reads."""
    empty = counts.sum(axis=1) <= 0
    if not empty.any():
        return counts
    counted = np.where(empty[:, np.newaxis], 0.0, counts)
    counted[empty, 0] = 1.0
    return counted


def _noise(sides: _Sides, reference: Floats, current: Floats) -> Floats:
    """What declared noise adds to the variance of a gap over F (1 - F), at most."""
    variance = sides.noise_sd**2 * reference.shape[1]
    added: Floats = variance * (
        sides.rounds / reference.sum(axis=1) ** 2 + 1 / current.sum(axis=1) ** 2
    )
    return added
