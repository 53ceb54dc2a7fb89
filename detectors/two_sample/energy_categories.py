"""Energy distance of categories for very many pairs at once: a screen before a closer look.

Under no drift sum (q - p)^2 is a quadratic form in nearly normal variables of covariance
spread * (diag(s) - s s'), s being the pooled shares. Its first three moments follow from power sums
of s alone, and a chi-squared law with the same three stands in for it, to 13% of a p-value above
1%. Into the tail that falls too fast, by a factor of 3 at 1e-4; so where it says little, and there
are more than two categories, the eigenvalues are found and `quadratic_tail` asked.
"""

from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite, fraction
from detectors.errors import EmptySampleError, NegativeCountError, ShapeError
from detectors.histogram import LEAST_TOTAL
from detectors.series.round_variations import RoundVariations
from detectors.two_sample.quadratic import detectable_effect, quadratic_tail

LEAST_CATEGORIES = 2
_SMALL = 0.02
_AT_ONCE = 256  # pairs, whose terms stay in the cache


@dataclass(frozen=True, eq=False)
class CategoryShifts:
    """What is known of each of K pairs, as arrays (K,).

    `statistics` are sum (q - p)^2, dcor's squared energy distance of categories that lie one apart;
    `effects` the total variation, the share that changed category, a probability, and
    `minimum_detectable_effects` that of a move between the two most frequent ones, infinite where
    fewer than two rounds told.
    """

    statistics: FloatArray
    p_values: FloatArray
    effects: FloatArray
    minimum_detectable_effects: FloatArray
    n_reference: FloatArray
    n_current: FloatArray


def energy_categories(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    variations: RoundVariations | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> CategoryShifts:
    """Compare K pairs of counts of categories, (K, B) each, as `energy_histogram` compares one.

    Statistic, effect and minimum detectable effect are those of `energy_histogram`. `variations` of
    the K subjects (`estimate_variations(rounds, categorical=True)` of the rounds that `reference`
    is the sum of) makes rounds the unit, and the p-value an average over what they may vary. For
    exact counts.

    Under no drift, 2 to 30 even, random or skewed categories, 30 to 100,000 examples a side and up
    to ten times as many in the reference: a nominal 1% is 0.6 to 1.2% and a nominal 5% 3.7 to 5.4%
    from 100 examples on; at 30, 0.1 to 1.4% and 2.3 to 5.9%, mostly below. Raises ShapeError,
    NotFiniteError, OutOfRangeError, NegativeCountError, EmptySampleError for a side without counts.

    >>> found = energy_categories([[50, 50], [90, 10]], [[50, 50], [60, 40]])
    >>> found.effects.round(3).tolist(), (found.p_values < 0.01).tolist()
    ([0.0, 0.3], [False, True])

    Imhof (1961), Biometrika 48, 419-426, section 4: Pearson's three-moment approximation.
    """
    fraction(alpha, "alpha"), fraction(power, "power")
    first, second = _counts(reference, "reference"), _counts(current, "current")
    if first.shape != second.shape:
        raise ShapeError("current", second.shape, f"{first.shape}, as reference")
    n, m = first.sum(axis=1), second.sum(axis=1)
    apart = second / m[:, np.newaxis] - first / n[:, np.newaxis]
    statistics = np.einsum("kb,kb->k", apart, apart)
    values, weights = (
        variations.spread(m) if variations else ((1 / n + 1 / m)[:, np.newaxis], np.ones(1))
    )
    shares = _smoothed(first + second)
    return CategoryShifts(
        statistics=statistics,
        p_values=_p_values(statistics[:, np.newaxis] / values, weights, shares),
        effects=np.abs(apart).sum(axis=1) / 2,
        minimum_detectable_effects=_detectable(
            (values * weights).sum(axis=1), shares, alpha, power
        ),
        n_reference=n,
        n_current=m,
    )


def _counts(values: ArrayLike, name: str) -> FloatArray:
    array = finite(values, name)
    if array.ndim != 2 or array.shape[1] < LEAST_CATEGORIES:  # noqa: PLR2004 - pairs by categories
        raise ShapeError(name, array.shape, f"(pairs, categories), {LEAST_CATEGORIES} or more")
    if array.size and array.min() < 0:
        raise NegativeCountError(name, int(np.argmin(array)))
    if array.size and array.sum(axis=1).min() < LEAST_TOTAL:
        raise EmptySampleError(name)
    return array


def _smoothed(pooled: FloatArray) -> FloatArray:
    """Return shares, one pseudo-count spread evenly, as in `energy_histogram`'s null."""
    total = pooled.sum(axis=1, keepdims=True)
    return np.asarray((pooled + 1 / pooled.shape[1]) / (total + 1), dtype=np.float64)


def _p_values(points: FloatArray, weights: FloatArray, shares: FloatArray) -> FloatArray:
    """Average the chances of Q >= q (K, S) by `weights` (S,), the small ones once more in full."""
    p_values = np.minimum((_three_moments(points, shares) * weights).sum(axis=1), 1.0)
    if shares.shape[1] > LEAST_CATEGORIES:  # two have one eigenvalue: three moments are exact
        small = np.flatnonzero(p_values < _SMALL)
        for first in range(0, small.size, _AT_ONCE):
            part = small[first : first + _AT_ONCE]
            p_values[part] = np.minimum(
                (_in_full(points[part], shares[part]) * weights).sum(axis=1), 1.0
            )
    return np.asarray(p_values, dtype=np.float64)


def _in_full(points: FloatArray, shares: FloatArray) -> FloatArray:
    """Return P(Q >= q) for q (K, S), by the saddle point."""
    covariance = -shares[:, :, np.newaxis] * shares[:, np.newaxis]
    diagonal = np.arange(shares.shape[1])
    covariance[:, diagonal, diagonal] += shares
    eigenvalues = np.maximum(np.linalg.eigvalsh(covariance), 0.0)
    return quadratic_tail(points, eigenvalues[:, np.newaxis])


def _three_moments(points: FloatArray, shares: FloatArray) -> FloatArray:
    """Return P(Q >= q) for q (K, S), Q = sum of eigenvalues of diag(s) - s s' times chi^2_1."""
    first, second, third = _moments(shares)
    freedom = (second**3 / third**2)[:, np.newaxis]
    scaled = (points - first[:, np.newaxis]) * np.sqrt(freedom / second[:, np.newaxis])
    chi_squared = np.maximum(scaled + freedom, 0.0)
    return np.asarray(scipy.special.gammaincc(freedom / 2, chi_squared / 2), dtype=np.float64)


def _moments(shares: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the sums of the eigenvalues of diag(s) - s s', of their squares and cubes, (K,)."""
    square, cube, fourth = (np.sum(shares**power, axis=1) for power in (2, 3, 4))
    third = cube - 3 * fourth + 3 * square * cube - square**3
    return 1 - square, square - 2 * cube + square**2, third


def _detectable(spread: FloatArray, shares: FloatArray, alpha: float, power: float) -> FloatArray:
    """Return the share (K,) whose move between the two most frequent categories is found."""
    known = np.isfinite(spread)
    v = np.where(known, spread, 1.0)
    first, second, _ = _moments(shares)
    most = np.partition(shares, -2, axis=1)[:, -2:]
    along = most.sum(axis=1) - (most[:, 1] - most[:, 0]) ** 2
    effects = detectable_effect(v * first, v**2 * second, 2.0, v * along, alpha, power)
    return np.where(known, effects, np.inf)
