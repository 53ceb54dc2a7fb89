"""A metric in units of what its reference knows: mean, spread, and how uncertain both are."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, fraction, sample
from detectors.errors import BadParameterError, TooFewError
from detectors.result import SUBJECT, TwoSampleResult

LEAST_VALUES = 2
LEAST_FOR_RHO = 8
LARGEST_RHO = 0.95
RELATIVE_FLOOR = 1e-9


@dataclass(frozen=True)
class Score:
    """One value against a reference: Student's t statistic, its two-sided p-value and the shift.

    `effect` is how far the value lies from where the reference expects it, in the metric's unit.
    """

    statistic: float
    p_value: float
    effect: float


@dataclass(frozen=True, eq=False)
class Scores:
    """The fields of a `Score` for m consecutive values, as arrays (m,)."""

    statistics: FloatArray
    p_values: FloatArray
    effects: FloatArray


@dataclass(frozen=True)
class Standardiser:
    """Mean and spread of n reference values of one metric, each round one value.

    `sd` is that of one value around its expectation (divisor n - 1); with `rho` other than 0 the
    metric follows x_t - mean = rho (x_{t-1} - mean) + e_t, and `sd` is that of e_t.
    """

    mean: float
    sd: float
    n: int
    rho: float = 0.0

    @classmethod
    def fit(
        cls, reference_values: ArrayLike, *, prewhiten: bool = False, sd_floor: float = 0.0
    ) -> Self:
        """Learn from at least two reference values, oldest first.

        `prewhiten` estimates rho as the lag-1 autocorrelation plus (1 + 3 rho) / n, which takes
        out its bias, within 0.95 either way; under 8 values it stays 0. The sd is at least
        `sd_floor` and at least 1e-9 of max(1, |mean|): a reference of equal values knows no
        spread, and any change from it counts, down to rounding. Raises TooFewError,
        NotFiniteError, ShapeError, BadParameterError.

        Marriott & Pope (1954), Biometrika 41, 390-402 (the bias).
        """
        values = sample(reference_values, "reference_values")
        if values.size < LEAST_VALUES:
            raise TooFewError("reference_values", values.size, LEAST_VALUES)
        if not (np.isfinite(sd_floor) and sd_floor >= 0):
            raise BadParameterError("sd_floor", sd_floor, "a finite number, zero or more")
        mean, deviation = float(values.mean()), float(values.std(ddof=1))
        rho = _autocorrelation(values) if prewhiten else 0.0
        floor = max(sd_floor, RELATIVE_FLOOR * max(1.0, abs(mean)))
        return cls(mean, max(deviation * (1 - rho**2) ** 0.5, floor), values.size, rho)

    def score(self, value: float, previous: float | None = None) -> Score:
        """Judge one value: (value - expected) / (sd sqrt(1 + 1/n)) against t with n - 1 df.

        The n - 1 degrees of freedom and the 1/n carry the uncertainty of sd and mean. `previous`
        is the value of the round before; without it (or where rho is 0) the mean is expected.
        With it, (previous - mean)^2 (1 - rho^2) / n is added to the variance for the uncertainty
        of rho, to first order; under 100 rounds with rho near 1 that is too little, and `Baseline`
        is right. Raises NotFiniteError.
        """
        sample([value] if previous is None else [value, previous], "value")
        if previous is None:
            return self._judge(value - self.mean, self._error_of_mean(1))
        departure = previous - self.mean
        of_rho = departure**2 * (1 - self.rho**2) / self.n if self.rho else 0.0
        error = (self.sd**2 * (1 + 1 / self.n) + of_rho) ** 0.5
        return self._judge(value - self.mean - self.rho * departure, error)

    def scores(self, values: ArrayLike, previous: float | None = None) -> Scores:
        """Judge consecutive values, oldest first, each as `score` does after the one before it.

        `previous` is the value of the round before the first. Raises EmptySampleError,
        NotFiniteError, ShapeError.

        >>> reference = Standardiser.fit([1.0, 2.0, 4.0, 5.0])
        >>> reference.scores([3.0, 9.0]).effects.tolist()
        [0.0, 6.0]
        """
        now = sample(values, "values")
        first = self.mean if previous is None else float(sample([previous], "previous")[0])
        departure = np.append(first, now[:-1]) - self.mean
        of_rho = departure**2 * (1 - self.rho**2) / self.n if self.rho else 0.0 * departure
        errors = np.sqrt(self.sd**2 * (1 + 1 / self.n) + of_rho)
        if previous is None:
            errors[0] = self._error_of_mean(1)
        effects = now - self.mean - self.rho * departure
        p_values = 2 * scipy.special.stdtr(self.n - 1, -np.abs(effects / errors))
        return Scores(effects / errors, p_values, effects)

    def mean_shift(self, current_values: ArrayLike) -> Score:
        """Judge the mean of the last m values against the reference, t with n - 1 df.

        The spread is the reference's alone, so m = 1 is allowed, and drift within the window does
        not hide itself. Raises EmptySampleError, NotFiniteError, ShapeError.
        """
        values = sample(current_values, "current_values")
        return self._judge(float(values.mean()) - self.mean, self._error_of_mean(values.size))

    def minimum_detectable_effect(
        self, alpha: float = 0.05, power: float = 0.8, values: int = 1
    ) -> float:
        """Return the smallest shift of the mean of `values` values that is found, metric's unit.

        (t_{1 - alpha/2} + t_power) * standard error, t with n - 1 df.
        """
        if values < 1:
            raise BadParameterError("values", values, "1 or more")
        levels = (1 - fraction(alpha, "alpha") / 2, fraction(power, "power"))
        quantiles = scipy.special.stdtrit(self.n - 1, levels)
        return float(np.sum(quantiles)) * self._error_of_mean(values)

    def _judge(self, effect: float, error: float) -> Score:
        statistic = effect / error
        p_value = 2 * float(scipy.special.stdtr(self.n - 1, -abs(statistic)))
        return Score(statistic, p_value, effect)

    def _error_of_mean(self, values: int) -> float:
        """Return the standard error of a mean of `values` values less the reference's mean."""
        variance = _mean_variance(self.rho, values) + _mean_variance(self.rho, self.n)
        return float(self.sd * (variance / (1 - self.rho**2)) ** 0.5)


def mean_shift(
    reference_values: ArrayLike,
    current_values: ArrayLike,
    *,
    prewhiten: bool = False,
    alpha: float = 0.05,
    power: float = 0.8,
) -> TwoSampleResult:
    """Test whether the mean of the last m values is that of n reference values.

    Each value is one round's metric. `statistic` is Student's t with n - 1 df, two-sided;
    `effect` the difference of means, current less reference, in the metric's unit. See
    `Standardiser.fit` and `Standardiser.mean_shift` for conventions and errors.

    >>> mean_shift([1.0, 2.0, 3.0], [2.0]).p_value
    1.0
    """
    values = sample(current_values, "current_values")
    reference = Standardiser.fit(reference_values, prewhiten=prewhiten)
    score = reference.mean_shift(values)
    return TwoSampleResult(
        detector="mean-shift",
        statistic=score.statistic,
        p_value=score.p_value,
        effect=score.effect,
        effect_unit=SUBJECT,
        minimum_detectable_effect=reference.minimum_detectable_effect(alpha, power, values.size),
        n_reference=float(reference.n),
        n_current=float(values.size),
    )


def _autocorrelation(values: FloatArray) -> float:
    centred = values - values.mean()
    power = float(centred @ centred)
    if values.size < LEAST_FOR_RHO or power == 0:
        return 0.0
    rho = float(centred[1:] @ centred[:-1]) / power
    return float(np.clip(rho + (1 + 3 * rho) / values.size, -LARGEST_RHO, LARGEST_RHO))


def _mean_variance(rho: float, values: int) -> float:
    """Return the variance of the mean of an AR(1) series of variance 1."""
    lags = np.arange(1, values)
    return float(values + 2 * np.sum((values - lags) * rho**lags)) / values**2
