"""Two versions on the same examples, look after look, with clients as the unit.

Examples of one client resemble each other, so a client is one observation however many examples it
has: the difference of an example is averaged within it first. Clients are weighted by examples, but
none by more than `CAP` times the median client's, so that no single one makes the answer. A client
whose rounds go on grows more exact and stays one client.
"""

from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, finite
from detectors.errors import EmptySampleError, NegativeCountError, ShapeError, TooFewError
from detectors.sequential.confidence_sequence import e_value_below, half_width

CAP = 4.0
LEAST_PAIRED = 2  # clients that have a spread
INFORMATION = (1e-9, 1e9)  # at the ends, only rounding is left to tell errors apart


@dataclass(frozen=True, eq=False)
class Looks:
    """A mean difference per example at each look (last axis), in its own unit.

    `standard_error` is the jackknife's over clients, `clients` how many told by then, and
    `effective_clients` how many of equal weight would tell as much.
    """

    estimate: FloatArray
    standard_error: FloatArray
    clients: FloatArray
    effective_clients: FloatArray

    @property
    def freedom(self) -> FloatArray:
        """Degrees of freedom of Student's t."""
        return self.clients - 1

    @property
    def information(self) -> FloatArray:
        """How much is known at each look, over what was at the first."""
        first = self.standard_error[..., :1]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.square(first / self.standard_error)
        known = np.nan_to_num(ratio, nan=1.0, posinf=INFORMATION[1])
        return np.asarray(np.clip(known, *INFORMATION))

    def interval(self, alpha: float) -> tuple[FloatArray, FloatArray]:
        """The confidence sequence: all of its intervals hold the mean, but for a chance alpha."""
        half = half_width(self.standard_error, self.freedom, self.information, alpha)
        return self.estimate - half, self.estimate + half

    def fixed_interval(self, alpha: float) -> tuple[FloatArray, FloatArray]:
        """Student's interval at each look, for a single look that was fixed beforehand."""
        half = scipy.special.stdtrit(self.freedom, 1 - alpha / 2) * self.standard_error
        return self.estimate - half, self.estimate + half

    def e_below(self, value: float) -> FloatArray:
        """E-values against "the mean is not below this value", at each look."""
        return e_value_below(self._statistic(value), self.freedom, self.information)

    def e_above(self, value: float) -> FloatArray:
        """E-values against "the mean is not above this value", at each look."""
        return e_value_below(-self._statistic(value), self.freedom, self.information)

    def p_below(self, value: float) -> FloatArray:
        """One-sided p-values of the same, for one look fixed beforehand; 0.5 where all is equal."""
        return np.asarray(scipy.special.stdtr(self.freedom, self._statistic(value)))

    def _statistic(self, value: float) -> FloatArray:
        beyond = self.estimate - value
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(beyond == 0, 0.0, beyond / self.standard_error)


def paired_looks(n: ArrayLike, differences: ArrayLike, *, cap: float = CAP) -> Looks:
    """The mean difference of two versions at each of R looks, over K clients.

    `n` and `differences` have the shape (..., R, K): how many examples each client measured both
    versions on since the look before, and the sum over them of one version's value less the
    other's; 0 where a client told nothing. Right answers come as the difference of McNemar's two
    discordant counts. Leading axes are canaries of their own.

    Raises ShapeError, EmptySampleError, NotFiniteError, NegativeCountError, and TooFewError where
    fewer than two clients told by the first look.

    >>> looks = paired_looks([[100, 100, 100]], [[-5.0, -4.0, -6.0]])
    >>> round(float(looks.estimate[0]), 6), int(looks.clients[0])
    (-0.05, 3)

    Efron & Stein (1981), Ann. Statist. 9, 586-596 (the jackknife errs on the safe side); MacKinnon,
    Nielsen & Webb (2023), J. Econometrics 232, 272-299 (with clients - 1 degrees of freedom, where
    clusters are few and differ in size); Kish (1965), Survey Sampling (clients of equal weight).
    """
    size, sums = _checked(n, differences)
    total, summed = np.cumsum(size, axis=-2), np.cumsum(sums, axis=-2)
    told = total > 0
    clients = told.sum(axis=-1)
    if (clients < LEAST_PAIRED).any():
        raise TooFewError("clients", int(clients.min()), LEAST_PAIRED)
    share = _shares(total, told, cap)
    means = np.divide(summed, total, out=np.zeros_like(summed), where=told)
    estimate = (share * means).sum(axis=-1)
    error = _jackknife(share, means, estimate, clients)
    effective = 1 / np.square(share).sum(axis=-1)
    return Looks(estimate, error, clients.astype(np.float64), effective)


def _shares(total: FloatArray, told: NDArray[np.bool_], cap: float) -> FloatArray:
    """Each client's share of the weight: its examples, up to `cap` times the median client's."""
    ordered = np.sort(np.where(told, total, np.inf), axis=-1)
    middle = (told.sum(axis=-1, keepdims=True) - 1) // 2
    median = np.take_along_axis(ordered, middle, axis=-1)
    weight = np.minimum(total, cap * median)
    return np.asarray(weight / weight.sum(axis=-1, keepdims=True))


def _jackknife(
    share: FloatArray, means: FloatArray, estimate: FloatArray, clients: FloatArray
) -> FloatArray:
    """The standard error from leaving each client out; at least what rounding leaves."""
    residual = means - estimate[..., np.newaxis]
    moved = share * residual / (1 - share)
    variance = np.square(moved).sum(axis=-1) * (clients - 1) / clients
    rounding = np.finfo(np.float64).eps * (share * np.abs(means)).sum(axis=-1)
    return np.asarray(np.maximum(np.sqrt(variance), rounding))


def _checked(n: ArrayLike, differences: ArrayLike) -> tuple[FloatArray, FloatArray]:
    size, sums = finite(n, "n"), finite(differences, "differences")
    if size.ndim < 2 or sums.shape != size.shape:  # noqa: PLR2004 - looks and clients
        raise ShapeError("differences", sums.shape, f"{size.shape}, (..., looks, clients) as n")
    if size.size == 0 or not size.any():
        raise EmptySampleError("n")
    if (size < 0).any():
        raise NegativeCountError("n", int(np.argmax(size < 0)))
    return size, np.where(size > 0, sums, 0.0)
