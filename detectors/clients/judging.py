"""An older model as the judge of a newer one, where labels have not come yet.

The judge was validated on labels that came late, so its own error is known. What the two predict is
counted crosswise without any label: where they differ, one of them is wrong at least. So for any
number of classes the newer one's error e lies, by the triangle inequality, between

    |disagreement - judge's error|   and   disagreement + judge's error.

With two classes, and errors of the two that are independent, it is a number: e + j - 2 e j is how
often they differ. Models trained on the same data err on the same examples, which makes that number
too low; the bounds hold whatever the dependence. Both rest on one assumption: that the judge errs
now as often as when it was validated.

Platanios, Blum & Mitchell (2014), UAI, 682-691 (error rates from agreement).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite, fraction
from detectors.clients.paired import Looks, paired_looks
from detectors.errors import NegativeCountError, ShapeError

BINARY, GUESSING = 2, 0.5


@dataclass(frozen=True)
class Rate:
    """A rate over clients as the unit, with its interval (Student's t)."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Judgement:
    """What a judge says of a model on unlabelled examples.

    `lower` and `upper` bound the model's error, with the uncertainty of both rates in them.
    `if_independent` is its error if the two err independently; None for more than two classes, and
    for a judge that guesses. `recalls` are, of what the judge calls each class, the share that the
    model calls so; None where the judge never does.
    """

    disagreement: Rate
    judge_error: Rate
    lower: float
    upper: float
    if_independent: float | None
    recalls: tuple[float | None, ...]


def judge(
    crossed: ArrayLike, judge_wrong: ArrayLike, judge_n: ArrayLike, *, alpha: float = 0.05
) -> Judgement:
    """Judge a model by an older one.

    `crossed` has the shape (K, C, C): the examples of each client by the model's prediction (rows)
    and the judge's (columns). `judge_wrong` and `judge_n` have one entry for each client that the
    judge was validated at: its wrong answers and examples. Each of the two rates has an interval at
    1 - alpha / 2, so that the bounds hold with 1 - alpha.

    Raises ShapeError, NotFiniteError, NegativeCountError, EmptySampleError, TooFewError under two
    clients on a side, BadParameterError.

    >>> agreed = [[[70, 5], [5, 20]], [[66, 9], [6, 19]], [[72, 4], [5, 19]]]
    >>> found = judge(agreed, [10, 12, 9], [100, 100, 100])
    >>> round(found.disagreement.value, 3), round(found.judge_error.value, 3)
    (0.113, 0.103)
    """
    fraction(alpha, "alpha")
    tables = _tables(crossed)
    wrong, validated = finite(judge_wrong, "judge_wrong"), finite(judge_n, "judge_n")
    examples = tables.sum(axis=(1, 2))
    differing = examples - np.trace(tables, axis1=1, axis2=2)
    apart = _rate(paired_looks(examples[np.newaxis], differing[np.newaxis]), alpha / 2)
    error = _rate(paired_looks(validated[np.newaxis], wrong[np.newaxis]), alpha / 2)
    return Judgement(
        disagreement=apart,
        judge_error=error,
        lower=max(apart.lower - error.upper, error.lower - apart.upper, 0.0),
        upper=min(apart.upper + error.upper, 1.0),
        if_independent=_independent(apart.value, error.value, tables.shape[1]),
        recalls=_recalls(tables.sum(axis=0)),
    )


def _rate(looks: Looks, alpha: float) -> Rate:
    low, high = looks.fixed_interval(alpha)
    value = float(looks.estimate[0])
    return Rate(value, max(float(low[0]), 0.0), min(float(high[0]), 1.0))


def _independent(apart: float, error: float, classes: int) -> float | None:
    if classes != BINARY or error >= GUESSING:
        return None
    return min(max((apart - error) / (1 - 2 * error), 0.0), 1.0)


def _recalls(total: FloatArray) -> tuple[float | None, ...]:
    called = total.sum(axis=0)
    return tuple(
        float(total[at, at] / called[at]) if called[at] > 0 else None for at in range(len(total))
    )


def _tables(crossed: ArrayLike) -> FloatArray:
    tables = finite(crossed, "crossed")
    if tables.ndim != 3 or tables.shape[1] != tables.shape[2]:  # noqa: PLR2004 - clients by classes
        raise ShapeError("crossed", tables.shape, "(clients, classes, classes)")
    if (tables < 0).any():
        raise NegativeCountError("crossed", int(np.argmax(tables < 0)))
    return tables
