"""CUSUM: cumulated departures from a known mean, upwards and downwards."""

import math

from detectors.arrays import finite
from detectors.errors import BadParameterError
from detectors.sequential.inputs import positive
from detectors.sequential.page_hinkley import Direction

OVERSHOOT = 1.166  # Siegmund's correction for what the sum passes its limit by, both ends together
STEPS = 100


class Cusum:
    """Tabular CUSUM in both directions on one stream of standardised values.

    A value z is in standard deviations from the mean it should have. With the allowance `k` and
    the limit `h`, both in standard deviations,

        up_t = max(0, up_{t-1} + z_t - k),   down_t = max(0, down_{t-1} - z_t - k),

    and a drift is found where one exceeds `h`; `direction` says which. A shift of 2k is found
    soonest. With k = 0.5 and h = 5, independent normal values alarm falsely once in 465
    (469 by `cusum_average_run_length`); `cusum_threshold(average_run_length, k)` gives the h for
    another rate. There is no warning zone. Raises BadParameterError, and on update NotFiniteError
    and OutOfRangeError.

    Page (1954), Biometrika 41, 100-115.

    >>> detector = Cusum(k=0.5, h=4)
    >>> for value in [0.3, -0.2, 2.5, 2.5, 2.5]:
    ...     detector.update(value)
    >>> detector.direction.value
    'up'
    """

    warning_detected = False
    up: float
    down: float

    def __init__(self, *, k: float = 0.5, h: float = 5.0) -> None:
        if not (math.isfinite(k) and k >= 0):
            raise BadParameterError("k", k, "a finite number, zero or more")
        self.k, self.h = k, positive(h, "h")
        self.reset()

    @property
    def direction(self) -> Direction | None:
        """Which way the mean went at the drift that the last value completed, if it did."""
        if self.up > self.h:
            return Direction.UP
        return Direction.DOWN if self.down > self.h else None

    @property
    def drift_detected(self) -> bool:
        """Whether the last value completed a drift, either way."""
        return self.direction is not None

    def update(self, value: float) -> None:
        """Take the next standardised value; NotFiniteError for a NaN or an infinity."""
        checked = float(finite(value, "value"))
        if self.drift_detected:
            self.reset()
        self.up = max(0.0, self.up + checked - self.k)
        self.down = max(0.0, self.down - checked - self.k)

    def reset(self) -> None:
        """Forget everything seen."""
        self.up = 0.0
        self.down = 0.0


def cusum_average_run_length(h: float, k: float, shift: float = 0.0) -> float:
    """Return how many values two-sided CUSUM takes on average until it alarms.

    `shift` is the mean of the standardised values; 0 gives the mean time between false alarms.
    Siegmund's approximation for independent normal values, within 3 per cent for h of 4 and more
    and shifts of up to 1: one side has (exp(-2 d b) + 2 d b - 1) / (2 d^2), d = shift - k,
    b = h + 1.166, and the rates of both sides add. Raises BadParameterError.

    Siegmund (1985), Sequential Analysis, section 2.6; Montgomery (2012), eq. 9.6.

    >>> round(cusum_average_run_length(5.0, 0.5))
    469
    """
    height = positive(h, "h") + OVERSHOOT
    Cusum(k=k, h=h)
    return 1 / (1 / _one_sided(shift - k, height) + 1 / _one_sided(-shift - k, height))


def cusum_threshold(average_run_length: float, k: float = 0.5) -> float:
    """Return the `h` at which two-sided CUSUM alarms falsely once in so many values.

    Solves `cusum_average_run_length(h, k) == average_run_length` for h, by bisection.
    BadParameterError where no positive h has so short a run.

    >>> round(cusum_threshold(370, 0.5), 2)
    4.77
    """
    least = cusum_average_run_length(1e-9, k)
    if not (math.isfinite(average_run_length) and average_run_length > least):
        raise BadParameterError("average_run_length", average_run_length, f"above {least:.3g}")
    low, high = 1e-9, 1.0
    while cusum_average_run_length(high, k) < average_run_length:
        low, high = high, 2 * high
    for _ in range(STEPS):
        middle = (low + high) / 2
        short = cusum_average_run_length(middle, k) < average_run_length
        low, high = (middle, high) if short else (low, middle)
    return high


def _one_sided(drift: float, height: float) -> float:
    """Return the mean time until a walk with this drift, kept above 0, reaches this height."""
    exponent = -2 * drift * height
    if abs(exponent) < 1e-4:  # noqa: PLR2004 - below, the difference is rounding; the limit b^2
        return height**2 * (1 + exponent / 3)
    if exponent > 700:  # noqa: PLR2004 - exp would overflow: such a run never ends
        return math.inf
    return (math.expm1(exponent) - exponent) / (2 * drift**2)
