"""Binned scores beside their outcomes: what a client may say about its calibration."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite
from detectors.errors import (
    BadParameterError,
    EdgesDifferError,
    EmptySampleError,
    OutOfRangeError,
    ShapeError,
)
from detectors.histogram import LEAST_TOTAL, Histogram

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class ScoredOutcomes:
    """Per bin of scores between 0 and 1: examples, positive outcomes and, better, summed scores.

    Without `score_sums` the examples of a bin count at its mid-point. `noise_sd` is the standard
    deviation of the noise that privacy added to every count of examples and of positives; sums of
    scores are of another sensitivity, so they are not taken beside noised counts. Raises what
    `Histogram` raises, BadParameterError for edges outside 0 to 1 or sums beside noise, ShapeError,
    and OutOfRangeError for more positives than examples or a mean score outside its bin.

    >>> ScoredOutcomes([0.0, 0.5, 1.0], [10, 20], [1, 18]).gaps().round(2).tolist()
    [-0.15, 0.15]
    """

    edges: FloatArray
    counts: FloatArray
    positives: FloatArray
    score_sums: FloatArray | None = None
    noise_sd: float = 0.0

    def __post_init__(self) -> None:
        examples = Histogram(self.edges, self.counts, noise_sd=self.noise_sd)
        positives = Histogram(self.edges, self.positives, noise_sd=self.noise_sd)
        if examples.edges[0] < 0 or examples.edges[-1] > 1:
            bounds = (float(examples.edges[0]), float(examples.edges[-1]))
            raise BadParameterError("edges", bounds, "scores from 0 to 1")
        if self.noise_sd == 0:
            _require("positives", positives.counts, 0 * examples.counts, examples.counts)
        for name, value in (
            ("edges", examples.edges),
            ("counts", examples.counts),
            ("positives", positives.counts),
            ("score_sums", _checked_sums(examples, self.score_sums)),
        ):
            object.__setattr__(self, name, value)

    @property
    def total(self) -> float:
        """The number of examples (with noise, its estimate)."""
        return float(self.counts.sum())

    @property
    def summed_scores(self) -> FloatArray:
        """The sum of scores of each bin, from mid-points where it was not sent."""
        if self.score_sums is not None:
            return self.score_sums
        return np.asarray(self.counts * (self.edges[1:] + self.edges[:-1]) / 2, dtype=np.float64)

    def gaps(self) -> FloatArray:
        """Outcome rate less mean score of each bin; 0 where nothing was counted."""
        counted = self.counts > LEAST_TOTAL
        examples = np.where(counted, self.counts, 1.0)
        difference = (self.positives - self.summed_scores) / examples
        return np.asarray(np.where(counted, difference, 0.0), dtype=np.float64)


def merge_outcomes(parts: Iterable[ScoredOutcomes]) -> ScoredOutcomes:
    """Add scored outcomes on the same bins; independent noises add as variances.

    Sums of scores survive where all parts have them. Raises EmptySampleError for none,
    EdgesDifferError for different bins.
    """
    found = list(parts)
    if not found:
        raise EmptySampleError("parts")
    if not all(np.array_equal(found[0].edges, each.edges) for each in found):
        raise EdgesDifferError
    sums = [each.score_sums for each in found if each.score_sums is not None]
    return replace(
        found[0],
        counts=np.sum([each.counts for each in found], axis=0),
        positives=np.sum([each.positives for each in found], axis=0),
        score_sums=np.sum(sums, axis=0) if len(sums) == len(found) else None,
        noise_sd=float(np.sqrt(sum(each.noise_sd**2 for each in found))),
    )


def _checked_sums(examples: Histogram, sums: ArrayLike | None) -> FloatArray | None:
    if sums is None:
        return None
    if examples.noise_sd > 0:
        raise BadParameterError("score_sums", "given", "None where counts carry noise")
    array = finite(sums, "score_sums")
    if array.shape != examples.counts.shape:
        raise ShapeError("score_sums", array.shape, f"{examples.counts.shape}, one sum a bin")
    low, high = examples.edges[:-1] * examples.counts, examples.edges[1:] * examples.counts
    _require("score_sums", array, low, high)
    return array


def _require(name: str, values: FloatArray, low: FloatArray, high: FloatArray) -> None:
    slack = _ROUNDING * (1 + np.abs(high))
    wrong = (values < low - slack) | (values > high + slack)
    if wrong.any():
        position = int(np.argmax(wrong))
        raise OutOfRangeError(name, position, float(high[position]))
