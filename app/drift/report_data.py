"""What a report shows of one side: pooled counts on shared bins, and rates from pooled sums."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from app.drift.measurements import FEATURE, LABEL, PREDICTION, SCORE, version_block
from app.rounds import disclosure
from app.rounds.reports import ClientReport
from app.rounds.schemas import BinSpecIn, CategoricalBins, NumericBins, ScoreBins
from app.rounds.tables import Round

OTHER = "other"


@dataclass(frozen=True)
class Bins:
    """What a subject is counted on: numeric bins have edges in `unit`, categories have none."""

    names: tuple[str, ...]
    edges: tuple[float, ...] | None = None
    unit: str = ""

    @property
    def width(self) -> float | None:
        """The widest bin, which is the resolution, in `unit`; None for categories."""
        return max(high - low for low, high in pairwise(self.edges)) if self.edges else None

    @property
    def mid_points(self) -> tuple[float, ...] | None:
        """Where the examples of each bin are taken to lie, in `unit`; None for categories."""
        return tuple((low + high) / 2 for low, high in pairwise(self.edges)) if self.edges else None


@dataclass(frozen=True)
class Distribution:
    """One count a bin, of all clients together; at least one count is above 0."""

    bins: Bins
    counts: tuple[float, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of each bin; a count that privacy's noise made negative is taken for 0."""
        counts = np.maximum(self.counts, 0.0)
        return tuple((counts / counts.sum()).tolist())


@dataclass(frozen=True)
class Summary:
    """One side of a report, pooled over clients: log loss in nats per example, error rate.

    A value that too few clients sent to be shown, or none, is None or not among the
    `distributions`, which are by subject (`score`, `label`, `prediction`, `feature:hour`).
    """

    name: str
    n: int
    clients: int
    log_loss: float | None
    error_rate: float | None
    distributions: Mapping[str, Distribution]


@dataclass(frozen=True)
class Said:
    """A round with what its clients said of the version that the report is on."""

    round_: Round
    reports: Sequence[ClientReport]


def summarise(
    name: str, said: Sequence[Said], bins: BinSpecIn | None, version: str, min_clients: int
) -> Summary:
    """Pool these rounds; what fewer than `min_clients` clients sent is left out.

    The rounds must have been counted on `bins`; without bins there are no distributions.
    """
    parts = [
        (report, version_block(report.record, one.round_, version))
        for one in said
        for report in one.reports
        if report.status == "ok" and report.num_examples > 0
    ]
    pools = (
        {}
        if bins is None
        else {
            subject: Distribution(on, pooled)
            for subject, on in subjects(bins).items()
            if (pooled := _pooled(parts, subject, min_clients)) is not None
        }
    )
    right = _rate(parts, "correct_count", min_clients)
    clients = len({report.client for report, _ in parts})
    examples = sum(report.num_examples for report, _ in parts)
    return Summary(
        name=name,
        n=disclosure.coarse_total(examples, clients, min_clients),
        clients=clients,
        log_loss=_rate(parts, "loss_sum", min_clients),
        error_rate=None if right is None else 1 - right,
        distributions=pools,
    )


def subjects(spec: BinSpecIn) -> dict[str, Bins]:
    """The bins of every subject that a bin spec lets clients count."""
    labels = Bins(tuple(spec.labels))
    features = {f"{FEATURE}:{name}": _bins(feature) for name, feature in spec.features.items()}
    return {SCORE: _bins(spec.score), LABEL: labels, PREDICTION: labels, **features}


Part = tuple[ClientReport, Mapping[str, Any]]  # a report, and its block on the version


def _bins(spec: ScoreBins | NumericBins | CategoricalBins) -> Bins:
    if isinstance(spec, CategoricalBins):
        return Bins((*spec.categories, OTHER))
    names = tuple(f"{low:g} to {high:g}" for low, high in pairwise(spec.edges))
    return Bins(names, tuple(spec.edges), spec.unit)


def _pooled(parts: Iterable[Part], subject: str, min_clients: int) -> tuple[float, ...] | None:
    counted = [
        (report.client, counts)
        for report, block in parts
        if (counts := _counts(report, block, subject)) is not None
    ]
    clients = len({client for client, _ in counted})
    if clients < max(min_clients, 1):
        return None
    exact = np.sum([counts for _, counts in counted], axis=0)
    total = disclosure.coarse_counts(exact, clients, min_clients)
    # With noise, and without examples, nothing may be left to show.
    return tuple(total.tolist()) if total.max() > 0 else None


def _counts(report: ClientReport, block: Mapping[str, Any], subject: str) -> Sequence[float] | None:
    found: Sequence[float] | None
    if subject == SCORE:
        found = block.get("score_histogram")
    elif subject == PREDICTION:
        found = block.get("prediction_counts")  # a canary block has none
    elif subject == LABEL:
        found = report.record.get("label_counts")
    else:
        features = report.record.get("features") or {}
        found = features.get(subject.removeprefix(f"{FEATURE}:"))
    return found


def _rate(parts: Iterable[Part], metric: str, min_clients: int) -> float | None:
    """A metric's pooled sum over the examples of the clients that sent it."""
    sent = [
        (report, value)
        for report, block in parts
        if (value := (block.get("metrics") or {}).get(metric)) is not None
    ]
    clients = len({report.client for report, _ in sent})
    if clients < max(min_clients, 1):
        return None
    mean = sum(value for _, value in sent) / sum(report.num_examples for report, _ in sent)
    return disclosure.coarsened(float(mean), clients, min_clients)
