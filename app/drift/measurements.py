"""What a round says of one model version: by client, sums and histograms that can be merged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import sqrt
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.drift.agreeing import consensus_of
from app.drift.taking_part import rates_of
from app.rounds.disclosure import clients_of_a_record
from app.rounds.layout import COHORT
from app.rounds.layout import FEATURE as FEATURE_COLUMN
from app.rounds.records import Counted, Pseudonyms, Records
from app.rounds.schemas import BinSpecIn, CategoricalBins, ScoreBins
from app.rounds.tables import Round

LABEL, PREDICTION, SCORE, FEATURE = "label", "prediction", "score", "feature"
CALIBRATION, SKEW, FORGETTING = "calibration", "skew", "forgetting"
CALIBRATION_RATIO = "calibration_ratio"
CANARY = "canary."
BINARY = 2  # labels
OWN_RATES = {
    "update_norm": "update.norm",
    "update_cosine": "update.cosine",
    "train_ms": "resources.train_ms",
    "peak_mb": "resources.peak_mb",
}
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Binned:
    """Counts of all clients on the same bins, shape (clients, bins).

    Rows of clients that did not tell are zero and not `told`; no told row is without examples.
    """

    edges: Floats
    counts: Floats
    told: Mask
    categorical: bool = False
    noise_sd: float = 0.0

    @property
    def nbytes(self) -> int:
        """The memory that it takes, roughly."""
        return self.counts.nbytes + self.told.nbytes

    @cached_property
    def means(self) -> Floats:
        """Each client's mean, from the middles of ordered bins; NaN for one that did not tell."""
        middles = (self.edges[1:] + self.edges[:-1]) / 2
        totals = np.where(self.told, self.counts.sum(axis=1), np.nan)
        means: Floats = (self.counts * middles).sum(axis=1) / totals
        return means


@dataclass(frozen=True, eq=False)
class RoundMeasure:
    """One round's measures of one model version; row i is one client's everywhere.

    `clients` are ordered; `tags` holds each cohort tag's value by client, "" without one; `n` are
    examples. `rates` are means per example (log loss in nats, error rate and label shares as
    probabilities), NaN where a client told nothing. Under secure aggregation a record is the sum
    over a cohort, and `stands_for` so many clients. `whole` are rates of the round that no single
    client tells, such as how many took part; `centres` the median over all of its clients of what
    they tell, also where only some of them are here (`contrasts.py`). `outcomes` are the labels,
    and those of the second of two, shape (clients, 2); NaN without both labels and scores.
    `joint` counts labels and predictions together (`joints.py`), which is judged nowhere and tells
    where a drift comes from. `confusions` are by label and prediction, (clients, classes, classes),
    zeros where not told; `noise_sd` is what was declared of every count.
    """

    round_id: UUID
    step: int
    clients: Pseudonyms
    tags: Mapping[str, NDArray[np.str_]]
    n: Floats
    rates: Mapping[str, Floats]
    histograms: Mapping[str, Binned]
    stands_for: int = 1
    whole: Mapping[str, float] = field(default_factory=dict)
    centres: Mapping[str, float] = field(default_factory=dict)
    outcomes: Floats | None = None
    joint: Binned | None = None
    confusions: Floats | None = None
    noise_sd: float = 0.0

    @property
    def nbytes(self) -> int:
        """The memory that it takes, roughly."""
        columns = (self.clients, self.n, *self.tags.values(), *self.rates.values())
        tables = (self.joint, self.outcomes, self.confusions, *self.histograms.values())
        return sum(one.nbytes for one in (*columns, *tables) if one is not None)

    def telling(self, subject: str) -> Mask:
        """Which clients told a subject."""
        if subject in self.rates:
            return ~np.isnan(self.rates[subject])
        if subject in self.histograms:
            return self.histograms[subject].told
        return np.zeros(len(self.clients), dtype=np.bool_)

    def of(self, chosen: Mask | slice) -> "RoundMeasure":
        """The part of it that these clients said; of a slice nothing is copied."""
        return RoundMeasure(
            self.round_id,
            self.step,
            self.clients[chosen],
            {tag: values[chosen] for tag, values in self.tags.items()},
            self.n[chosen],
            {subject: values[chosen] for subject, values in self.rates.items()},
            {subject: _part(binned, chosen) for subject, binned in self.histograms.items()},
            self.stands_for,
            self.whole,
            self.centres,
            None if self.outcomes is None else self.outcomes[chosen],
            None if self.joint is None else _part(self.joint, chosen),
            None if self.confusions is None else self.confusions[chosen],
            self.noise_sd,
        )


def measure_round(
    round_: Round,
    records: Records,
    bins: BinSpecIn | None,
    version: str,
    refused: Mapping[str, int] | None = None,
) -> RoundMeasure:
    """Measures of `version` in a round, from its records.

    `bins` is the bin spec that the round names; `refused` counts its refused records by code.
    """
    answered = who_answered(records)
    return RoundMeasure(
        round_id=round_.id,
        step=round_.global_step,
        clients=records.clients[answered],
        tags={
            name.removeprefix(COHORT): values[answered]
            for name, values in records.texts.items()
            if name.startswith(COHORT)
        },
        n=records.numbers["num_examples"][answered] if answered.size else np.empty(0),
        rates={
            subject: values
            for subject, values in _rates(records, bins, answered, own=round_.version == version)
            if not np.isnan(values).all()
        },
        histograms=dict(_histograms(round_, records, bins, answered, version)),
        stands_for=clients_of_a_record(round_.envelope),
        whole={
            **dict(rates_of(round_, refused or {})),
            **dict(consensus_of(records, answered)),
        },
        outcomes=_outcomes(records, bins, answered, own=round_.version == version),
        confusions=_confusions(records, answered, own=round_.version == version),
        noise_sd=declared_noise_sd(round_.envelope.get("privacy") or {}),
    )


def units(bins: BinSpecIn | None) -> dict[str, str]:
    """The unit of each subject that a bin spec gives one to."""
    if bins is None:
        return {}
    features = {
        f"{FEATURE}:{name}": "" if isinstance(feature, CategoricalBins) else feature.unit
        for name, feature in bins.features.items()
    }
    return {SCORE: bins.score.unit, **features}


def declared_noise_sd(privacy: Mapping[str, Any]) -> float:
    """Standard deviation of the noise on every single count, as the push declared it.

    Laplace: sqrt(2) b with b = sensitivity / epsilon. Two-sided geometric: variance
    2 a / (1 - a)^2 with a = exp(-epsilon / sensitivity). Gaussian: the classic calibration
    sqrt(2 ln(1.25 / delta)) sensitivity / epsilon (Dwork & Roth 2014, theorem A.1).
    """
    mechanism = privacy.get("mechanism", "none")
    if mechanism == "none":
        return 0.0
    scale = float(privacy["sensitivity"]) / float(privacy["epsilon"])
    if mechanism == "laplace":
        return sqrt(2) * scale
    if mechanism == "geometric":
        ratio = float(np.exp(-1 / scale))
        return sqrt(2 * ratio) / (1 - ratio)
    return sqrt(2 * float(np.log(1.25 / float(privacy["delta"])))) * scale


def who_answered(records: Records) -> Mask:
    """Which clients trained or evaluated, on one example at least."""
    if not len(records.clients):
        return np.zeros(0, dtype=np.bool_)
    status = records.texts.get("status", np.full(len(records.clients), ""))
    answered: Mask = np.isin(status, ("", "ok")) & (records.numbers["num_examples"] > 0)
    return answered


def _rates(
    records: Records, bins: BinSpecIn | None, answered: Mask, *, own: bool
) -> Iterator[tuple[str, Floats]]:
    block = "metrics." if own else f"{CANARY}metrics."
    if (loss := records.numbers.get(f"{block}loss_sum")) is not None:
        yield "log_loss", loss[answered] / records.numbers["num_examples"][answered]
    if (right := records.numbers.get(f"{block}correct_count")) is not None:
        yield "error_rate", 1 - right[answered] / records.numbers["num_examples"][answered]
    for name, column in OWN_RATES.items() if own else ():
        if (told := records.numbers.get(column)) is not None:
            yield name, told[answered]
    if bins is not None and (labels := records.counts.get("label_counts")) is not None:
        yield from _label_shares(labels, bins.labels, answered)
        scores = records.counts.get("score_histogram" if own else f"{CANARY}score_histogram")
        if scores is not None and len(bins.labels) == BINARY:
            yield CALIBRATION, _observed_beyond_predicted(labels, scores, bins.score, answered)


def _label_shares(
    labels: Counted, names: Sequence[str], answered: Mask
) -> Iterator[tuple[str, Floats]]:
    counts = labels.counts[answered]
    totals = np.where(labels.told[answered], counts.sum(axis=1), 0.0)
    shares = np.divide(
        counts, totals[:, np.newaxis], out=np.full(counts.shape, np.nan), where=_column(totals > 0)
    )
    first = 1 if len(names) == BINARY else 0  # of two, one share tells the other
    for at, name in list(enumerate(names))[first:]:
        yield f"{LABEL}:{name}", shares[:, at]


def _outcomes(
    records: Records, bins: BinSpecIn | None, answered: Mask, *, own: bool
) -> Floats | None:
    """Each client's labels, and those of the second of two, where it told scores too."""
    labels = records.counts.get("label_counts")
    scores = records.counts.get("score_histogram" if own else f"{CANARY}score_histogram")
    if bins is None or labels is None or scores is None or len(bins.labels) != BINARY:
        return None
    both = (labels.told & scores.told)[answered]
    counts = labels.counts[answered]
    return np.where(_column(both), np.column_stack((counts.sum(axis=1), counts[:, 1])), np.nan)


def _confusions(records: Records, answered: Mask, *, own: bool) -> Floats | None:
    told = records.counts.get("confusion" if own else f"{CANARY}confusion")
    if told is None:
        return None
    counts = np.where(_column(told.told), told.counts, 0.0)[answered]
    return counts.reshape(len(counts), told.rows, -1)


def _observed_beyond_predicted(
    labels: Counted, scores: Counted, bins: ScoreBins, answered: Mask
) -> Floats:
    """The share of the second label less the mean score: calibration in the large, signed.

    Scores are taken to lie in the middle of their bins, an error that a reference shares. Van
    Calster et al. (2019), BMC Med. 17, 230.
    """
    middles = (np.asarray(bins.edges)[1:] + np.asarray(bins.edges)[:-1]) / 2
    both = labels.told & scores.told
    outcomes, predicted = labels.counts.sum(axis=1), scores.counts.sum(axis=1)
    both &= (outcomes > 0) & (predicted > 0)
    observed = labels.counts[:, 1] / np.where(both, outcomes, 1.0)
    expected = (scores.counts * middles).sum(axis=1) / np.where(both, predicted, 1.0)
    gap: Floats = np.where(both, observed - expected, np.nan)[answered]
    return gap


def _histograms(
    round_: Round, records: Records, bins: BinSpecIn | None, answered: Mask, version: str
) -> Iterator[tuple[str, Binned]]:
    if bins is None:
        return
    noise_sd = declared_noise_sd(round_.envelope.get("privacy") or {})
    for subject, column, edges in _binned_columns(bins, own=round_.version == version):
        counted = records.counts.get(column)
        if counted is None:
            continue
        counts = counted.counts[answered]
        told = counted.told[answered] & (counts.sum(axis=1) > 0)
        if told.any():
            categorical = edges is None
            on = np.arange(counts.shape[1] + 1.0) if edges is None else np.asarray(edges)
            shown = np.where(_column(told), counts, 0.0)
            yield subject, Binned(on, shown, told, categorical, noise_sd)


def _binned_columns(
    bins: BinSpecIn, *, own: bool
) -> Iterator[tuple[str, str, Sequence[float] | None]]:
    """Each distribution: its subject, its column, and its edges unless it is of categories."""
    yield SCORE, "score_histogram" if own else f"{CANARY}score_histogram", bins.score.edges
    if own:
        yield PREDICTION, "prediction_counts", None
    for name, feature in bins.features.items():
        edges = None if isinstance(feature, CategoricalBins) else feature.edges
        yield f"{FEATURE}:{name}", f"{FEATURE_COLUMN}{name}", edges


def _part(binned: Binned, chosen: Mask | slice) -> Binned:
    return Binned(
        binned.edges,
        binned.counts[chosen],
        binned.told[chosen],
        binned.categorical,
        binned.noise_sd,
    )


def _column(mask: Mask) -> Mask:
    return mask[:, np.newaxis]
