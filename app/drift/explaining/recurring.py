"""Whether things are as they were under a past version: the newest rounds against its reference.

What is compared is what rounds keep as sums over many clients (`round_aggregates`), which outlive
the clients' own records: labels and inputs, which mean the same whatever version was in use. Scores
and errors are a version's own, and only told.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from sqlmodel import Session

from app.drift import repository
from app.drift.explaining.schemas import Fitting
from app.drift.measurements import FEATURE, LABEL, declared_noise_sd
from app.drift.tables import Reference
from app.federations.policy.kinds import kind_of
from app.federations.tables import Federation
from app.rounds import bin_specs
from app.rounds import service as rounds
from app.rounds.disclosure import FEDERATION, Scope
from app.rounds.schemas import BinSpecIn, CategoricalBins
from app.rounds.tables import Round, RoundAggregate
from detectors import (
    DetectorError,
    Histogram,
    estimate_variation,
    merge,
    recurrence_of,
)

MOST_REFERENCES = 12  # the newest ones, of other versions
LEAST_PROBABILITY, ALPHA = 0.9, 0.01
THEN, STANDING = "then", "standing"
COLUMNS = {LABEL: "label_counts"}  # as sums are kept
DIGITS = 4


@dataclass(frozen=True, eq=False)
class Portrait:
    """What a scope said in some rounds: by subject a histogram a round, and a metric's mean."""

    rounds: Sequence[Round]
    histograms: Mapping[str, Sequence[Histogram]]
    metrics: Mapping[str, float]


def fitting(
    session: Session,
    federation: Federation,
    latest: Sequence[Round],
    standing: Reference,
    moved: Collection[str],
    scope: Scope = FEDERATION,
) -> Fitting | None:
    """The past version whose reference the newest rounds are like in all that moved.

    `latest` are the newest rounds of one version, `standing` the reference in force, `moved` the
    subjects that drift, of which labels and features are compared. A past reference has to fit
    every one of them: nine times as probable as the reference in force and anything new together,
    and no test finds anything against it; and its version has to have erred less there than the one
    in use does now, if that is known. Of several the one that fits best is told, of equal ones
    the newest. None where there is none, or nothing that moved can be compared.
    """
    subjects = sorted({LABEL if kind_of(one) == LABEL else one for one in moved if _compared(one)})
    bins = bin_specs.bins_of(session, federation, latest[-1])
    references = repository.references_of(session, federation.id, standing.model)
    past = [one for one in references if one.version != standing.version][:MOST_REFERENCES]
    if not subjects or bins is None or not past:
        return None
    painter = _Painter(session, federation, subjects, latest[-1].bin_spec, bins, scope)
    now = painter.portrait(latest, standing.version)
    usual = painter.of_reference(standing)
    fits = (_fit(one, painter.of_reference(one), usual, now, subjects) for one in past)
    told = [one for one in fits if one is not None]
    return max(told, key=lambda one: (one.probability, one.until), default=None)


def _compared(subject: str) -> bool:
    return kind_of(subject) in {LABEL, FEATURE}


@dataclass(frozen=True)
class _Painter:
    """Reads rounds' sums on the bins of the newest round."""

    session: Session
    federation: Federation
    subjects: Sequence[str]
    spec: str | None
    bins: BinSpecIn
    scope: Scope

    def of_reference(self, reference: Reference) -> Portrait:
        """The rounds of a reference."""
        ids = [UUID(text) for text in reference.round_ids]
        frozen = rounds.with_ids(self.session, self.federation.id, ids)
        return self.portrait(frozen, reference.version)

    def portrait(self, told: Sequence[Round], version: str) -> Portrait:
        """What the scope said in these rounds; metrics are of a version."""
        alike = [one for one in told if one.bin_spec == self.spec]
        sums = rounds.aggregates_in(self.session, [one.id for one in told], self.scope)
        model = {one.round_id: one for one in sums if one.measured == "model"}
        own = [
            one
            for one in sums
            for round_ in told
            if one.round_id == round_.id
            and one.measured == ("model" if round_.version == version else "canary")
        ]
        histograms = {one: self._counts(one, alike, model) for one in self.subjects}
        return Portrait(told, histograms, _metrics(own))

    def _counts(
        self, subject: str, told: Iterable[Round], sums: Mapping[UUID, RoundAggregate]
    ) -> list[Histogram]:
        edges = self._edges(subject)
        return [
            _histogram(round_, counts, edges)
            for round_ in told
            if round_.id in sums
            and (counts := sums[round_.id].counts.get(COLUMNS.get(subject, subject))) is not None
            and sum(counts["sum"]) > 0
        ]

    def _edges(self, subject: str) -> Sequence[float] | None:
        """The edges of ordered bins; None for categories."""
        feature = self.bins.features.get(subject.removeprefix(f"{FEATURE}:"))
        if feature is None or isinstance(feature, CategoricalBins):
            return None
        return feature.edges


def _histogram(
    round_: Round, counts: Mapping[str, Any], edges: Sequence[float] | None
) -> Histogram:
    noise = (
        declared_noise_sd(round_.envelope.get("privacy") or {}) * float(counts["clients"]) ** 0.5
    )
    if edges is None:
        return Histogram.of_categories(counts["sum"], noise)
    return Histogram(np.asarray(edges), np.asarray(counts["sum"]), noise_sd=noise)


def _metrics(sums: Sequence[RoundAggregate]) -> dict[str, float]:
    """Error rate and log loss over all of these sums, as far as they were told."""
    right, of = sum(one.correct_count for one in sums), sum(one.correct_examples for one in sums)
    lost, on = sum(one.loss_sum for one in sums), sum(one.loss_examples for one in sums)
    told = {"error_rate": 1 - right / of} if of else {}
    return told | ({"log_loss": lost / on} if on else {})


def _fit(
    reference: Reference,
    then: Portrait,
    usual: Portrait,
    now: Portrait,
    subjects: Sequence[str],
) -> Fitting | None:
    """How today fits a past reference; None where any subject does not, or it was no better."""
    probability, p_value = 1.0, 1.0
    for subject in subjects:
        sides = [one.histograms[subject] for one in (then, usual, now)]
        try:
            found = recurrence_of(
                merge(sides[2]),
                {THEN: merge(sides[0]), STANDING: merge(sides[1])},
                tau_squared=max(estimate_variation(side).tau_squared for side in sides[:2]),
                least_probability=LEAST_PROBABILITY,
                alpha=ALPHA,
            )
        except DetectorError:  # too few rounds, or other bins: nothing is known of it
            return None
        if found.returned_to != THEN:
            return None
        probability = min(probability, found.fits[THEN].probability)
        p_value = min(p_value, found.fits[THEN].p_value)
    metric = next((one for one in now.metrics if one in then.metrics), None)
    if metric is not None and then.metrics[metric] >= now.metrics[metric]:
        return None
    return Fitting(
        version=reference.version,
        reference=reference.number,
        since=min(one.started_at for one in then.rounds),
        until=max(one.ended_at for one in then.rounds),
        metric=metric,
        figure_then=None if metric is None else round(then.metrics[metric], DIGITS),
        figure_now=None if metric is None else round(now.metrics[metric], DIGITS),
        probability=round(probability, DIGITS),
        p_value=round(p_value, DIGITS),
        subjects=list(subjects),
    )
