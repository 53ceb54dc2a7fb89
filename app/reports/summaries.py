"""What a report shows of one side: counts on shared bins, and rates, pooled over rounds.

They come from the rounds' aggregates, which hold nothing that may not be shown (ADR 0011), and
outlive the clients' records. So there is no rule to apply here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.drift.measurements import FEATURE, LABEL, PREDICTION, SCORE
from app.rounds.schemas import BinSpecIn, CategoricalBins, NumericBins, ScoreBins
from app.rounds.tables import RoundAggregate

OTHER = "other"
COLUMNS = {SCORE: "score_histogram", LABEL: "label_counts", PREDICTION: "prediction_counts"}
CONFUSION = "confusion"


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
    """One side of a report: log loss in nats per example, error rate, and counts by subject.

    `clients` is the most that answered in one of the `rounds`. A value that may not be shown, or
    that nobody told, is None or not among the `distributions`, which are by subject (`score`,
    `label`, `prediction`, `feature:hour`). `confusion` has truths as rows.
    """

    name: str
    n: int
    clients: int
    rounds: int
    log_loss: float | None
    error_rate: float | None
    distributions: Mapping[str, Distribution]
    confusion: tuple[tuple[float, ...], ...] | None = None


def summarise(name: str, parts: Sequence[RoundAggregate], spec: BinSpecIn | None) -> Summary:
    """Pool what one scope said in several rounds, all of them counted on `spec`.

    Without a spec there are no distributions.
    """
    right = _rate(parts, "correct")
    return Summary(
        name=name,
        n=sum(part.examples for part in parts),
        clients=max((part.clients for part in parts), default=0),
        rounds=len({part.round_id for part in parts}),
        log_loss=_rate(parts, "loss"),
        error_rate=None if right is None else 1 - right,
        distributions={} if spec is None else dict(_distributions(parts, spec)),
        confusion=_confusion(parts),
    )


def subjects(spec: BinSpecIn) -> dict[str, Bins]:
    """The bins of every subject that a bin spec lets clients count."""
    labels = Bins(tuple(spec.labels))
    features = {f"{FEATURE}:{name}": _bins(feature) for name, feature in spec.features.items()}
    return {SCORE: _bins(spec.score), LABEL: labels, PREDICTION: labels, **features}


def _bins(spec: ScoreBins | NumericBins | CategoricalBins) -> Bins:
    if isinstance(spec, CategoricalBins):
        return Bins((*spec.categories, OTHER))
    names = tuple(f"{low:g} to {high:g}" for low, high in pairwise(spec.edges))
    return Bins(names, tuple(spec.edges), spec.unit)


def _distributions(
    parts: Sequence[RoundAggregate], spec: BinSpecIn
) -> list[tuple[str, Distribution]]:
    found = []
    for subject, bins in subjects(spec).items():
        counts = _sum(parts, COLUMNS.get(subject, subject))
        # With noise, and without examples, nothing may be left to show.
        if counts is not None and counts.shape == (len(bins.names),) and counts.max() > 0:
            found.append((subject, Distribution(bins, tuple(counts.tolist()))))
    return found


def _confusion(parts: Sequence[RoundAggregate]) -> tuple[tuple[float, ...], ...] | None:
    total = _sum(parts, CONFUSION)
    return None if total is None else tuple(map(tuple, total.tolist()))


def _sum(parts: Sequence[RoundAggregate], column: str) -> NDArray[np.float64] | None:
    told = [np.asarray(part.counts[column]["sum"]) for part in parts if column in part.counts]
    if not told or len({one.shape for one in told}) > 1:
        return None
    return np.asarray(np.sum(told, axis=0), dtype=np.float64)


def _rate(parts: Sequence[RoundAggregate], of: str) -> float | None:
    """A metric's pooled sum over the examples of the clients that told it."""
    sums = {"loss": "loss_sum", "correct": "correct_count"}
    examples = sum(getattr(part, f"{of}_examples") for part in parts)
    total = sum(getattr(part, sums[of]) for part in parts if getattr(part, f"{of}_examples"))
    return float(total / examples) if examples else None
