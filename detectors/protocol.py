"""What every detector looks like from outside."""

from typing import Protocol, runtime_checkable

from numpy.typing import ArrayLike

from detectors.histogram import Histogram
from detectors.result import TwoSampleResult


@runtime_checkable
class SequentialDetector(Protocol):
    """Watches one stream of values, one at a time.

    After `update(value)` the two flags say whether that value completed a drift or entered the
    warning zone; a detector without a warning zone always says False. After a drift the next
    update starts afresh by itself. `reset()` forgets everything.
    """

    @property
    def drift_detected(self) -> bool:
        """Whether the last value completed a drift."""

    @property
    def warning_detected(self) -> bool:
        """Whether the last value lies in the warning zone."""

    def update(self, value: float) -> None:
        """Take the next value; NotFiniteError for a NaN or an infinity."""

    def reset(self) -> None:
        """Forget everything seen."""


class TwoSampleTest(Protocol):
    """Compares two samples, reference first."""

    def __call__(self, reference: ArrayLike, current: ArrayLike, /) -> TwoSampleResult:
        """Test whether both come from one distribution."""


class HistogramTest(Protocol):
    """Compares two histograms on shared edges, reference first."""

    def __call__(self, reference: Histogram, current: Histogram, /) -> TwoSampleResult:
        """Test whether both come from one distribution."""
