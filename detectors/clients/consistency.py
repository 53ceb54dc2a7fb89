"""Numbers of one report that must fit together, since they count the same examples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite
from detectors.errors import BadParameterError, ShapeError
from detectors.histogram import Histogram

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Contradiction:
    """What cannot be true, and the chance that declared noise alone made it look so (0: none)."""

    reason: str
    p_value: float


@dataclass(frozen=True, eq=False)
class Claims:
    """What one client says of one round; leave out what it did not send.

    Each of `histograms`, by subject, counts every example once; `label_counts` and
    `prediction_counts` too, class by class; `confusion` has true classes as rows and predicted ones
    as columns. `noise_sd` is the standard deviation of the noise on every count here, the number of
    examples and of correct ones included, and on no sum of losses; a histogram declares its own.
    """

    num_examples: float
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    label_counts: ArrayLike | None = None
    prediction_counts: ArrayLike | None = None
    confusion: ArrayLike | None = None
    correct: float | None = None
    loss_sum: float | None = None
    loss_sumsq: float | None = None
    noise_sd: float = 0.0


def contradictions(claims: Claims) -> list[Contradiction]:
    """Return every identity that the claims break, or seem to, with the chance that noise did it.

    Without noise a broken identity has the p-value 0. With noise, differences are judged by the
    wider of a normal and a Laplace tail of the same variance, so either mechanism may be in use;
    all identities that noise could have broken are returned then, the satisfied ones with p-values
    near 1. Raises ShapeError, NotFiniteError, OutOfRangeError, BadParameterError.

    >>> [found.reason for found in contradictions(Claims(num_examples=10, correct=12))]
    ['correct is 12, more than num_examples, 10']
    """
    if not (np.isfinite(claims.noise_sd) and claims.noise_sd >= 0):
        raise BadParameterError("noise_sd", claims.noise_sd, "a finite number, zero or more")
    finite([claims.num_examples], "num_examples")
    identities = (_negatives, _totals, _margins, _answers, _losses)
    return [found for identity in identities for found in identity(claims)]


def _negatives(claims: Claims) -> Iterator[Contradiction]:
    """The least count of each kind may be below zero by noise, which any of them could be."""
    for name, counts in _counted(claims).items():
        least = float(counts.min(initial=0.0))
        what = f"the least of {name} is {least:g}, below"
        for found in _at_most(what, -least, "zero", 0.0, claims.noise_sd):
            yield replace(found, p_value=min(1.0, found.p_value * counts.size))


def _totals(claims: Claims) -> Iterator[Contradiction]:
    own = claims.noise_sd
    for name, histogram in claims.histograms.items():
        noise = np.hypot(own, histogram.noise_sd * histogram.counts.size**0.5)
        yield from _equal(f"the total of {name}", histogram.total, claims.num_examples, noise)
    for name, counts in _counted(claims).items():
        noise = own * (1 + counts.size) ** 0.5
        yield from _equal(f"the total of {name}", float(counts.sum()), claims.num_examples, noise)


def _margins(claims: Claims) -> Iterator[Contradiction]:
    counted = _counted(claims)
    if "confusion" not in counted:
        return
    confusion = counted["confusion"]
    for axis, name in ((1, "label_counts"), (0, "prediction_counts")):
        if name not in counted:
            continue
        sums = confusion.sum(axis=axis)
        if sums.shape != counted[name].shape:
            raise ShapeError(name, counted[name].shape, f"{sums.shape}, the classes of confusion")
        noise = claims.noise_sd * (1 + sums.size) ** 0.5
        for position, (total, count) in enumerate(zip(sums, counted[name], strict=True)):
            what = f"the confusion matrix's total for class {position}"
            yield from _equal(what, float(total), float(count), noise, f"{name} of it")
    if claims.correct is not None:
        noise = claims.noise_sd * (1 + len(confusion)) ** 0.5
        trace = float(np.trace(confusion))
        yield from _equal(
            "the confusion matrix's diagonal", trace, claims.correct, noise, "correct"
        )


def _answers(claims: Claims) -> Iterator[Contradiction]:
    named = {"num_examples": claims.num_examples, "correct": claims.correct}
    for name, value in named.items():
        if value is not None:
            yield from _at_most(f"{name} is {value:g}, below", -value, "zero", 0.0, claims.noise_sd)
    if claims.correct is not None:
        what = f"correct is {claims.correct:g}, more than"
        noise = claims.noise_sd * 2**0.5
        yield from _at_most(what, claims.correct, "num_examples", claims.num_examples, noise)


def _losses(claims: Claims) -> Iterator[Contradiction]:
    """Cauchy and Schwarz: (sum of losses)^2 <= n * sum of squares, equal for equal losses only."""
    if claims.loss_sum is None or claims.loss_sumsq is None or claims.noise_sd > 0:
        return
    finite([claims.loss_sum, claims.loss_sumsq], "loss_sum, loss_sumsq")
    square, most = claims.loss_sum**2, claims.num_examples * claims.loss_sumsq
    slack = _ROUNDING * max(square, abs(most))
    if square > most + slack:
        yield Contradiction("loss_sum^2 is more than num_examples * loss_sumsq", 0.0)
    mixed = claims.correct is not None and 0 < claims.correct < claims.num_examples
    if mixed and abs(square - most) <= slack**2:
        yield Contradiction(
            "all losses are equal, though some answers are right and some wrong", 0.0
        )


def _counted(claims: Claims) -> dict[str, FloatArray]:
    expected = (("label_counts", 1), ("prediction_counts", 1), ("confusion", 2))
    counted = {}
    for name, ndim in expected:
        if (value := getattr(claims, name)) is not None:
            counted[name] = finite(value, name)
            if counted[name].ndim != ndim or len(set(counted[name].shape)) > 1:
                raise ShapeError(name, counted[name].shape, f"{ndim} dimension(s), one size")
    return counted


def _equal(
    what: str, value: float, other: float, noise: float, than: str = "num_examples"
) -> Iterator[Contradiction]:
    reason = f"{what} is {value:g}, and {than} is {other:g}"
    if abs(value - other) > _ROUNDING * max(1.0, abs(other)):
        yield Contradiction(reason, _by_noise(abs(value - other), noise))


def _at_most(
    what: str, value: float, than: str, limit: float, noise: float
) -> Iterator[Contradiction]:
    if value > limit + _ROUNDING * max(1.0, abs(limit)):
        number = "" if than == "zero" else f", {limit:g}"
        yield Contradiction(f"{what} {than}{number}", _by_noise(value - limit, noise))


def _by_noise(difference: float, noise: float) -> float:
    """P(|noise| >= difference), the larger of Laplace's and the normal one's; 0 without noise."""
    if noise == 0:
        return 0.0
    deviations = difference / noise
    normal = 2 * float(scipy.special.ndtr(-deviations))
    return max(normal, float(np.exp(-(2**0.5) * deviations)))
