"""Detectors written for scikit-multiflow, behind our protocol."""

from typing import Protocol, runtime_checkable

from detectors.arrays import finite


@runtime_checkable
class MultiflowDetector(Protocol):
    """scikit-multiflow's own API for drift detectors (BaseDriftDetector)."""

    def add_element(self, input_value: float, /) -> None:
        """Take the next value."""

    def detected_change(self) -> bool:
        """Whether the last value completed a drift."""

    def detected_warning_zone(self) -> bool:
        """Whether the last value lies in the warning zone."""

    def reset(self) -> None:
        """Forget everything seen."""


class MultiflowAdapter:
    """Makes a SequentialDetector of any detector with scikit-multiflow's API.

    The detector is reset before the value after a drift, as scikit-multiflow's own do or expect
    their caller to do. NotFiniteError on update for a NaN or an infinity.
    """

    def __init__(self, detector: MultiflowDetector) -> None:
        self._detector = detector

    @property
    def drift_detected(self) -> bool:
        """Whether the last value completed a drift."""
        return bool(self._detector.detected_change())

    @property
    def warning_detected(self) -> bool:
        """Whether the last value lies in the warning zone."""
        return bool(self._detector.detected_warning_zone())

    def update(self, value: float) -> None:
        """Take the next value."""
        checked = float(finite(value, "value"))
        if self.drift_detected:
            self.reset()
        self._detector.add_element(checked)

    def reset(self) -> None:
        """Forget everything seen."""
        self._detector.reset()
