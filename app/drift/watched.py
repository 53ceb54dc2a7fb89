"""Which streams are watched, and what their detectors' alarms amount to."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from app.drift.client_findings import (
    OUTCOMES,
    STABLE,
    WARNING,
    Answers,
    ClientFindings,
    Missing,
)
from app.drift.clients import missing_of, table
from app.drift.departures import rates_of
from app.drift.findings import Case, Finding
from app.drift.foreseeing import BLIND, smallest_shifts
from app.drift.measurements import Floats, RoundMeasure
from app.drift.streams import Moved, Streams
from app.drift.watching import Chosen
from app.federations.policy.catalogue import DETECTORS
from app.rounds.records import pseudonyms

UNIT = "reference standard deviations"
# What these know of a stream takes eight times the room and more, too much for each of each client.
LARGE = frozenset({"adwin", "kswin"})
NOBODY = pseudonyms([""])


def wide_streams(case: Case) -> Streams:
    """The federation's rates."""
    values = wide_values(case, case.reference)
    return Streams(case.rates, NOBODY, values, _detectors(case, case.rates, 1))


def wide_values(case: Case, measures: Sequence[RoundMeasure]) -> Floats:
    """The federation's rates in other rounds, shape (rounds, streams)."""
    places = [case.known.places(measure.clients) for measure in measures]
    told = [
        rates_of(measure, at, case.scopes[:1], case.expected)
        for measure, at in zip(measures, places, strict=True)
    ]
    return _wide(told, case.rates)


def wide_alarms(case: Case, moved: Moved) -> Iterator[Finding]:
    """Each detector's answer on each of the federation's rates that the round told."""
    smallest = smallest_shifts(moved)
    for at, subject in enumerate(case.rates):
        if np.isnan(moved.scores[at]):
            continue
        score = float(moved.scores[at])
        for chosen in _watching(moved, at):
            lately = moved.watch.last[chosen.key][at] < case.policy.latest_rounds
            could_see = smallest[chosen.key][at]
            told: dict[str, Any] = {"alarms": int(moved.watch.alarms[chosen.key][at])}
            yield Finding(
                subject=subject,
                scope=case.scopes[0],
                detector=chosen.detector,
                outcome=OUTCOMES[WARNING if lately else STABLE],
                effect_unit=UNIT,
                threshold=0.0,
                statistic=score,
                effect=score,
                minimum_detectable_effect=None if np.isnan(could_see) else float(could_see),
                explanation=told | (BLIND if np.isnan(could_see) else {}),
            )


def client_streams(case: Case) -> Streams:
    """Every rate of every client that the reference knows."""
    clients = len(case.known.clients)
    tables = [table(case.reference, case.places_before, one, clients) for one in case.client_rates]
    whole = np.hstack([np.empty((len(case.reference), 0)), *tables])
    detectors = [
        one for one in _detectors(case, case.client_rates, clients) if one.detector not in LARGE
    ]
    return Streams(case.client_rates, case.known.clients, whole, detectors)


def client_values(case: Case, measures: Sequence[RoundMeasure]) -> Floats:
    """Every client's rates in other rounds, shape (rounds, streams)."""
    places = [case.known.places(measure.clients) for measure in measures]
    clients = len(case.known.clients)
    tables = [table(measures, places, subject, clients) for subject in case.client_rates]
    return np.hstack([np.empty((len(measures), 0)), *tables])


def client_alarms(case: Case, moved: Moved) -> Iterator[ClientFindings]:
    """Each detector's answers on the known clients that took part."""
    known = case.places_after[-1][case.places_after[-1] >= 0]
    if not known.size:
        return
    missing = missing_of(case)
    untold = np.full(known.size, np.nan)
    for at, subject in enumerate(case.client_rates):
        mine = at * len(case.known.clients) + known
        scores = moved.scores[mine]
        lacking = np.where(np.isnan(scores), Missing.NOT_TOLD_LATELY, Missing.NOTHING)
        for chosen in _watching(moved, at * len(case.known.clients)):
            lately = moved.watch.last[chosen.key][mine] < case.policy.latest_rounds
            yield ClientFindings.undecided(
                subject,
                chosen.detector,
                UNIT,
                0.0,
                case.known.clients[known],
                Answers(scores, scores, untold, untold),
                np.where(missing > 0, missing, lacking).astype(np.int8),
                np.where(lately, WARNING, STABLE).astype(np.int8),
            )


def _watching(moved: Moved, at: int) -> list[Chosen]:
    """The detectors that watch a stream."""
    return [chosen for chosen in moved.detectors if chosen.streams[at]]


def _detectors(case: Case, subjects: Sequence[str], clients: int) -> list[Chosen]:
    """The policy's sequential detectors, and which streams each watches."""
    asked: dict[str, Chosen] = {}
    for at, subject in enumerate(subjects):
        for name, parameters in case.judged(subject).detectors.items():
            if DETECTORS[name].sequential:
                streams = np.zeros(len(subjects) * clients, dtype=np.bool_)
                chosen = Chosen(name, parameters, streams)
                chosen = asked.setdefault(chosen.key, chosen)
                chosen.streams[at * clients : (at + 1) * clients] = True
    return list(asked.values())


def _wide(told: Sequence[Mapping[str, Floats]], subjects: Sequence[str]) -> Floats:
    absent = np.array([np.nan])
    rows = [[rates.get(subject, absent)[0] for subject in subjects] for rates in told]
    return np.array(rows).reshape(len(told), len(subjects))
