"""EDDM: errors that come closer together than they did at best."""

from detectors.arrays import fraction
from detectors.errors import BadParameterError
from detectors.sequential.inputs import at_least, binary


class Eddm:
    """Early Drift Detection Method on one stream of outcomes, 0 right and 1 wrong.

    p and s are the mean and the standard deviation of the number of values from one error to the
    next. The largest p + 2 s is kept; after `warm_start` values and `warm_start` errors, an error
    with (p + 2 s) / largest below `alpha` enters the warning zone and below `beta` completes a
    drift. The zone is left only by an error that is judged above `alpha`, so that right answers
    keep the warning up. The alarms and warnings are those of river.drift.binary.EDDM. Raises
    BadParameterError, and on update NotFiniteError and NotBinaryError.

    Baena-Garcia, del Campo-Avila, Fidalgo, Bifet, Gavalda & Morales-Bueno (2006), 4th Int.
    Workshop on Knowledge Discovery from Data Streams.
    """

    count: int
    errors: int
    last_error: int
    mean: float
    squares: float
    largest: float
    _drift: bool
    _warning: bool

    def __init__(self, *, warm_start: int = 30, alpha: float = 0.95, beta: float = 0.9) -> None:
        self.warm_start = at_least(warm_start, 1, "warm_start")
        self.alpha, self.beta = fraction(alpha, "alpha"), fraction(beta, "beta")
        if alpha < beta:
            raise BadParameterError("alpha", alpha, "beta or more")
        self.reset()

    @property
    def drift_detected(self) -> bool:
        """Whether the last value completed a drift."""
        return self._drift

    @property
    def warning_detected(self) -> bool:
        """Whether the stream is in the warning zone."""
        return self._warning

    def update(self, value: float) -> None:
        """Take the next outcome; NotBinaryError for anything but 0 and 1."""
        wrong = float(binary(value, "value"))
        if self._drift:
            self.reset()
        self.count += 1
        if wrong:
            self._measure(self.count - self.last_error)
            self.last_error = self.count
            if self.count > self.warm_start:
                self._judge()

    def reset(self) -> None:
        """Forget everything seen."""
        self.count = 0
        self.errors = 0
        self.last_error = 0
        self.mean = 0.0
        self.squares = 0.0
        self.largest = -1.0
        self._drift = False
        self._warning = False

    def _measure(self, distance: int) -> None:
        """Take one distance into the mean and the sum of squares about it (Welford)."""
        self.errors += 1
        before = self.mean
        self.mean += (1.0 / self.errors) * (distance - before)
        self.squares += (distance - before) * (distance - self.mean)

    def _judge(self) -> None:
        """Compare p + 2 s with the largest so far."""
        variance = self.squares / (self.errors - 1) if self.errors > 1 else 0.0
        level = self.mean + 2 * variance**0.5
        if level > self.largest:
            self.largest = level
        elif self.errors > self.warm_start:
            similarity = level / self.largest
            self._drift = similarity < self.beta
            if not self._drift:
                self._warning = similarity < self.alpha
