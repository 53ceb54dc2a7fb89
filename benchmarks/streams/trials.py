"""A change as a frozen model meets it: its errors before and after, one trial a change.

A Gaussian naive Bayes is trained on the first rows of a concept and then frozen, as a champion is.
Its errors on the rest of that concept are the time in which every alarm is false, its errors on
the next concept the time in which the first alarm is the detection. Every change is thus met by a
model of the concept before it, whatever a detector did at the one before.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.streams.readers import ELEC2_CHANGE, RBF_EVERY, SEA_CHANGES, Labelled
from detectors.arrays import FloatArray

BEFORE, AFTER = 125 * 48, 60 * 48  # half-hours of Elec2 to train on, and after its change


@dataclass(frozen=True, eq=False)
class Trial:
    """0/1 errors, or an input's values, in order of time; the concept changes at `change`."""

    values: FloatArray
    change: int
    errors: bool = True


class NaiveBayes:
    """Gaussian naive Bayes; variances are at least 1e-9 of the largest, as in scikit-learn."""

    def __init__(self, known: Labelled) -> None:
        self.classes = np.unique(known.labels)
        groups = [known.features[known.labels == each] for each in self.classes]
        floor = 1e-9 * float(known.features.var(axis=0).max())
        self.means = np.array([group.mean(axis=0) for group in groups])
        self.variances = np.array([group.var(axis=0) for group in groups]) + floor
        self.prior = np.log([len(group) / len(known.labels) for group in groups])

    def errors(self, rows: Labelled) -> FloatArray:
        """Return 1 where the most likely class is not the row's, 0 where it is."""
        apart = rows.features[:, np.newaxis] - self.means
        quadratic = np.sum(apart**2 / self.variances + np.log(self.variances), axis=2)
        found: NDArray[np.int64] = self.classes[np.argmax(self.prior - quadratic / 2, axis=1)]
        return np.asarray(found != rows.labels, dtype=np.float64)


def sea_trials(stream: Labelled) -> list[Trial]:
    """Three trials: 2,500 rows to train on, 10,000 before the change and 12,500 after."""
    length = SEA_CHANGES[0]
    return [_trial(stream, at - length, at, at + length, train=2_500) for at in SEA_CHANGES]


def rbf_trials(stream: Labelled) -> list[Trial]:
    """One trial for each of 65 changes: 1,000 rows to train on, 2,000 before, 3,000 after."""
    changes = range(RBF_EVERY, len(stream.labels) - RBF_EVERY + 1, RBF_EVERY)
    return [_trial(stream, at - RBF_EVERY, at, at + RBF_EVERY, train=1_000) for at in changes]


def elec2_trials(stream: Labelled) -> list[Trial]:
    """One trial: 125 days to train on, 238 before the market changed and 60 after."""
    return [_trial(stream, 0, ELEC2_CHANGE, ELEC2_CHANGE + AFTER, train=BEFORE)]


def elec2_inputs(stream: Labelled) -> list[Trial]:
    """Price and demand in Victoria and the transfer, over the same days: constant until then."""
    inputs = stream.features[BEFORE : ELEC2_CHANGE + AFTER, 3:]
    return [Trial(values, ELEC2_CHANGE - BEFORE, errors=False) for values in inputs.T]


def _trial(stream: Labelled, start: int, change: int, stop: int, train: int) -> Trial:
    model = NaiveBayes(stream.rows(start, start + train))
    return Trial(model.errors(stream.rows(start + train, stop)), change - start - train)


def rounds(trial: Trial, size: int) -> FloatArray:
    """The mean of each whole batch of `size` values: what a round's merged sums say."""
    whole = len(trial.values) // size * size
    return np.asarray(trial.values[:whole].reshape(-1, size).mean(axis=1), dtype=np.float64)
