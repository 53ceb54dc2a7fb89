"""Do scores still mean what they meant? Calibration drift from binned scores and outcomes.

In every bin of scores, the gap between how often the outcome came and how often the scores said it
would is compared with the same gap in the reference: with the model's own past, not perfection. So
a model that always was over-confident has not drifted, and a change of the scores alone, P(x), is
none of the outcomes given the scores, P(y | score).

The chi-square of all changes of gaps, Hosmer and Lemeshow's with the reference in the place of the
forecast, splits exactly into three parts that are independent under no drift: a shift common to
all scores, a tilt along them, and the rest of the shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.special

from detectors.arrays import fraction
from detectors.errors import EdgesDifferError, TooFewError
from detectors.result import PROBABILITY, TwoSampleResult
from detectors.series.overdispersion import LEAST_ROUNDS, RoundVariation, Spread
from detectors.subjects.gaps import CalibrationError, Change, Groups, starts_of
from detectors.subjects.outcomes import ScoredOutcomes, merge_outcomes

NAME = "calibration"
_NINETY_FIVE = 1.959963984540054


@dataclass(frozen=True)
class CalibrationPart:
    """One part of the change: its size in probability, signed, and its two-sided p-value."""

    change: float
    p_value: float


@dataclass(frozen=True)
class CalibrationDrift:
    """Whether outcomes given scores changed, and how.

    `test` has the chi-square as statistic and the root mean square change of the gaps, its sampling
    bias taken out, as effect. `shift`: above 0, outcomes are more frequent than the scores say, by
    that much more than before. `tilt`: the change of the gap for one unit of score; below 0 the
    model is more over-confident than it was, above 0 less. `shape`: the root mean square of what
    neither explains. `reference` and `current` are the errors against perfection, to be shown.
    """

    test: TwoSampleResult
    shift: CalibrationPart
    tilt: CalibrationPart
    shape: CalibrationPart
    reference: CalibrationError
    current: CalibrationError


@dataclass(frozen=True)
class CalibrationVariation:
    """How much rounds vary in each part of the change, from `calibration_variation`."""

    shift: RoundVariation
    tilt: RoundVariation
    shape: RoundVariation


def calibration_drift(
    reference: ScoredOutcomes,
    current: ScoredOutcomes,
    *,
    variation: CalibrationVariation | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> CalibrationDrift:
    """Test whether outcomes given scores are what they were, on the same bins of scores.

    Neighbouring bins are put together until both sides expect 5 outcomes of each kind in each. The
    p-value is that of the most significant of the three parts, corrected for their number (Sidak,
    exact for independent ones). Without `variation` the examples are the unit; with it the rounds
    are. Declared noise is part of the null. The minimum detectable effect is a shift. Without sums
    of scores, scores that moved within bins look like a change of up to `error_bound`, which is
    the mean width of the bins, plus 1.96 sds of declared noise in the shift. Raises
    EdgesDifferError, TooFewError where not even one bin of all scores has enough outcomes,
    BadParameterError.

    >>> before = ScoredOutcomes([0, 0.5, 1], [400, 400], [100, 300])
    >>> after = ScoredOutcomes([0, 0.5, 1], [400, 400], [160, 240])
    >>> drift = calibration_drift(before, after)
    >>> round(drift.tilt.change, 2), drift.tilt.p_value < 0.001, drift.shift.p_value > 0.99
    (-0.6, True, True)

    Hosmer & Lemeshow (1980), Comm. Stat. A9, 1043-1069; Cox (1958), Biometrika 45, 562-565 (shift
    and slope); Brocker (2012), Climate Dynamics 39, 655-667 (bias).
    """
    level, wanted = fraction(alpha, "alpha"), fraction(power, "power")
    if not np.array_equal(reference.edges, current.edges):
        raise EdgesDifferError
    starts = starts_of((reference, current))
    before, after = Groups.of(reference, starts), Groups.of(current, starts)
    change = Change.between(before, after)
    inflations = _inflations(variation, reference.total, current.total)
    shift, tilt, shape = parts = _parts(change, inflations)
    return CalibrationDrift(
        test=_result(change, parts, inflations[0], (reference, current), (level, wanted)),
        shift=shift,
        tilt=tilt,
        shape=shape,
        reference=before.error(),
        current=after.error(),
    )


def calibration_variation(rounds: Sequence[ScoredOutcomes]) -> CalibrationVariation:
    """Estimate by moments how much rounds vary around their common gaps, for each part.

    What moves a whole round moves its shift far more than any single bin, so each part has its own
    variation. A part that too few bins leave untested varies as examples do. Raises TooFewError
    under two rounds, EdgesDifferError, EmptySampleError.
    """
    if len(rounds) < LEAST_ROUNDS:
        raise TooFewError("rounds", len(rounds), LEAST_ROUNDS)
    pooled = merge_outcomes(rounds)
    starts = starts_of(rounds)
    centre = Groups.of(pooled, starts)
    changes = [Change.within(centre, Groups.of(each, starts)) for each in rounds]
    squares = np.sum([change.chi_squares() for change in changes], axis=0)
    sizes, degrees = np.array([each.total for each in rounds]), changes[0].degrees
    sampling = float(np.mean(1 / sizes))
    excess = np.where(degrees > 0, squares / np.maximum(degrees, 1) / (len(rounds) - 1), 1.0)
    concentration = float(np.sum((sizes / pooled.total) ** 2))
    return CalibrationVariation(
        *(
            RoundVariation(len(rounds), phi * sampling, sampling, pooled.total, concentration)
            for phi in excess.tolist()
        )
    )


def _parts(change: Change, inflations: Sequence[Spread]) -> list[CalibrationPart]:
    tested = zip(change.sizes(), change.chi_squares(), change.degrees, inflations, strict=True)
    return [
        CalibrationPart(float(size), _tail(float(square), float(degrees), inflation))
        for size, square, degrees, inflation in tested
    ]


def _tail(square: float, degrees: float, inflation: Spread) -> float:
    """Return the chance of a chi-square as large where its scale is one of the plausible ones."""
    if degrees == 0:
        return 1.0
    return inflation.average(
        lambda scale: np.asarray(scipy.special.chdtrc(degrees, square / scale), dtype=np.float64)
    )


def _inflations(
    variation: CalibrationVariation | None, n_reference: float, n_current: float
) -> list[Spread]:
    """Return how many times more than sampling each part may vary."""
    if variation is None:
        return [Spread(np.ones(1), np.ones(1))] * 3
    sampling = 1 / n_reference + 1 / n_current
    spreads = (
        each.spread(n_current) for each in (variation.shift, variation.tilt, variation.shape)
    )
    return [Spread(spread.values / sampling, spread.weights) for spread in spreads]


def _hidden(reference: ScoredOutcomes, current: ScoredOutcomes) -> float:
    """Return what unseen scores within bins, and declared noise, can do to the effect."""
    shares = np.maximum(current.counts, 0.0)
    width = float(shares @ np.diff(current.edges)) / float(shares.sum())
    seen = reference.score_sums is not None and current.score_sums is not None
    sides = (reference, current)
    noise = sum(each.counts.size * (each.noise_sd / each.total) ** 2 for each in sides)
    return (0.0 if seen else width) + _NINETY_FIVE * float(np.sqrt(noise))


def _result(
    change: Change,
    parts: Sequence[CalibrationPart],
    inflation: Spread,
    sides: tuple[ScoredOutcomes, ScoredOutcomes],
    levels: tuple[float, float],
) -> TwoSampleResult:
    tested = int(np.sum(change.degrees > 0))
    least = min(part.p_value for part in parts)
    alone = -np.expm1(np.log1p(-levels[0]) / tested)
    quantiles = -scipy.special.ndtri(alone / 2) + scipy.special.ndtri(levels[1])
    return TwoSampleResult(
        detector=NAME,
        statistic=float(change.chi_squares().sum()),
        p_value=float(-np.expm1(tested * np.log1p(-least))) if least < 1 else 1.0,
        effect=change.effect,
        effect_unit=PROBABILITY,
        minimum_detectable_effect=float(quantiles)
        * change.shift_error
        * float(np.sqrt(inflation.mean)),
        n_reference=sides[0].total,
        n_current=sides[1].total,
        error_bound=_hidden(*sides),
    )
