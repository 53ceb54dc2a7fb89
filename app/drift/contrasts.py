"""Clients against the others of the same round: what moves one of them, and not the world.

Weather moves all clients together, and hides what happened to one. So each client's rates, and the
means of its features, are judged by how far they lie from the median of all clients of the round,
against how far they lay from it in the reference's rounds. Where a good part of the clients move it
is the median that moves, and those that stayed would be accused: then a client has to have moved
itself too, the same way and half as far at least.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from app.drift.client_findings import Answers, ClientFindings, Codes, Missing
from app.drift.findings import RATIO, Case
from app.drift.known import Places
from app.drift.measurements import Floats, RoundMeasure
from detectors import Histogram, median_shifts

CONTRAST = "contrast"
LEAST_OWN = 0.5  # of a contrast, that the client has to have moved itself
MOST_APART = 1 / 3  # of the clients, for them to be what moved, and not the median
LEAST_OTHERS = 4  # clients of a round, for a median that no single one of them makes


def judge_contrasts(case: Case, known: Places, missing: Codes) -> Iterator[ClientFindings]:
    """Every client's answers on how it lies among the others."""
    for subject in case.client_rates:
        judged = case.judged(subject)
        if judged.unit != RATIO:
            yield _judged(case, subject, known, missing, judged.unit, judged.effect)
    for subject in case.histograms:
        spread = case.baseline.once(("spread", subject), partial(_spread, case, subject))
        if spread:
            effect, unit = case.policy.energy_effect * spread, case.units.get(subject, "")
            yield _judged(case, subject, known, missing, unit, effect)


def _judged(
    case: Case, subject: str, known: Places, missing: Codes, unit: str, effect: float
) -> ClientFindings:
    clients = len(case.known.clients)
    usual = partial(contrasts_of, case.reference, case.places_before, subject, clients)
    before, told_before = case.baseline.once(("contrasts", subject), usual)
    after, told_after = contrasts_of(case.latest, case.places_after, subject, clients)
    alpha = case.level("client")
    found = median_shifts(before[:, known], after[:, known], alpha=alpha)
    own = median_shifts(told_before[:, known], told_after[:, known]).effects
    moved = (own * found.effects > 0) & (np.abs(own) >= LEAST_OWN * np.abs(found.effects))
    few = np.mean(np.abs(found.effects) >= effect) <= MOST_APART
    return ClientFindings.undecided(
        subject,
        CONTRAST,
        unit,
        effect,
        case.known.clients[known],
        Answers(
            found.statistics,
            found.effects,
            np.where(moved | few, found.p_values, 1.0),
            found.minimum_detectable_effects,
        ),
        np.where(missing > Missing.NOTHING, missing, found.why).astype(np.int8),
    )


def centres_of(measure: RoundMeasure) -> dict[str, float]:
    """The medians of what the clients of a round tell, where they are enough."""
    told = {
        subject: values[~np.isnan(values)]
        for subject in (*measure.rates, *measure.histograms)
        if (values := _values(measure, subject)) is not None
    }
    return {
        subject: float(np.median(values))
        for subject, values in told.items()
        if len(values) > LEAST_OTHERS
    }


def contrasts_of(
    rounds: Sequence[RoundMeasure], places: Sequence[Places], subject: str, clients: int
) -> tuple[Floats, Floats]:
    """How far each known client lies from the median of its round, and what it told; or NaN."""
    apart, told = np.full((2, len(rounds), clients), np.nan)
    for at, (measure, place) in enumerate(zip(rounds, places, strict=True)):
        values, centre = _values(measure, subject), measure.centres.get(subject)
        if values is not None and centre is not None:
            told[at, place[place >= 0]] = values[place >= 0]
            apart[at, place[place >= 0]] = values[place >= 0] - centre
    return apart, told


def _values(measure: RoundMeasure, subject: str) -> Floats | None:
    """A rate, or a distribution's mean, by client; None for categories and what is not told."""
    binned = measure.histograms.get(subject)
    if binned is None:
        return measure.rates.get(subject)
    return None if binned.categorical else binned.means


def _spread(case: Case, subject: str) -> float:
    """The standard deviation of a numeric distribution over the reference; 0 for categories.

    Rounds on other bins than the newest ones' are left out.
    """
    told = [one.histograms[subject] for one in case.reference if subject in one.histograms]
    newest = told[-1]
    if newest.categorical:
        return 0.0
    alike = (one.counts for one in told if np.array_equal(one.edges, newest.edges))
    counts = np.concatenate(list(alike)).sum(axis=0)
    return Histogram(newest.edges, counts, noise_sd=newest.noise_sd).sd
