"""How labels and predictions fall together at each client: what tells where a drift comes from."""

from collections.abc import Mapping

import numpy as np

from app.drift.measurements import Binned, Floats, declared_noise_sd, who_answered
from app.rounds.records import Counted, Records
from app.rounds.schemas import BinSpecIn
from app.rounds.tables import Round

# Labels: of more, most pairs are empty, and a hundred thousand clients' matrices fill the memory.
MOST_LABELS = 16
BINARY = 2


def joint_of(
    round_: Round, records: Records, bins: BinSpecIn | None, version: str
) -> Binned | None:
    """Each client's counts of label and prediction, label by label; None where nobody told.

    Of two labels they follow from how many there are of each, how many were predicted and how many
    predictions were right; noised counts do not add up, and nothing is made of them.
    """
    if bins is None or len(bins.labels) > MOST_LABELS:
        return None
    own = round_.version == version
    noise_sd = declared_noise_sd(round_.envelope.get("privacy") or {})
    told = records.counts.get("confusion" if own else "canary.confusion")
    if told is None and own and len(bins.labels) == BINARY and not noise_sd:
        told = _of_two(records.counts, records.numbers)
    if told is None:
        return None
    clients = who_answered(records)
    counts = told.counts[clients]
    who = told.told[clients] & (counts.sum(axis=1) > 0)
    if not who.any():
        return None
    edges = np.arange(counts.shape[1] + 1.0)
    return Binned(edges, np.where(who[:, np.newaxis], counts, 0.0), who, True, noise_sd)


def _of_two(counts: Mapping[str, Counted], numbers: Mapping[str, Floats]) -> Counted | None:
    labels, predictions = counts.get("label_counts"), counts.get("prediction_counts")
    right = numbers.get("metrics.correct_count")
    if labels is None or predictions is None or right is None:
        return None
    n, positive, predicted = (
        labels.counts.sum(axis=1),
        labels.counts[:, 1],
        predictions.counts[:, 1],
    )
    both = (positive + predicted - (n - right)) / 2
    cells = np.stack(
        (n - positive - predicted + both, predicted - both, positive - both, both), axis=1
    )
    told = labels.told & predictions.told & (predictions.counts.sum(axis=1) == n)
    told &= ~np.isnan(right) & (cells >= 0).all(axis=1)
    return Counted(np.where(told[:, np.newaxis], cells, 0.0), told, BINARY)
