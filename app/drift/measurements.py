"""What a round says of one model version: per client, sums and histograms that can be merged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any
from uuid import UUID

import numpy as np

from app.rounds.disclosure import clients_of_a_record
from app.rounds.reports import ClientReport
from app.rounds.schemas import BinSpecIn, CategoricalBins
from app.rounds.tables import Round
from detectors import Histogram

LABEL, PREDICTION, SCORE, FEATURE = "label", "prediction", "score", "feature"


@dataclass(frozen=True)
class ClientMeasure:
    """One client's part of a round.

    `rates` are means per example (log loss in nats, error rate and label shares as probabilities);
    `histograms` are counts on the federation's shared bins.
    """

    client: str
    cohorts: Mapping[str, str]
    n: int
    rates: Mapping[str, float]
    histograms: Mapping[str, Histogram]


@dataclass(frozen=True)
class RoundMeasure:
    """One round's measures of one model version, by client.

    Under secure aggregation a record is the sum over a cohort, and stands for so many clients.
    """

    round_id: UUID
    step: int
    clients: Mapping[str, ClientMeasure]
    stands_for: int = 1

    @property
    def n(self) -> int:
        """Examples of all clients together."""
        return sum(measure.n for measure in self.clients.values())


def measure_rounds(
    rounds: Sequence[Round],
    reports: Iterable[ClientReport],
    bins: Mapping[str, BinSpecIn],
    version: str,
) -> list[RoundMeasure]:
    """Measures of `version` in each round; `bins` holds the bin specs that the rounds name."""
    by_round: dict[UUID, list[ClientReport]] = {round_.id: [] for round_ in rounds}
    for report in reports:
        by_round[report.round_id].append(report)
    return [
        _measure_round(round_, by_round[round_.id], bins.get(round_.bin_spec or ""), version)
        for round_ in rounds
    ]


def units(bins: BinSpecIn | None) -> dict[str, str]:
    """The unit of each subject that a bin spec gives one to."""
    if bins is None:
        return {}
    features = {
        f"{FEATURE}:{name}": "" if isinstance(feature, CategoricalBins) else feature.unit
        for name, feature in bins.features.items()
    }
    return {SCORE: bins.score.unit, **features}


def _measure_round(
    round_: Round, reports: list[ClientReport], bins: BinSpecIn | None, version: str
) -> RoundMeasure:
    noise_sd = declared_noise_sd(round_.envelope.get("privacy") or {})
    clients = {
        report.client: ClientMeasure(
            client=report.client,
            cohorts=report.cohorts,
            n=report.num_examples,
            rates=_rates(report, bins, version_block(report.record, round_, version)),
            histograms=_histograms(report, bins, noise_sd, round_, version),
        )
        for report in reports
        if report.status == "ok" and report.num_examples > 0
    }
    return RoundMeasure(
        round_.id, round_.global_step, clients, clients_of_a_record(round_.envelope)
    )


def version_block(record: Mapping[str, Any], round_: Round, version: str) -> Mapping[str, Any]:
    """The part of a record that speaks of `version`: the record itself, or its canary block."""
    if round_.version == version:
        return record
    block: Mapping[str, Any] = record.get("canary") or {}
    return block


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


def _rates(
    report: ClientReport, bins: BinSpecIn | None, block: Mapping[str, Any]
) -> dict[str, float]:
    metrics = block.get("metrics") or {}
    rates: dict[str, float] = {}
    if (loss := metrics.get("loss_sum")) is not None:
        rates["log_loss"] = loss / report.num_examples
    if (right := metrics.get("correct_count")) is not None:
        rates["error_rate"] = 1 - right / report.num_examples
    labels = report.record.get("label_counts")
    if labels is not None and bins is not None and sum(labels) > 0:
        names = bins.labels[1:] if len(bins.labels) == 2 else bins.labels  # noqa: PLR2004 - binary
        positions = {name: bins.labels.index(name) for name in names}
        rates |= {f"{LABEL}:{name}": labels[at] / sum(labels) for name, at in positions.items()}
    return rates


def _histograms(
    report: ClientReport,
    bins: BinSpecIn | None,
    noise_sd: float,
    round_: Round,
    version: str,
) -> dict[str, Histogram]:
    if bins is None:
        return {}
    record = report.record
    made: dict[str, Histogram] = {}
    score = version_block(record, round_, version).get("score_histogram")
    if score is not None:
        made[SCORE] = Histogram(np.array(bins.score.edges), np.array(score), noise_sd=noise_sd)
    if round_.version == version and (predicted := record.get("prediction_counts")) is not None:
        made[PREDICTION] = Histogram.of_categories(predicted, noise_sd)
    for name, counts in (record.get("features") or {}).items():
        feature = bins.features[name]
        made[f"{FEATURE}:{name}"] = (
            Histogram.of_categories(counts, noise_sd)
            if isinstance(feature, CategoricalBins)
            else Histogram(np.array(feature.edges), np.array(counts), noise_sd=noise_sd)
        )
    return {name: histogram for name, histogram in made.items() if histogram.total > 0}
