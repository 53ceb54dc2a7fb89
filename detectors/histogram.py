"""Counts on shared bins: the mergeable summary that a client may send."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from detectors.arrays import LARGEST, FloatArray, finite, sample
from detectors.errors import (
    BadEdgesError,
    BadParameterError,
    EdgesDifferError,
    EmptySampleError,
    NegativeCountError,
    ShapeError,
)

LEAST_EDGES = 3
LEAST_TOTAL = 1e-6  # of an example: weighted counts below it are none
LAPLACE_KURTOSIS = 3.0


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of m >= 2 bins between m + 1 strictly increasing edges.

    `categorical` bins have no order and no width; `of_categories` makes one. `noise_sd` is the
    standard deviation of the noise that privacy added to every single count: 0 means exact
    counts, and only a positive one makes negative counts plausible. `noise_kurtosis` is that
    noise's excess kurtosis: 3 for Laplace (taken where nothing is said, since it is the heaviest
    of the usual), 0 for Gaussian, 3 + 1 / noise_sd^2 for two-sided geometric. Raises ShapeError,
    BadEdgesError, NotFiniteError, NegativeCountError or BadParameterError.

    >>> Histogram(edges=[0.0, 1.0, 3.0], counts=[3.0, 1.0]).mean
    0.875
    """

    edges: FloatArray
    counts: FloatArray
    categorical: bool = False
    noise_sd: float = 0.0
    noise_kurtosis: float = LAPLACE_KURTOSIS

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", _checked_edges(self.edges))
        for name in ("noise_sd", "noise_kurtosis"):
            if not 0 <= getattr(self, name) <= LARGEST:  # which NaN is not either
                expected = f"a finite number, zero to {LARGEST:g}"
                raise BadParameterError(name, getattr(self, name), expected)
        counts = _checked_counts(self.counts, self.edges.size - 1, noisy=self.noise_sd > 0)
        object.__setattr__(self, "counts", counts)

    @classmethod
    def of_categories(
        cls, counts: ArrayLike, noise_sd: float = 0.0, noise_kurtosis: float = LAPLACE_KURTOSIS
    ) -> Self:
        """Counts of categories, in the order of the bin spec, which no result depends on."""
        array = sample(counts, "counts")
        return cls(np.arange(array.size + 1.0), array, True, noise_sd, noise_kurtosis)

    @classmethod
    def of_values(cls, values: ArrayLike, edges: ArrayLike) -> Self:
        """Count values on the edges; those outside fall in the first or last bin."""
        array, bounds = finite(values, "values"), _checked_edges(edges)
        counts, _ = np.histogram(np.clip(array, bounds[0], bounds[-1]), bounds)
        return cls(bounds, counts.astype(np.float64))

    @property
    def total(self) -> float:
        """The number of examples counted (with noise, its estimate)."""
        return float(self.counts.sum())

    @property
    def mid_points(self) -> FloatArray:
        """The middle of each bin, where its examples are taken to lie."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def mean(self) -> float:
        """The mean, from mid-points, in the subject's unit."""
        return float(self.pmf() @ self.mid_points)

    @property
    def sd(self) -> float:
        """The standard deviation (divisor n), from mid-points, in the subject's unit."""
        variance = float(self.pmf() @ (self.mid_points - self.mean) ** 2)
        return float(np.sqrt(max(variance, 0.0)))

    def pmf(self) -> FloatArray:
        """The share of each bin; negative where noise made it. EmptySampleError without counts."""
        if self.total < LEAST_TOTAL:
            raise EmptySampleError("histogram")
        return self.counts / self.total

    def cdf(self) -> FloatArray:
        """The share at or below the upper edge of each bin; the last is 1."""
        return np.cumsum(self.pmf())

    def require_same_bins(self, other: "Histogram") -> None:
        """Raise EdgesDifferError unless both were counted on the same bins."""
        same = self.categorical == other.categorical and np.array_equal(self.edges, other.edges)
        if not same:
            raise EdgesDifferError


def merge(histograms: Iterable[Histogram]) -> Histogram:
    """Add histograms on the same bins; independent noises add as variances.

    Their fourth cumulants add too, so what many clients noised comes close to Gaussian. Raises
    EmptySampleError for none, EdgesDifferError for different bins.
    """
    parts = list(histograms)
    if not parts:
        raise EmptySampleError("histograms")
    for part in parts[1:]:
        parts[0].require_same_bins(part)
    counts = np.sum([part.counts for part in parts], axis=0)
    noise_sd = float(np.sqrt(sum(part.noise_sd**2 for part in parts)))
    kurtosis = _merged_kurtosis(parts, noise_sd) if noise_sd > 0 else LAPLACE_KURTOSIS
    return replace(parts[0], counts=counts, noise_sd=noise_sd, noise_kurtosis=kurtosis)


def _merged_kurtosis(parts: list[Histogram], noise_sd: float) -> float:
    return float(sum(part.noise_kurtosis * (part.noise_sd / noise_sd) ** 4 for part in parts))


def _checked_edges(edges: ArrayLike) -> FloatArray:
    array = finite(edges, "edges").copy()
    if array.ndim != 1 or array.size < LEAST_EDGES:
        raise ShapeError("edges", array.shape, f"one dimension and at least {LEAST_EDGES} edges")
    falls = np.diff(array) <= 0
    if falls.any():
        raise BadEdgesError(int(np.argmax(falls)) + 1)
    array.flags.writeable = False
    return array


def _checked_counts(counts: ArrayLike, bins: int, *, noisy: bool) -> FloatArray:
    array = finite(counts, "counts").copy()
    if array.shape != (bins,):
        raise ShapeError("counts", array.shape, f"({bins},), one count a bin")
    if not noisy and (array < 0).any():
        raise NegativeCountError("counts", int(np.argmax(array < 0)))
    array.flags.writeable = False
    return array
