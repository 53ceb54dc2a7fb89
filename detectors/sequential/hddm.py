"""HDDM: two means of bounded values further apart than their bounds allow."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

from detectors.arrays import fraction
from detectors.errors import BadParameterError
from detectors.sequential.inputs import unit
from detectors.sequential.page_hinkley import Direction


class Hddm(ABC):
    """What the A and the W test share: their levels, their flags, the check at the door.

    Values lie between 0 and 1, such as outcomes (1 is wrong) or error rates. One-sided tests look
    for a rise only. Each test is at its level; many in a row are not corrected for.
    """

    _direction: Direction | None
    _warning: bool

    def __init__(
        self, drift_confidence: float, warning_confidence: float, *, two_sided_test: bool
    ) -> None:
        self.drift_confidence = fraction(drift_confidence, "drift_confidence")
        self.warning_confidence = fraction(warning_confidence, "warning_confidence")
        if warning_confidence < drift_confidence:
            raise BadParameterError(
                "warning_confidence", warning_confidence, "drift_confidence or more"
            )
        self.two_sided_test = bool(two_sided_test)
        self.reset()

    @property
    def direction(self) -> Direction | None:
        """Which way the mean went at the drift that the last value completed, if it did."""
        return self._direction

    @property
    def drift_detected(self) -> bool:
        """Whether the last value completed a drift."""
        return self._direction is not None

    @property
    def warning_detected(self) -> bool:
        """Whether the last value lies in the warning zone."""
        return self._warning

    def update(self, value: float) -> None:
        """Take the next value; OutsideUnitError for one that is not from 0 to 1."""
        checked = float(unit(value, "value"))
        if self.drift_detected:
            self.reset()
        self._take(checked)
        self._judge()

    def reset(self) -> None:
        """Forget everything seen."""
        self._direction = None
        self._warning = False

    def _judge(self) -> None:
        """Set the flags; the search for a fall adds to what that for a rise found."""
        rise = self._rose(self.drift_confidence)
        self._warning = not rise and self._rose(self.warning_confidence)
        fall = self.two_sided_test and self._fell(self.drift_confidence)
        if self.two_sided_test and not fall:
            self._warning |= self._fell(self.warning_confidence)
        if rise or fall:
            self._direction = Direction.UP if rise else Direction.DOWN

    @abstractmethod
    def _take(self, value: float) -> None:
        """Bring the means up to date."""

    @abstractmethod
    def _rose(self, confidence: float) -> bool:
        """Tell whether the mean after the cut is above that before it."""

    @abstractmethod
    def _fell(self, confidence: float) -> bool:
        """Tell whether the mean after the cut is below that before it."""


@dataclass
class Mean:
    """A running mean."""

    count: int = 0
    value: float = 0.0

    def take(self, value: float) -> None:
        """Take the next value."""
        self.count += 1
        self.value += (1.0 / self.count) * (value - self.value)


class HddmA(Hddm):
    """The A test: means since the start and up to the best cut, with Hoeffding's bound.

    The alarms and warnings are those of river.drift.binary.HDDMA. Raises BadParameterError, and
    on update NotFiniteError and OutsideUnitError.

    Frias-Blanco, del Campo-Avila, Ramos-Jimenez, Morales-Bueno, Ortiz-Diaz & Caballero-Mota
    (2015), IEEE Trans. Knowledge Data Eng. 27, 810-823.
    """

    def __init__(
        self,
        *,
        drift_confidence: float = 0.001,
        warning_confidence: float = 0.005,
        two_sided_test: bool = False,
    ) -> None:
        super().__init__(drift_confidence, warning_confidence, two_sided_test=two_sided_test)

    def reset(self) -> None:
        """Forget everything seen."""
        super().reset()
        self.total, self.lowest, self.highest = Mean(), Mean(), Mean()

    def _take(self, value: float) -> None:
        self.total.take(value)
        bound, total = self._bound, self.total
        now = bound(total.count)
        if (
            self.lowest.count == 0
            or self.lowest.value + bound(self.lowest.count) >= total.value + now
        ):
            self.lowest = replace(total)
        if (
            self.highest.count == 0
            or self.highest.value - bound(self.highest.count) <= total.value - now
        ):
            self.highest = replace(total)

    def _bound(self, count: int) -> float:
        return math.sqrt(1.0 / (2 * count) * math.log(1.0 / self.drift_confidence))

    def _rose(self, confidence: float) -> bool:
        apart = self.total.value - self.lowest.value
        return self._beyond(self.lowest.count, apart, confidence)

    def _fell(self, confidence: float) -> bool:
        apart = self.highest.value - self.total.value
        return self._beyond(self.highest.count, apart, confidence)

    def _beyond(self, cut: int, apart: float, confidence: float) -> bool:
        count = self.total.count
        share = (count - cut) / cut * (1.0 / count)
        return cut < count and apart >= math.sqrt(share / 2 * math.log(2.0 / confidence))


@dataclass
class Weighted:
    """An exponentially weighted mean, and the sum of squared weights that bounds it.

    `squares` is 1 before the first value, and below 1 ever after.
    """

    value: float = 0.0
    squares: float = 1.0

    def take(self, value: float, weight: float) -> None:
        """Take the next value; the first one is the mean as it is."""
        kept = value if self.squares == 1 else self.value
        self.value = weight * value + (1 - weight) * kept
        self.squares = weight * weight + (1 - weight) ** 2 * self.squares


class HddmW(Hddm):
    """The W test: weighted means before and after the best cut, with McDiarmid's bound.

    `lambda_val` is the weight of the newest value. The alarms and warnings are those of
    river.drift.binary.HDDMW. Raises BadParameterError, and on update NotFiniteError and
    OutsideUnitError.

    Frias-Blanco, del Campo-Avila, Ramos-Jimenez, Morales-Bueno, Ortiz-Diaz & Caballero-Mota
    (2015), IEEE Trans. Knowledge Data Eng. 27, 810-823.
    """

    def __init__(
        self,
        *,
        drift_confidence: float = 0.001,
        warning_confidence: float = 0.005,
        lambda_val: float = 0.05,
        two_sided_test: bool = False,
    ) -> None:
        self.lambda_val = fraction(lambda_val, "lambda_val")
        super().__init__(drift_confidence, warning_confidence, two_sided_test=two_sided_test)

    def reset(self) -> None:
        """Forget everything seen."""
        super().reset()
        self.total = Weighted()
        self.before_rise, self.after_rise = Weighted(), Weighted()
        self.before_fall, self.after_fall = Weighted(), Weighted()
        self.lowest, self.highest = math.inf, -math.inf

    def _take(self, value: float) -> None:
        self.total.take(value, self.lambda_val)
        bound = math.sqrt(self.total.squares * math.log(1 / self.drift_confidence) / 2)
        if self.total.value + bound < self.lowest:
            self.lowest = self.total.value + bound
            self.before_rise, self.after_rise = replace(self.total), Weighted()
        else:
            self.after_rise.take(value, self.lambda_val)
        if self.total.value - bound > self.highest:
            self.highest = self.total.value - bound
            self.before_fall, self.after_fall = replace(self.total), Weighted()
        else:
            self.after_fall.take(value, self.lambda_val)

    def _rose(self, confidence: float) -> bool:
        return _beyond(self.before_rise, self.after_rise, confidence)

    def _fell(self, confidence: float) -> bool:
        return _beyond(self.after_fall, self.before_fall, confidence)


def _beyond(low: Weighted, high: Weighted, confidence: float) -> bool:
    """Tell whether `high` is above `low` by more than McDiarmid's bound, once both have values."""
    if low.squares == 1 or high.squares == 1:
        return False
    squares = low.squares + high.squares
    return high.value - low.value > math.sqrt(squares * math.log(1 / confidence) / 2)
