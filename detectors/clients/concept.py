"""Has P(y | x) moved at a client? From the confusion matrices of a frozen model, client by client.

A model that stays as it is errs as often as before while its world does. A change of P(y | x) with
P(x) as it was shows in no histogram of inputs or scores, but it does show in how often the model is
wrong, given what it said or given what was true:

- given the prediction (the share of errors among each predicted class): how many examples get each
  prediction depends on P(x) alone, so with P(x) fixed nothing of the evidence is lost;
- given the label (false positive and false negative rates): these stay as they are where only the
  frequency of the labels changes, P(x | y) being fixed.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, finite, fraction
from detectors.clients.rates import LEAST_EXAMPLES, mid_p, noised_p, rate_variance
from detectors.errors import BadParameterError, NegativeCountError, ShapeError

LEAST_CLASSES = 2
_ROUNDS_OF_SOLVING = 40


class Given(StrEnum):
    """What the shares of errors are taken among."""

    PREDICTION = "prediction"
    LABEL = "label"


@dataclass(frozen=True, eq=False)
class ConceptShift:
    """What each of K clients' confusion matrices say, per class c of what is given.

    `p_value` (K) is that of no change in any class; `class_p_values`, `effects` (the change of the
    share of errors, a probability) and `minimum_detectable_effect` have the shape (K, C). A class
    without examples on a side has the p-value 1, the effect 0 and an infinite minimum detectable
    effect; `sufficient` (K) is False for a client in which every class is like that.
    """

    p_value: FloatArray
    class_p_values: FloatArray
    effects: FloatArray
    minimum_detectable_effect: FloatArray
    n_reference: FloatArray
    n_current: FloatArray

    @property
    def sufficient(self) -> NDArray[np.bool_]:
        """Whether a client's matrices could have shown any change."""
        return np.asarray(np.isfinite(self.minimum_detectable_effect).any(axis=-1))


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors among the examples of each class that is given: (K, C) each, or (rounds, K, C).

    `noise_sd` is that of the errors, and of the rest: independent, and 0 for exact counts.
    """

    wrong: FloatArray
    n: FloatArray
    noise_sd: FloatArray

    @property
    def rate(self) -> FloatArray:
        """The share of errors, within 0 and 1; 0 without examples."""
        known = self.n >= LEAST_EXAMPLES
        return np.where(known, np.clip(self.wrong / np.where(known, self.n, 1.0), 0.0, 1.0), 0.0)

    def total(self, rounds: NDArray[np.bool_]) -> "Errors":
        """Add up the rounds (rounds, K) that are marked, client by client."""
        taken = np.broadcast_to(rounds[..., np.newaxis], self.n.shape)
        return self._sum(np.where(taken, 1.0, 0.0))

    def summed(self) -> "Errors":
        """Add up the clients."""
        return self._sum(np.ones_like(self.n))

    def plus(self, other: "Errors") -> "Errors":
        """Add what others have shown."""
        noise_sd = np.hypot(self.noise_sd, other.noise_sd)
        return Errors(self.wrong + other.wrong, self.n + other.n, noise_sd)

    def minus(self, part: "Errors") -> "Errors":
        """Take out what is contained in this, its noise included."""
        variance = np.maximum(self.noise_sd**2 - part.noise_sd**2, 0.0)
        return Errors(self.wrong - part.wrong, self.n - part.n, np.sqrt(variance))

    def _sum(self, weights: FloatArray) -> "Errors":
        noise_sd = np.sqrt((weights * self.noise_sd**2).sum(axis=0))
        return Errors((weights * self.wrong).sum(axis=0), (weights * self.n).sum(axis=0), noise_sd)


def concept_shift(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    given: Given = Given.PREDICTION,
    reference_noise_sd: ArrayLike = 0.0,
    current_noise_sd: ArrayLike = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> ConceptShift:
    """Test for each of K clients whether the error rates of a frozen model have changed.

    `reference` and `current` have the shape (K, C, C), [client, label, prediction], and count
    examples; one client's (C, C) counts as K = 1. Exact counts are tested by the conditional
    mid-p test, also with a handful of examples. Where the noise of one count (its standard
    deviation, a number or one a client) is above 0, counts may be negative and the noise is part
    of the null distribution. The classes are independent given how many examples each has, and
    their smallest p-value is corrected for their number (Sidak).

    Raises ShapeError, NotFiniteError, NegativeCountError, BadParameterError.

    >>> before, after = [[90, 10], [5, 95]], [[80, 20], [6, 94]]
    >>> shift = concept_shift(before, after)
    >>> shift.effects.round(3).tolist()
    [[0.017, 0.08]]
    """
    fraction(alpha, "alpha"), fraction(power, "power")
    before = errors_of(reference, given, reference_noise_sd, "reference")
    after = errors_of(current, given, current_noise_sd, "current")
    if before.n.shape != after.n.shape:
        raise ShapeError("current", after.n.shape, f"{before.n.shape} clients and classes")
    p_values = error_p_values(before, after)
    return ConceptShift(
        p_value=sidak(p_values),
        class_p_values=p_values,
        effects=np.where(_known(before, after), after.rate - before.rate, 0.0),
        minimum_detectable_effect=_detectable(before, after, alpha, power),
        n_reference=before.n,
        n_current=after.n,
    )


def errors_of(confusion: ArrayLike, given: Given, noise_sd: ArrayLike, name: str) -> Errors:
    """Count the errors of confusion matrices (K, C, C) among each class given.

    Raises ShapeError, NotFiniteError, NegativeCountError, BadParameterError.
    """
    counts = _confusion(confusion, name)
    sd = finite(noise_sd, f"{name}_noise_sd")
    if (sd < 0).any() or sd.shape not in {(), (len(counts),)}:
        raise BadParameterError(f"{name}_noise_sd", noise_sd, "zero or more, one or one a client")
    sd = np.broadcast_to(sd, (len(counts),))[:, np.newaxis]
    below = (counts < 0) & (sd[..., np.newaxis] == 0)
    if below.any():
        raise NegativeCountError(name, int(np.argmax(below)))
    classes = counts.shape[-1]
    n = counts.sum(axis=-2 if given is Given.PREDICTION else -1)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    spread = sd * np.sqrt(classes - 1)  # the errors of a class are counted in C - 1 cells
    return Errors(n - right, n, np.broadcast_to(spread, n.shape))


def error_p_values(before: Errors, after: Errors) -> FloatArray:
    """Return p-values (K, C) that the shares of errors are equal, with noise where declared."""
    exact = mid_p(before.wrong, before.n, after.wrong, after.n)
    noisy = (before.noise_sd > 0) | (after.noise_sd > 0)
    if not noisy.any():
        return exact
    sides = (before.wrong, before.n, after.wrong, after.n, before.noise_sd, after.noise_sd)
    exact[noisy] = noised_p(*(each[noisy] for each in sides))
    return exact


def sidak(p_values: FloatArray) -> FloatArray:
    """Return the p-value of the smallest of independent ones along the last axis."""
    smallest = np.minimum(p_values.min(axis=-1), 1 - np.finfo(np.float64).eps)
    return np.asarray(-np.expm1(p_values.shape[-1] * np.log1p(-smallest)), dtype=np.float64)


def _known(before: Errors, after: Errors) -> NDArray[np.bool_]:
    return np.asarray((before.n >= LEAST_EXAMPLES) & (after.n >= LEAST_EXAMPLES))


def _detectable(before: Errors, after: Errors, alpha: float, power: float) -> FloatArray:
    """Solve e = z_alpha * sd(no change) + z_power * sd(change of e), the worse of both directions.

    A rate of 0 is taken for half an error in n + 1, since it is not known to be 0.
    """
    known = _known(before, after)
    level = -np.expm1(np.log1p(-alpha) / known.shape[-1])
    n_a, n_b = np.where(known, before.n, 1.0), np.where(known, after.n, 1.0)
    rate = (before.rate * n_a + 0.5) / (n_a + 1)
    fixed = rate_variance(rate, n_a, before.noise_sd)
    null = np.sqrt(fixed + rate_variance(rate, n_b, after.noise_sd))
    z_alpha, z_power = scipy.special.ndtri(1 - level / 2), scipy.special.ndtri(power)
    effect = z_alpha * null
    for _ in range(_ROUNDS_OF_SOLVING):
        toward = rate + np.where(rate < 1 / 2, effect, -effect)
        moved = rate_variance(np.clip(toward, 0.0, 1.0), n_b, after.noise_sd)
        effect = z_alpha * null + z_power * np.sqrt(fixed + moved)
    return np.where(known & (effect <= 1), effect, np.inf)


def _confusion(confusion: ArrayLike, name: str) -> FloatArray:
    counts = finite(confusion, name)
    if counts.ndim == 2:  # noqa: PLR2004 - labels by predictions, of one client
        counts = counts[np.newaxis]
    square = counts.ndim == 3 and counts.shape[1] == counts.shape[2]  # noqa: PLR2004
    if not square or counts.shape[1] < LEAST_CLASSES or len(counts) == 0:
        raise ShapeError(name, counts.shape, "(clients, classes, classes), two classes or more")
    return counts
